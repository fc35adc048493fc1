// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dd if=/dev/zero of=FILE: fills a buffer, and writes it to the disk, so often as it is told. Like dd
 * it does not wait for the disk, so what it leaves is dirty page cache. Its exit code is an errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent.h"

static int write_all(int fd, const char *buffer, size_t size)
{
	while (size) {
		ssize_t done = write(fd, buffer, size);

		if (done < 0)
			return errno;
		buffer += done;
		size -= (size_t)done;
	}
	return 0;
}

noreturn void mn_dd(const uint64_t arg[MN_ARGS], const char *disk)
{
	uint64_t block_kib = arg[0], done = 0;
	int fd = open(disk, O_WRONLY | O_CLOEXEC), error = fd < 0 ? errno : 0;
	char *buffer;

	if (block_kib > SIZE_MAX / 1024)
		_exit(ENOMEM);
	buffer = mmap(NULL, (size_t)block_kib * 1024, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		_exit(errno);
	for (uint64_t i = 0; !error && i < arg[1]; i++) {
		memset(buffer, 0, (size_t)block_kib * 1024);
		error = write_all(fd, buffer, (size_t)block_kib * 1024);
		done += error ? 0 : block_kib;
		mn_log(MN_REC_WRITTEN, MN_NO_CLIENT, done, (uint64_t)error);
	}
	_exit(error);
}
