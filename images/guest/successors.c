// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What newer kernels have in place of /dev/mem_notify: triggers of pressure stall information
 * (Linux 5.2), memory.pressure_level of version 1 control groups (3.10), of the root and so of
 * all memory, and memory.events of version 2, which the root does not have: the hogs'.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent.h"

bool mn_is_successor(enum mn_client_kind kind)
{
	return kind == MN_CLIENT_PSI || kind == MN_CLIENT_PRESSURE_LEVEL ||
	       kind == MN_CLIENT_MEMORY_EVENTS;
}

/* The trigger goes with the descriptor. */
static int open_psi(struct pollfd *watched, uint64_t stall_us, uint64_t window_us)
{
	char trigger[64];

	watched->events = POLLPRI;
	watched->fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK);
	if (watched->fd < 0)
		return errno;
	snprintf(trigger, sizeof(trigger), "some %llu %llu", (unsigned long long)stall_us,
		 (unsigned long long)window_us);
	return write(watched->fd, trigger, strlen(trigger) + 1) < 0 ? errno : 0;
}

static int open_pressure_level(struct pollfd *watched, uint64_t level)
{
	static const char *const names[] = {
		[MN_LEVEL_LOW] = "low",
		[MN_LEVEL_MEDIUM] = "medium",
		[MN_LEVEL_CRITICAL] = "critical",
	};
	int file = open(MN_GROUPS "/memory.pressure_level", O_RDONLY);
	int control = file < 0 ? -1 : open(MN_GROUPS "/cgroup.event_control", O_WRONLY);
	char line[64];

	if (level < MN_LEVEL_LOW || level > MN_LEVEL_CRITICAL)
		return EINVAL;
	if (control < 0)
		return errno;
	watched->events = POLLIN;
	watched->fd = eventfd(0, EFD_CLOEXEC);
	if (watched->fd < 0)
		return errno;
	snprintf(line, sizeof(line), "%d %d %s", watched->fd, file, names[level]);
	return write(control, line, strlen(line) + 1) < 0 ? errno : 0;
}

static int open_events(struct pollfd *watched)
{
	watched->events = POLLPRI;
	watched->fd = open(MN_GROUPS "/hogs/memory.events", O_RDONLY);
	if (watched->fd < 0)
		return errno;
	/* What has not been read yet counts as news. */
	return mn_successor_seen(watched, MN_CLIENT_MEMORY_EVENTS);
}

int mn_successor_open(struct pollfd *watched, const uint64_t arg[MN_ARGS])
{
	switch ((enum mn_client_kind)arg[MN_ARG_KIND]) {
	case MN_CLIENT_PSI:
		return open_psi(watched, arg[MN_ARG_CACHE], arg[MN_ARG_GIVE]);
	case MN_CLIENT_PRESSURE_LEVEL:
		return open_pressure_level(watched, arg[MN_ARG_CACHE]);
	default:
		return open_events(watched);
	}
}

/* Takes note of an event, so that the next poll() waits for the next one. */
int mn_successor_seen(const struct pollfd *watched, enum mn_client_kind kind)
{
	char text[512];
	uint64_t events;

	if (kind == MN_CLIENT_PRESSURE_LEVEL)
		return read(watched->fd, &events, sizeof(events)) < 0 ? errno : 0;
	if (kind == MN_CLIENT_MEMORY_EVENTS)
		return pread(watched->fd, text, sizeof(text), 0) < 0 ? errno : 0;
	return 0;
}
