/*
 * Measurement C of January 2008: one thread takes ten MiB each second and writes to them at once, another
 * waits for the device, says how much there is by then, and ends the program. Written from what the mails
 * say about their program, not from its text.
 *
 * The argument is the number of MiB of a step.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t step = 10;
static atomic_uint done;

static void *fill(void *unused)
{
	for (;;) {
		void *memory = mmap(NULL, step << 20, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return unused;
		memset(memory, 1, step << 20);
		putchar('-');
		done++;
		sleep(1);
	}
}

int main(int argc, char **argv)
{
	struct pollfd device = { .events = POLLIN };
	pthread_t thread;

	if (argc > 1)
		step = (size_t)atoi(argv[1]);
	if (pthread_create(&thread, NULL, fill, NULL))
		return 1;
	device.fd = open("/dev/mem_notify", O_RDONLY);
	if (device.fd < 0) {
		perror("/dev/mem_notify");
		return 1;
	}
	read(device.fd, NULL, 0);	/* fails on v4, which has none */
	while (poll(&device, 1, -1) <= 0)
		;
	printf("\n%zu MiB\n", done * step);
	exit(0);
}
