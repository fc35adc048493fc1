/*
 * Measurement A of 2007: open the device, fill some memory, wait, and leave when woken, which gives it
 * all back. Written from what the mails say about their program, not from its text.
 *
 * The argument is the number of MiB. The program of 2007 left with status 1, which is a finding here.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t size = (size_t)(argc > 1 ? atoi(argv[1]) : 1) << 20;
	struct pollfd device = { .events = POLLIN };
	char seen[4];
	void *memory;

	device.fd = open("/dev/mem_notify", O_RDONLY);
	if (device.fd < 0) {
		perror("/dev/mem_notify");
		return 1;
	}
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	memset(memory, 0, size);
	while (poll(&device, 1, -1) <= 0)
		;
	printf("read: %zd\n", read(device.fd, seen, sizeof(seen)));
	printf("time: %ld\n", (long)time(NULL));
	return 0;
}
