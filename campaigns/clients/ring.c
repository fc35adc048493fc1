/*
 * Measurement D of spring 2008: a filler that goes round and round in a large mapping, ten pages at a
 * time with a sleep of 5 ms, and a releaser that gives back the next 911 pages each time that it is woken,
 * from the first page on. Written from what the mails say about their program, not from its text.
 *
 * The argument is the number of pages of the mapping.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define AT_ONCE 10
#define GIVEN 911

static char *memory;
static size_t pages = 250000;

static void sleep_ms(long ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000000 };

	nanosleep(&time, NULL);
}

static void *release(void *unused)
{
	struct pollfd device = { .fd = open("/dev/mem_notify", O_RDONLY), .events = POLLIN };
	size_t next = 0;

	if (device.fd < 0) {
		perror("/dev/mem_notify");
		exit(1);
	}
	for (;;) {
		if (poll(&device, 1, -1) != 1)
			continue;
		sleep_ms(100);
		for (int i = 0; i < GIVEN; i++, next = (next + 1) % pages)
			madvise(memory + next * PAGE, PAGE, MADV_DONTNEED);
		printf("gave back up to page %zu\n", next);
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 1)
		pages = (size_t)atol(argv[1]);
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED || pthread_create(&thread, NULL, release, NULL)) {
		perror("start");
		return 1;
	}
	for (size_t next = 0;;) {
		for (int i = 0; i < AT_ONCE; i++, next = (next + 1) % pages)
			memory[next * PAGE] = 1;
		sleep_ms(5);
	}
}
