// SPDX-License-Identifier: GPL-2.0-or-later
/* A client from fork() to exec(): its output, the page that it shares, its user, its limits. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "own_agent.h"

#define LEAST_QUOTA 64u

int mn_own_region = -1;
off_t mn_own_region_start;

void mn_own_page_path(char path[MN_NODE_MAX], uint32_t client)
{
	snprintf(path, MN_NODE_MAX, "/own/page-%u", (unsigned int)client);
}

/* What it prints goes to the relay, which opens its end when it hears of the client. */
static void open_output(uint32_t slot, uint32_t client)
{
	char path[MN_NODE_MAX];
	int nothing = open("/dev/null", O_RDONLY), fd;

	mn_own_out_path(path, client);
	if (nothing < 0 || mkfifo(path, 0600))
		_exit(errno);
	mn_own_relay_add(slot);
	fd = open(path, O_WRONLY);
	if (fd < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
	    dup2(fd, STDERR_FILENO) < 0)
		_exit(errno);
	close(fd);
	close(nothing);
	unlink(path);
}

/* A client may fill its share of half of the log, and the others still have theirs. */
static void open_page(const struct mn_own_shared *shared, uint32_t client)
{
	uint32_t quota = mn_header()->capacity / 2 / shared->clients;
	struct mn_own_page page = {
		.log_start = (uint64_t)mn_own_region_start,
		.client = client,
		.quota = quota > LEAST_QUOTA ? quota : LEAST_QUOTA,
	};
	char path[MN_NODE_MAX];
	struct stat device;
	int fd;

	memcpy(page.magic, MN_OWN_MAGIC, sizeof(page.magic));
	if (!stat(mn_device(), &device))
		page.device = (uint64_t)device.st_rdev;
	mn_own_page_path(path, client);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, MN_PAGE) || write(fd, &page, sizeof(page)) != sizeof(page) ||
	    dup2(fd, MN_OWN_PAGE_FD) < 0 || dup2(mn_own_region, MN_OWN_LOG_FD) < 0)
		_exit(errno);
	if (fd != MN_OWN_PAGE_FD)
		close(fd);
}

/* Nothing of the agent's: neither its signals nor its priority, and no core dump into memory. */
static void become_user(uint32_t client)
{
	const struct rlimit few = { MN_OWN_MAX_PROCESSES, MN_OWN_MAX_PROCESSES };
	const struct rlimit none = { 0, 0 };
	uid_t user = MN_OWN_FIRST_UID + client;
	sigset_t signals;

	sigemptyset(&signals);
	if (sigprocmask(SIG_SETMASK, &signals, NULL) || setsid() < 0 || chdir("/") ||
	    setrlimit(RLIMIT_CORE, &none) || setgroups(0, NULL) || setgid(user) || setuid(user) ||
	    setrlimit(RLIMIT_NPROC, &few))
		_exit(errno);
}

/* What it logs is of a binary, whose lines the relay reads; access() opens nothing. */
static void log_start(uint32_t client, const uint64_t arg[MN_ARGS], const char *folder)
{
	char path[64];

	mn_log(MN_REC_PROGRAM, client, arg[MN_ARG_PROGRAM], 0);
	snprintf(path, sizeof(path), "%s/wakeup", folder);
	if (arg[MN_ARG_KIND] != MN_CLIENT_LINES || access(path, R_OK))
		return;
	mn_log(MN_REC_CLIENT, client, MN_CLIENT_LINES,
	       access(mn_device(), R_OK) ? (uint64_t)errno : 0, 0, 0);
}

noreturn void mn_own_client(struct mn_own_shared *shared, uint32_t client,
			    const uint64_t arg[MN_ARGS])
{
	static char args[MN_OWN_ARGS_SIZE], words[2][48], folder[48], file[128];
	char *argv[MN_OWN_ARGS_SIZE / 2] = { NULL };
	char *envp[] = { words[0], words[1], NULL };
	uint32_t slot = __atomic_fetch_add(&shared->started, 1, __ATOMIC_RELAXED);
	ssize_t length;
	int argc = 0;

	shared->slot[slot].client = client;
	shared->slot[slot].program = (uint32_t)arg[MN_ARG_PROGRAM];
	snprintf(folder, sizeof(folder), MN_OWN_PROGRAMS "/%u", (unsigned int)arg[MN_ARG_PROGRAM]);
	snprintf(file, sizeof(file), "%s/args", folder);
	length = mn_read_file(file, args, sizeof(args));
	if (length <= 0)
		_exit(ENOENT);
	for (char *word = args; word < args + length; word += strlen(word) + 1)
		argv[argc++] = word;
	snprintf(file, sizeof(file), "%s/bin/%s", folder, argv[0]);
	snprintf(words[0], sizeof(words[0]), "MEMNOTIFY_CLIENT=%u", (unsigned int)client);
	snprintf(words[1], sizeof(words[1]), "MEMNOTIFY_DEVICE=%s", mn_device());
	open_output(slot, client);
	if (arg[MN_ARG_KIND] == MN_CLIENT_OWN)
		open_page(shared, client);
	log_start(client, arg, folder);
	become_user(client);
	execve(file, argv, envp);
	mn_log(MN_REC_PROGRAM, client, arg[MN_ARG_PROGRAM], (uint64_t)errno);
	_exit(errno);
}
