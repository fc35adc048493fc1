// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client that is the usage example of the patch, word for word: usage_example.inc is cut out of
 * the mail when the image is built. What the example leaves to the reader is here: its headers and
 * variables. Its open() and poll() are ours so that they can be logged; besides, v1 has its device
 * under another name than the example knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

static uint32_t client;
static int open_error;

/* The example leaves with 1; an EXIT record has an errno. */
static void leave(void)
{
	_exit(open_error);
}

static int logged_open(const char *path, int flags)
{
	int fd = open(strcmp(path, "/dev/mem_notify") ? path : mn_device(), flags);

	open_error = fd < 0 ? errno : 0;
	mn_log(MN_REC_CLIENT, client, MN_CLIENT_USAGE, (uint64_t)open_error, 0);
	return fd;
}

static int logged_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	uint64_t since = mn_now();
	int ready, error;

	mn_log_at(since, MN_REC_POLL, client, (const uint64_t[5]){ 0 });
	ready = poll(fds, nr, timeout);
	error = ready < 0 ? errno : 0;
	mn_log(MN_REC_WAKEUP, client, mn_said(fds, ready), (uint64_t)ready, (uint64_t)error,
	       since, 0);
	return ready;
}

noreturn void mn_usage(uint32_t number)
{
	struct pollfd pollfds;
	int fd, err;

	client = number;
	if (atexit(leave))
		_exit(ENOMEM);
#define open logged_open
#define poll logged_poll
#include "usage_example.inc"
#undef open
#undef poll
	_exit(err < 0 ? EIO : 0);
}
