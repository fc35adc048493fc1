// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a scenario. There is one timeline: steps, clients that are still to be
 * started, samples and the watch of the balloon all have absolute times, and the
 * agent always does the earliest and then waits for the next, or for a child's end.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define NEVER UINT64_MAX
#define BALLOON_WATCH_NS (10 * NSEC_PER_MSEC)

struct process {
	pid_t pid;		/* 0: it has ended */
	uint32_t client;	/* or MN_NO_CLIENT */
	uint16_t op;		/* enum mn_op that started it */
	uint16_t next;		/* in its bucket: number of a process, from 1; 0: none */
	bool killed;		/* by us */
};

/* A balloon step that the guest has not seen the end of. next == NEVER: there is none. */
struct balloon {
	uint64_t target_kib, expected_kib;
	uint64_t requested, deadline, next;
	uint32_t step;
};

/* All state of the agent in one place, so that no child needs a copy of it. */
static struct {
	const struct mn_scenario *scenario;
	const struct mn_boot *boot;
	uint64_t start;			/* all other times are CLOCK_MONOTONIC, too */
	uint64_t next_sample;
	uint32_t next_step;		/* those before it have begun */
	uint32_t next_client;
	uint32_t forked[MN_MAX_STEPS];	/* clients started so far by a step */
	struct balloon balloon;
	uint32_t nr_processes;		/* started so far */
	struct process *process;	/* as many as the scenario starts */
	uint16_t *bucket;		/* first process of each, found by its pid */
	uint32_t bucket_mask;
	timer_t timer;
	sigset_t signals;
} __attribute__((aligned(MN_PAGE))) agent;

void mn_scenario_init(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGALRM,
	};

	sigemptyset(&agent.signals);
	sigaddset(&agent.signals, SIGALRM);
	sigaddset(&agent.signals, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &agent.signals, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &agent.timer))
		mn_fail("timer_create", errno);
	/* Left out of children: else each fork would make us copy the pages we write to. */
	if (madvise(&agent, sizeof(agent), MADV_DONTFORK))
		mn_fail("MADV_DONTFORK", errno);
}

/* --- what the mailbox says */

static bool has_processes(uint64_t op)
{
	return op == MN_OP_CLIENTS || op == MN_OP_HOG || op == MN_OP_FILECACHE ||
	       op == MN_OP_SELF_CHECK || op == MN_OP_CONSOLE || op == MN_OP_DD;
}

/* Both return what is wrong with a step, or NULL. */
static const char *check_clients(const uint64_t arg[MN_ARGS])
{
	if (arg[MN_ARG_KIND] < MN_CLIENT_POLL || arg[MN_ARG_KIND] >= MN_CLIENT_END)
		return "client kind";
	if (arg[MN_ARG_COUNT] > MN_MAX_PROCESSES)
		return "number of clients";
	if (arg[MN_ARG_READ] > MN_MAX_READ)
		return "bytes to read";
	if (arg[MN_ARG_KIND] == MN_CLIENT_PEEK && !arg[MN_ARG_PAUSE])
		return "time between looks";
	return arg[MN_ARG_TEXT] && !*agent.boot->disk ? "mn.disk is missing" : NULL;
}

