// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the agent has to do something for programs of the user's own. The linker puts these functions
 * in the place of the agent's (--wrap), and theirs are called from here: so the files of the agent are
 * the same as without such programs, to the byte, and so are the ids of all other cells.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../scenario.h"
#include "own_agent.h"

static struct mn_own_shared *shared;	/* NULL: the scenario has no such clients */
static int control = -1;

int __real_mn_shared_open(const char *path, off_t start);
int __wrap_mn_shared_open(const char *path, off_t start);
uint32_t __real_mn_check_scenario(const struct mn_scenario *scenario, const struct mn_boot *boot);
uint32_t __wrap_mn_check_scenario(const struct mn_scenario *scenario, const struct mn_boot *boot);
noreturn void __real_mn_client(uint32_t client, const uint64_t arg[MN_ARGS], const char *disk);
noreturn void __wrap_mn_client(uint32_t client, const uint64_t arg[MN_ARGS], const char *disk);
void __real_mn_kill_processes(uint64_t op);
void __wrap_mn_kill_processes(uint64_t op);
void __real_mn_reap(int options);
void __wrap_mn_reap(int options);
void __real_mn_print_abi(void);
void __wrap_mn_print_abi(void);

int __wrap_mn_shared_open(const char *path, off_t start)
{
	int fd = __real_mn_shared_open(path, start);

	if (fd >= 0) {
		mn_own_region = fd;
		mn_own_region_start = start;
	}
	return fd;
}

/* --- before the scenario */

static bool is_own(const struct mn_step *step)
{
	return step->op == MN_OP_CLIENTS && (step->arg[MN_ARG_KIND] == MN_CLIENT_OWN ||
					     step->arg[MN_ARG_KIND] == MN_CLIENT_LINES);
}

static uint32_t count_clients(const struct mn_scenario *scenario)
{
	uint64_t clients = 0;
	char path[64];

	for (uint32_t i = 0; i < scenario->nr_steps; i++) {
		const struct mn_step *step = &scenario->steps[i];

		if (!is_own(step))
			continue;
		snprintf(path, sizeof(path), MN_OWN_PROGRAMS "/%llu/args",
			 (unsigned long long)step->arg[MN_ARG_PROGRAM]);
		if (access(path, R_OK))
			mn_fail("program of a client", errno);
		clients += step->arg[MN_ARG_COUNT];
	}
	return (uint32_t)clients;
}

static void start_relay(uint32_t clients)
{
	size_t size = sizeof(*shared) + clients * sizeof(*shared->slot);
	const struct rlimit files = { MN_MAX_PROCESSES + 64, MN_MAX_PROCESSES + 64 };
	pid_t pid;

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || mkfifo(MN_OWN_CONTROL, 0600) ||
	    (control = open(MN_OWN_CONTROL, O_RDWR | O_CLOEXEC)) < 0)
		mn_fail("the relay", errno);
	shared->clients = clients;
	for (uint32_t i = 0; i < clients; i++)
		shared->slot[i].client = MN_NO_CLIENT;
	pid = fork();
	if (pid < 0)
		mn_fail("fork", errno);
	if (pid == 0) {
		mn_shared_forked();
		if (setrlimit(RLIMIT_NOFILE, &files))
			_exit(errno);
		mn_own_relay(shared);
	}
}

uint32_t __wrap_mn_check_scenario(const struct mn_scenario *scenario, const struct mn_boot *boot)
{
	uint32_t processes = __real_mn_check_scenario(scenario, boot);
	uint32_t clients = count_clients(scenario);

	if (clients)
		start_relay(clients);
	return processes;
}

noreturn void __wrap_mn_client(uint32_t client, const uint64_t arg[MN_ARGS], const char *disk)
{
	if (arg[MN_ARG_KIND] == MN_CLIENT_OWN || arg[MN_ARG_KIND] == MN_CLIENT_LINES)
		mn_own_client(shared, client, arg);
	__real_mn_client(client, arg, disk);
}

/* --- the end */

static uint32_t slots(void)
{
	return shared ? __atomic_load_n(&shared->started, __ATOMIC_RELAXED) : 0;
}

/* How many processes each user of ours has: the owner of a folder of /proc is the process's. */
static void count_processes(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	struct stat found;
	char path[64];

	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name < '1' || *entry->d_name > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s", entry->d_name);
		if (stat(path, &found) || found.st_uid < MN_OWN_FIRST_UID)
			continue;
		for (uint32_t i = 0; i < slots(); i++)
			if (shared->slot[i].client == found.st_uid - MN_OWN_FIRST_UID)
				shared->slot[i].processes++;
		mn_alive();
	}
	if (dir)
		closedir(dir);
}

/* kill(-1) of a user is all at once, so that none can fork out of it; it spares process 1. */
static void kill_user(uid_t user)
{
	if (setresuid(user, user, 0))
		mn_fail("setresuid", errno);
	kill(-1, SIGKILL);
	if (setresuid(0, 0, 0))
		mn_fail("setresuid", errno);
}

void __wrap_mn_kill_processes(uint64_t op)
{
	if (op == MN_OP_CLIENTS && slots())
		count_processes();
	__real_mn_kill_processes(op);
	for (uint32_t i = 0; op == MN_OP_CLIENTS && i < slots(); i++) {
		if (shared->slot[i].client == MN_NO_CLIENT)
			continue;	/* it has just been killed, before it had anything */
		kill_user(MN_OWN_FIRST_UID + shared->slot[i].client);
		mn_alive();
	}
}

static void read_page(struct mn_own_slot *slot)
{
	struct mn_own_page page;
	char path[MN_NODE_MAX];
	int fd;

	mn_own_page_path(path, slot->client);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, &page, sizeof(page)) == sizeof(page)) {
		slot->unlogged += page.left_out;
		slot->closed = page.closed;
	}
	close(fd);
}

/* `options` is 0 only at the end, when all have been killed: then the relay has all that was said. */
void __wrap_mn_reap(int options)
{
	if (!options && shared)
		mn_own_relay_end(control);
	__real_mn_reap(options);
	for (uint32_t i = 0; !options && i < slots(); i++) {
		struct mn_own_slot *slot = &shared->slot[i];

		if (slot->client == MN_NO_CLIENT)
			continue;
		read_page(slot);
		mn_log(MN_REC_LEFT, slot->client, slot->processes, slot->unlogged, slot->left_out,
		       slot->written, slot->closed);
	}
}

/* --- the layout */

#define FIELD(type, name) \
	printf(",\n  \"%s\": [%zu, %zu]", #name, offsetof(struct type, name), \
	       sizeof(((struct type *)NULL)->name))

void __wrap_mn_print_abi(void)
{
	__real_mn_print_abi();
	printf("{ \"Kind\": {\"PROGRAM\": %d, \"SAID\": %d, \"LEFT\": %d},\n", MN_REC_PROGRAM,
	       MN_REC_SAID, MN_REC_LEFT);
	printf(" \"ClientArg\": {\"PROGRAM\": %d},\n", MN_ARG_PROGRAM);
	printf(" \"mn_said\": {\n  \"\": [0, %zu]", sizeof(struct mn_said));
	FIELD(mn_said, length);
	FIELD(mn_said, flags);
	FIELD(mn_said, pad);
	FIELD(mn_said, left_out);
	FIELD(mn_said, text);
	printf("\n }\n}\n");
}
