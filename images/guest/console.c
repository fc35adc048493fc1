// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What somebody in 2008 would watch a machine with: a shell that loops over sleep, date and vmstat.
 * Each round starts two programs. So, unlike the agent's own samples, it is neither locked in memory
 * nor first in the queue, and where fork() or exec() has to wait there is a gap.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

#define SELF "/init"
#define DATE "--date"
#define VMSTAT "--vmstat"

/* Of what a program says, `size` bytes, all of them or none. Returns an errno. */
static int run(const char *word, void *said, size_t size)
{
	char *const argv[] = { (char[]){ SELF }, (char *)(uintptr_t)word, NULL };
	int ends[2], status, error = 0;
	size_t had = 0;
	ssize_t got = 1;
	pid_t pid;

	if (pipe(ends))
		return errno;
	pid = fork();
	if (pid < 0)
		error = errno;
	if (pid == 0) {
		if (dup2(ends[1], STDOUT_FILENO) < 0)
			_exit(errno);
		execv(SELF, argv);
		_exit(errno);
	}
	close(ends[1]);
	while (pid > 0 && had < size && got > 0) {
		got = read(ends[0], (char *)said + had, size - had);
		had += got > 0 ? (size_t)got : 0;
	}
	close(ends[0]);
	if (pid < 0)
		return error;
	if (waitpid(pid, &status, 0) < 0)
		return errno;
	if (!WIFEXITED(status))
		return EINTR;
	if (WEXITSTATUS(status))
		return WEXITSTATUS(status);
	return had == size ? 0 : EPIPE;
}

static uint32_t us_since(uint64_t when)
{
	uint64_t us = (mn_now() - when) / 1000;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void one_round(void)
{
	struct mn_console saw = { .error = 0 };
	uint64_t begun = mn_now(), time = 0;
	uint32_t date_us;
	int error = run(DATE, &time, sizeof(time));

	date_us = us_since(begun);
	if (error)
		time = mn_now();
	begun = mn_now();
	if (!error)
		error = run(VMSTAT, &saw, sizeof(saw));
	if (error)
		memset(&saw, 0, sizeof(saw));
	saw.error = (uint32_t)error;
	saw.date_us = date_us;
	saw.vmstat_us = error ? 0 : us_since(begun);
	mn_log_at(time, MN_REC_CONSOLE, MN_NO_CLIENT, &saw);
}

noreturn void mn_console(const uint64_t arg[MN_ARGS])
{
	for (;;) {
		mn_sleep_for(arg[0]);
		one_round();
	}
}

/* The number behind `name` at the start of a line; a file that lacks it is not what we think. */
static uint32_t number_after(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length))
			return (uint32_t)strtoul(line + length, NULL, 10);
	}
	_exit(EPROTO);
}

static void read_file(const char *path, char *text, size_t size)
{
	if (mn_read_file(path, text, size) <= 0)
		_exit(errno ? errno : EIO);
}

static noreturn void say(const void *what, size_t size)
{
	_exit(write(STDOUT_FILENO, what, size) == (ssize_t)size ? 0 : EPIPE);
}

/* Reads what vmstat reads, whether we show it or not. */
static noreturn void vmstat(void)
{
	static char text[32768];
	struct mn_console saw = { .error = 0 };
	uint32_t running;

	read_file("/proc/vmstat", text, sizeof(text));
	read_file("/proc/stat", text, sizeof(text));
	running = number_after(text, "procs_running");
	saw.runnable = (uint16_t)(running ? running - 1 : 0);
	saw.blocked = (uint16_t)number_after(text, "procs_blocked");
	read_file("/proc/meminfo", text, sizeof(text));
	saw.swapped = number_after(text, "SwapTotal:") - number_after(text, "SwapFree:");
	saw.free = number_after(text, "MemFree:");
	saw.buffers = number_after(text, "Buffers:");
	saw.cached = number_after(text, "Cached:");
	saw.active = number_after(text, "Active:");
	saw.inactive = number_after(text, "Inactive:");
	say(&saw, sizeof(saw));
}

void mn_console_program(const char *word)
{
	uint64_t now = mn_now();

	if (!strcmp(word, DATE))
		say(&now, sizeof(now));
	if (!strcmp(word, VMSTAT))
		vmstat();
}
