// SPDX-License-Identifier: GPL-2.0-or-later
/* Whole files of /proc, /sys and control groups, read and written. Needs no other part. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* Returns the length, or -1. The text is terminated, and cut off if it does not fit. */
ssize_t mn_read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got = -1;

	if (fd < 0)
		return -1;
	while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	return got < 0 ? -1 : (ssize_t)length;
}

/* Returns an errno. The kernel takes what is written all at once, or not at all. */
int mn_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}
