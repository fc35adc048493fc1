// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The processes of a scenario: how the agent starts one, finds it again by its pid, stops it, and logs
 * its end. What a process does is in the other files.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

struct mn_agent mn_agent;

/* As large as this scenario needs it: all of it is locked in memory. */
void mn_make_table(uint32_t processes)
{
	uint32_t buckets = 1;
	size_t size;
	char *table;

	while (buckets < processes)
		buckets *= 2;
	size = processes * sizeof(*mn_agent.process) + buckets * sizeof(*mn_agent.bucket);
	table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED || madvise(table, size, MADV_DONTFORK))
		mn_fail("table of processes", errno);
	mn_agent.process = (struct mn_process *)table;
	mn_agent.bucket = (uint16_t *)(table + processes * sizeof(*mn_agent.process));
	mn_agent.bucket_mask = buckets - 1;
}

static uint16_t *bucket_of(pid_t pid)
{
	return &mn_agent.bucket[(uint32_t)pid & mn_agent.bucket_mask];
}

/* Of a process that has ended, to the nanosecond; Linux 2.6.24 counts its rusage in ticks. */
static uint64_t cpu_time(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * NSEC_PER_SEC + (uint64_t)used.tv_nsec;
}

static void reaped(pid_t pid, int status, uint64_t cpu_ns)
{
	for (uint16_t *link = bucket_of(pid); *link; link = &mn_agent.process[*link - 1].next) {
		struct mn_process *process = &mn_agent.process[*link - 1];

		if (process->pid != pid)
			continue;
		mn_log(MN_REC_EXIT, process->client,
		       WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 0,
		       WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0,
		       process->killed, process->op, cpu_ns);
		*link = process->next;
		process->pid = 0;
		return;
	}
}

/* waitid()'s options: WNOHANG for those that have ended, 0 for all there are. */
void mn_reap(int options)
{
	siginfo_t ended = { .si_pid = 0 };
	int status;

	while (!waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT | options) && ended.si_pid) {
		uint64_t cpu_ns = cpu_time(ended.si_pid);

		if (waitpid(ended.si_pid, &status, 0) == ended.si_pid)
			reaped(ended.si_pid, status, cpu_ns);
		mn_alive();
		ended.si_pid = 0;
	}
}

void mn_kill_processes(uint64_t op)
{
	for (uint32_t i = 0; i < mn_agent.nr_processes; i++) {
		if (!mn_agent.process[i].pid || mn_agent.process[i].op != op)
			continue;
		mn_agent.process[i].killed = true;
		kill(mn_agent.process[i].pid, SIGKILL);
		mn_alive();
	}
}

/* Its own first touches of memory are there; then the scheduler is as free as ever. */
static void move_to(uint32_t cpu)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(all), &all))
		_exit(errno);
	CPU_SET(cpu % (uint32_t)CPU_COUNT(&all), &one);
	if (sched_setaffinity(0, sizeof(one), &one) || sched_setaffinity(0, sizeof(all), &all))
		_exit(errno);
}

/* `place`: as in a step. Returns true in the child, which must not look at mn_agent any more. */
bool mn_start_process(uint32_t op, uint32_t place, uint32_t client, const char *name)
{
	const struct sched_param normal = { .sched_priority = 0 };
	pid_t pid = fork();

	if (pid < 0)
		mn_fail("fork", errno);
	if (pid == 0) {
		mn_shared_forked();
		prctl(PR_SET_NAME, name);	/* what the OOM killer will report */
		/* By hand: musl has this one as a stub. */
		if (syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &normal))
			_exit(errno);
		if (place)
			move_to(place - 1);
		return true;
	}
	mn_agent.process[mn_agent.nr_processes++] = (struct mn_process){
		.pid = pid,
		.client = client,
		.op = (uint16_t)op,
		.next = *bucket_of(pid),
	};
	*bucket_of(pid) = (uint16_t)mn_agent.nr_processes;
	return false;
}