static const char *check_step(const struct mn_step *step, uint64_t *processes)
{
	const struct mn_boot *boot = agent.boot;

	*processes += step->op == MN_OP_CLIENTS ? step->arg[MN_ARG_COUNT] : has_processes(step->op);
	switch (step->op) {
	case MN_OP_CLIENTS:
		return check_clients(step->arg);
	case MN_OP_BALLOON:
		if (!boot->ram_kib)
			return "mn.ram_kib is missing";
		if (step->arg[0] > boot->ram_kib ||
		    boot->ram_kib - step->arg[0] >= boot->total_kib)
			return "balloon target";
		return NULL;
	case MN_OP_FILECACHE:
		if (step->arg[2] == MN_FILE_DISK && !*boot->disk)
			return "mn.disk is missing";
		/* fall through */
	case MN_OP_HOG:
	case MN_OP_SELF_CHECK:
		if (!step->arg[0] || step->arg[0] > UINT32_MAX || step->arg[1] > UINT32_MAX)
			return "rate or size";
		return step->op == MN_OP_HOG && step->arg[2] > MN_MAX_NODES ? "node" : NULL;
	case MN_OP_DD:
		if (!*boot->disk)
			return "mn.disk is missing";
		/* fall through */
	case MN_OP_CONSOLE:
		return step->arg[0] ? NULL : "size or time";
	case MN_OP_GROUP:
		return step->arg[0] == 1 || step->arg[0] == 2 ? NULL : "control groups";
	case MN_OP_SWAPPINESS:
		return step->arg[0] <= 100 ? NULL : "swappiness";
	case MN_OP_STOP:
		return has_processes(step->arg[0]) ? NULL : "what to stop";
	default:
		return "unknown op";
	}
}

/* Returns how many processes it starts. */
static uint32_t check_scenario(const struct mn_scenario *scenario)
{
	uint64_t processes = 0, before = 0;

	if (memcmp(scenario->magic, MN_MAGIC, sizeof(scenario->magic)))
		mn_fail("no scenario", EPROTO);
	if (!scenario->sample_ns || scenario->nr_steps > MN_MAX_STEPS)
		mn_fail("scenario header", EPROTO);
	for (uint32_t i = 0; i < scenario->nr_steps; i++) {
		const struct mn_step *step = &scenario->steps[i];
		const char *wrong = check_step(step, &processes);

		if (wrong)
			mn_fail(wrong, EPROTO);
		if (step->at_ns < before || step->at_ns >= scenario->duration_ns)
			mn_fail("order of steps", EPROTO);
		before = step->at_ns;
	}
	if (processes > MN_MAX_PROCESSES)
		mn_fail("number of processes", EPROTO);
	return (uint32_t)processes;
}

/* --- processes */

/* As large as this scenario needs it: all of it is locked in memory. */
static void make_table(uint32_t processes)
{
	uint32_t buckets = 1;
	size_t size;
	char *table;

	while (buckets < processes)
		buckets *= 2;
	size = processes * sizeof(*agent.process) + buckets * sizeof(*agent.bucket);
	table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED || madvise(table, size, MADV_DONTFORK))
		mn_fail("table of processes", errno);
	agent.process = (struct process *)table;
	agent.bucket = (uint16_t *)(table + processes * sizeof(*agent.process));
	agent.bucket_mask = buckets - 1;
}

