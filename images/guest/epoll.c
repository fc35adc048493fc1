// SPDX-License-Identifier: GPL-2.0-or-later
/* A client that waits by epoll: unlike one in poll(), it stays in the device's queue when woken. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent.h"

int mn_epoll(struct pollfd *watched)
{
	static int set = -1;
	struct epoll_event wanted = { .events = EPOLLIN };
	struct epoll_event event;
	int ready;

	if (set < 0) {
		set = epoll_create(1);
		if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, watched->fd, &wanted))
			_exit(errno);
	}
	ready = epoll_wait(set, &event, 1, -1);
	if (ready > 0)
		watched->revents = (short)event.events;
	return ready;
}