static uint16_t *bucket_of(pid_t pid)
{
	return &agent.bucket[(uint32_t)pid & agent.bucket_mask];
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

/* `place`: as in a step. Returns true in the child, which must not look at `agent` any more. */
static bool start_process(uint32_t op, uint32_t place, uint32_t client, const char *name)
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
	agent.process[agent.nr_processes++] = (struct process){
		.pid = pid,
		.client = client,
		.op = (uint16_t)op,
		.next = *bucket_of(pid),
	};
	*bucket_of(pid) = (uint16_t)agent.nr_processes;
	return false;
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
	for (uint16_t *link = bucket_of(pid); *link; link = &agent.process[*link - 1].next) {
		struct process *process = &agent.process[*link - 1];

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
static void reap(int options)
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

static void kill_processes(uint64_t op)
{
	for (uint32_t i = 0; i < agent.nr_processes; i++) {
		if (!agent.process[i].pid || agent.process[i].op != op)
			continue;
		agent.process[i].killed = true;
		kill(agent.process[i].pid, SIGKILL);
		mn_alive();
	}
}

/* --- clients that are still to be started */

static uint64_t client_due(uint32_t i)
{
	const struct mn_step *step = &agent.scenario->steps[i];

	if (step->op != MN_OP_CLIENTS || agent.forked[i] >= step->arg[MN_ARG_COUNT])
		return NEVER;
	return agent.start + step->at_ns + agent.forked[i] * step->arg[MN_ARG_SPACING];
}

static uint32_t next_clients_step(void)
{
	uint32_t first = 0;

	for (uint32_t i = 1; i < agent.next_step; i++)
		if (client_due(i) < client_due(first))
			first = i;
	return first;
}

static void start_client(void)
{
	uint32_t i = next_clients_step();
	const struct mn_step *step = &agent.scenario->steps[i];
	uint32_t place = step->place ? step->place + agent.forked[i] : 0;
	uint32_t client = agent.next_client++;
	uint64_t arg[MN_ARGS];
	char disk[MN_NODE_MAX];

	memcpy(arg, step->arg, sizeof(arg));
	memcpy(disk, agent.boot->disk, sizeof(disk));
	agent.forked[i]++;
	if (start_process(MN_OP_CLIENTS, place, client, "client"))
		mn_client(client, arg, disk);
}

/* --- balloon */

static void log_balloon(enum mn_balloon_phase phase, uint64_t total_kib)
{
	const struct balloon *balloon = &agent.balloon;
	uint64_t now = mn_now();

	mn_log_at(now, MN_REC_BALLOON, MN_NO_CLIENT,
		  (const uint64_t[5]){ phase, balloon->step, balloon->target_kib, total_kib,
				       now - balloon->requested });
}

static void settle_balloon(bool reached, uint64_t total_kib)
{
	log_balloon(reached ? MN_BALLOON_REACHED : MN_BALLOON_MISSED, total_kib);
	agent.balloon.next = NEVER;
	mn_rendezvous(MN_BALLOON_SETTLED, agent.balloon.step, reached);
}

/* The next balloon step, or the end, cuts short what the one before was allowed. */
static void give_up_balloon(void)
{
	if (agent.balloon.next != NEVER)
		settle_balloon(false, mn_total_kib());
}

static void request_balloon(uint32_t i)
{
	const struct mn_step *step = &agent.scenario->steps[i];
	struct balloon *balloon = &agent.balloon;

	give_up_balloon();
	balloon->step = i;
	balloon->target_kib = step->arg[0];
	balloon->expected_kib = agent.boot->total_kib - (agent.boot->ram_kib - step->arg[0]);
	balloon->requested = mn_now();
	balloon->deadline = balloon->requested + step->arg[1];
	balloon->next = agent.start + step->at_ns + BALLOON_WATCH_NS;
	log_balloon(MN_BALLOON_REQUESTED, mn_total_kib());
	mn_rendezvous(MN_BALLOON_SET, i, balloon->target_kib);
}

static void watch_balloon(void)
{
	struct balloon *balloon = &agent.balloon;
	uint64_t now = mn_now(), total = mn_total_kib();

	if (total + MN_PAGE_KIB >= balloon->expected_kib &&
	    total <= balloon->expected_kib + MN_PAGE_KIB)
		settle_balloon(true, total);
	else if (now >= balloon->deadline)
		settle_balloon(false, total);
	else
		while (balloon->next <= now)
			balloon->next += BALLOON_WATCH_NS;
}

/* --- the timeline */

static void begin_step(void)
{
	uint32_t i = agent.next_step++;
	const struct mn_step *step = &agent.scenario->steps[i];
	uint64_t due = agent.start + step->at_ns, now = mn_now();
	uint64_t arg[MN_ARGS];
	char disk[MN_NODE_MAX];

	mn_log_at(now, MN_REC_STEP, MN_NO_CLIENT,
		  (const uint64_t[5]){ i, step->op, step->arg[0], step->arg[1], now - due });
	memcpy(arg, step->arg, sizeof(arg));
	memcpy(disk, agent.boot->disk, sizeof(disk));
	switch (step->op) {
	case MN_OP_BALLOON:
		request_balloon(i);
		break;
	case MN_OP_HOG:
		if (start_process(MN_OP_HOG, step->place, MN_NO_CLIENT, "hog"))
			mn_hog(due, arg);
		break;
	case MN_OP_GROUP:
		mn_group(arg);
		break;
	case MN_OP_SWAPPINESS:
		mn_swappiness(arg[0]);
		break;
	case MN_OP_FILECACHE:
		if (start_process(MN_OP_FILECACHE, step->place, MN_NO_CLIENT, "filecache"))
			mn_filecache(due, arg, disk);
		break;
	case MN_OP_CONSOLE:
		if (start_process(MN_OP_CONSOLE, step->place, MN_NO_CLIENT, "console"))
			mn_console(arg);
		break;
	case MN_OP_DD:
		if (start_process(MN_OP_DD, step->place, MN_NO_CLIENT, "dd"))
			mn_dd(arg, disk);
		break;
	case MN_OP_SELF_CHECK:
		if (start_process(MN_OP_SELF_CHECK, step->place, MN_NO_CLIENT, "self-check"))
			mn_self_check(arg, disk);
		break;
	case MN_OP_STOP:
		if (arg[0] == MN_OP_CLIENTS)
			for (uint32_t j = 0; j < i; j++)
				agent.forked[j] = UINT32_MAX;	/* those to come, too */
		kill_processes(arg[0]);
		break;
	}
}

static void take_sample(void)
{
	uint64_t now;

	mn_sample();
	/* One that did not come in time is left out: the others stay where they belong. */
	now = mn_now();
	do
		agent.next_sample += agent.scenario->sample_ns;
	while (agent.next_sample <= now);
}

/* Waits for a time, or less long if a child has ended meanwhile. */
static void wait_until(uint64_t when)
{
	const struct itimerspec at = { .it_value = {
		.tv_sec = (time_t)(when / NSEC_PER_SEC),
		.tv_nsec = (long)(when % NSEC_PER_SEC),
	} };

	if (timer_settime(agent.timer, TIMER_ABSTIME, &at, NULL))
		mn_fail("timer_settime", errno);
	if (sigwaitinfo(&agent.signals, NULL) == SIGCHLD)
		reap(WNOHANG);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void run_timeline(uint64_t end)
{
	for (;;) {
		uint64_t now = mn_now(), step = NEVER, client = NEVER;

		mn_alive();
		if (agent.next_step < agent.scenario->nr_steps)
			step = agent.start + agent.scenario->steps[agent.next_step].at_ns;
		if (agent.next_step)
			client = client_due(next_clients_step());

		/* Of what is due at once, samples go first: they show what was before. */
		if (agent.next_sample <= now)
			take_sample();
		else if (agent.balloon.next <= now)
			watch_balloon();
		else if (step <= now)
			begin_step();
		else if (client <= now)
			start_client();
		else if (end <= now)
			return;
		else
			wait_until(earliest(earliest(agent.next_sample, agent.balloon.next),
					    earliest(earliest(step, client), end)));
	}
}

void mn_scenario_run(const struct mn_boot *boot)
{
	const struct mn_scenario *scenario = mn_mailbox();
	uint64_t now = mn_now();

	agent.boot = boot;
	make_table(check_scenario(scenario));
	agent.scenario = scenario;
	agent.balloon.next = NEVER;
	agent.start = scenario->start_ns;
	if (agent.start < now)
		agent.start = (now / NSEC_PER_SEC + 1) * NSEC_PER_SEC;
	agent.next_sample = agent.start;

	mn_sleep_until(agent.start);
	mn_log(MN_REC_START, MN_NO_CLIENT, scenario->start_ns, agent.start);
	run_timeline(agent.start + scenario->duration_ns);
	give_up_balloon();

	mn_header()->ended_ns = mn_now();
	kill_processes(MN_OP_CLIENTS);
	kill_processes(MN_OP_HOG);
	kill_processes(MN_OP_FILECACHE);
	kill_processes(MN_OP_SELF_CHECK);
	kill_processes(MN_OP_CONSOLE);
	kill_processes(MN_OP_DD);
	reap(0);
	mn_log(MN_REC_END, MN_NO_CLIENT, 0);
}
