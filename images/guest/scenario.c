// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The timeline of a scenario. There is one: steps, clients that are still to be
 * started, samples and the watch of the balloon all have absolute times, and the
 * agent always does the earliest and then waits for the next, or for a child's end.
 * What may be in a scenario is checked in scenario_check.c; scenario_processes.c keeps
 * account of its processes.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"

#define NEVER UINT64_MAX
#define BALLOON_WATCH_NS (10 * NSEC_PER_MSEC)

void mn_scenario_init(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGALRM,
	};

	sigemptyset(&mn_agent.signals);
	sigaddset(&mn_agent.signals, SIGALRM);
	sigaddset(&mn_agent.signals, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &mn_agent.signals, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &mn_agent.timer))
		mn_fail("timer_create", errno);
	/* Left out of children: else each fork would make us copy the pages we write to. */
	if (madvise(&mn_agent, sizeof(mn_agent), MADV_DONTFORK))
		mn_fail("MADV_DONTFORK", errno);
}

/* --- clients that are still to be started */

static uint64_t client_due(uint32_t i)
{
	const struct mn_step *step = &mn_agent.scenario->steps[i];

	if (step->op != MN_OP_CLIENTS || mn_agent.forked[i] >= step->arg[MN_ARG_COUNT])
		return NEVER;
	return mn_agent.start + step->at_ns + mn_agent.forked[i] * step->arg[MN_ARG_SPACING];
}

static uint32_t next_clients_step(void)
{
	uint32_t first = 0;

	for (uint32_t i = 1; i < mn_agent.next_step; i++)
		if (client_due(i) < client_due(first))
			first = i;
	return first;
}

static void start_client(void)
{
	uint32_t i = next_clients_step();
	const struct mn_step *step = &mn_agent.scenario->steps[i];
	uint32_t place = step->place ? step->place + mn_agent.forked[i] : 0;
	uint32_t client = mn_agent.next_client++;
	uint64_t arg[MN_ARGS];
	char disk[MN_NODE_MAX];

	memcpy(arg, step->arg, sizeof(arg));
	memcpy(disk, mn_agent.boot->disk, sizeof(disk));
	mn_agent.forked[i]++;
	if (mn_start_process(MN_OP_CLIENTS, place, client, "client"))
		mn_client(client, arg, disk);
}

/* --- balloon */

static void log_balloon(enum mn_balloon_phase phase, uint64_t total_kib)
{
	const struct mn_balloon *balloon = &mn_agent.balloon;
	uint64_t now = mn_now();

	mn_log_at(now, MN_REC_BALLOON, MN_NO_CLIENT,
		  (const uint64_t[5]){ phase, balloon->step, balloon->target_kib, total_kib,
				       now - balloon->requested });
}

static void settle_balloon(bool reached, uint64_t total_kib)
{
	log_balloon(reached ? MN_BALLOON_REACHED : MN_BALLOON_MISSED, total_kib);
	mn_agent.balloon.next = NEVER;
	mn_rendezvous(MN_BALLOON_SETTLED, mn_agent.balloon.step, reached);
}

/* The next balloon step, or the end, cuts short what the one before was allowed. */
static void give_up_balloon(void)
{
	if (mn_agent.balloon.next != NEVER)
		settle_balloon(false, mn_total_kib());
}

static void request_balloon(uint32_t i)
{
	const struct mn_step *step = &mn_agent.scenario->steps[i];
	struct mn_balloon *balloon = &mn_agent.balloon;

	give_up_balloon();
	balloon->step = i;
	balloon->target_kib = step->arg[0];
	balloon->expected_kib = mn_agent.boot->total_kib - (mn_agent.boot->ram_kib - step->arg[0]);
	balloon->requested = mn_now();
	balloon->deadline = balloon->requested + step->arg[1];
	balloon->next = mn_agent.start + step->at_ns + BALLOON_WATCH_NS;
	log_balloon(MN_BALLOON_REQUESTED, mn_total_kib());
	mn_rendezvous(MN_BALLOON_SET, i, balloon->target_kib);
}

static void watch_balloon(void)
{
	struct mn_balloon *balloon = &mn_agent.balloon;
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
	uint32_t i = mn_agent.next_step++;
	const struct mn_step *step = &mn_agent.scenario->steps[i];
	uint64_t due = mn_agent.start + step->at_ns, now = mn_now();
	uint64_t arg[MN_ARGS];
	char disk[MN_NODE_MAX];

	mn_log_at(now, MN_REC_STEP, MN_NO_CLIENT,
		  (const uint64_t[5]){ i, step->op, step->arg[0], step->arg[1], now - due });
	memcpy(arg, step->arg, sizeof(arg));
	memcpy(disk, mn_agent.boot->disk, sizeof(disk));
	switch (step->op) {
	case MN_OP_BALLOON:
		request_balloon(i);
		break;
	case MN_OP_HOG:
		if (mn_start_process(MN_OP_HOG, step->place, MN_NO_CLIENT, "hog"))
			mn_hog(due, arg);
		break;
	case MN_OP_GROUP:
		mn_group(arg);
		break;
	case MN_OP_SWAPPINESS:
		mn_swappiness(arg[0]);
		break;
	case MN_OP_FILECACHE:
		if (mn_start_process(MN_OP_FILECACHE, step->place, MN_NO_CLIENT, "filecache"))
			mn_filecache(due, arg, disk);
		break;
	case MN_OP_CONSOLE:
		if (mn_start_process(MN_OP_CONSOLE, step->place, MN_NO_CLIENT, "console"))
			mn_console(arg);
		break;
	case MN_OP_DD:
		if (mn_start_process(MN_OP_DD, step->place, MN_NO_CLIENT, "dd"))
			mn_dd(arg, disk);
		break;
	case MN_OP_SELF_CHECK:
		if (mn_start_process(MN_OP_SELF_CHECK, step->place, MN_NO_CLIENT, "self-check"))
			mn_self_check(arg, disk);
		break;
	case MN_OP_STOP:
		if (arg[0] == MN_OP_CLIENTS)
			for (uint32_t j = 0; j < i; j++)
				mn_agent.forked[j] = UINT32_MAX;	/* those to come, too */
		mn_kill_processes(arg[0]);
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
		mn_agent.next_sample += mn_agent.scenario->sample_ns;
	while (mn_agent.next_sample <= now);
}

/* Waits for a time, or less long if a child has ended meanwhile. */
static void wait_until(uint64_t when)
{
	const struct itimerspec at = { .it_value = {
		.tv_sec = (time_t)(when / NSEC_PER_SEC),
		.tv_nsec = (long)(when % NSEC_PER_SEC),
	} };

	if (timer_settime(mn_agent.timer, TIMER_ABSTIME, &at, NULL))
		mn_fail("timer_settime", errno);
	if (sigwaitinfo(&mn_agent.signals, NULL) == SIGCHLD)
		mn_reap(WNOHANG);
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
		if (mn_agent.next_step < mn_agent.scenario->nr_steps)
			step = mn_agent.start + mn_agent.scenario->steps[mn_agent.next_step].at_ns;
		if (mn_agent.next_step)
			client = client_due(next_clients_step());

		/* Of what is due at once, samples go first: they show what was before. */
		if (mn_agent.next_sample <= now)
			take_sample();
		else if (mn_agent.balloon.next <= now)
			watch_balloon();
		else if (step <= now)
			begin_step();
		else if (client <= now)
			start_client();
		else if (end <= now)
			return;
		else
			wait_until(earliest(earliest(mn_agent.next_sample, mn_agent.balloon.next),
					    earliest(earliest(step, client), end)));
	}
}

void mn_scenario_run(const struct mn_boot *boot)
{
	const struct mn_scenario *scenario = mn_mailbox();
	uint64_t now = mn_now();

	mn_agent.boot = boot;
	mn_make_table(mn_check_scenario(scenario, boot));
	mn_agent.scenario = scenario;
	mn_agent.balloon.next = NEVER;
	mn_agent.start = scenario->start_ns;
	if (mn_agent.start < now)
		mn_agent.start = (now / NSEC_PER_SEC + 1) * NSEC_PER_SEC;
	mn_agent.next_sample = mn_agent.start;

	mn_sleep_until(mn_agent.start);
	mn_log(MN_REC_START, MN_NO_CLIENT, scenario->start_ns, mn_agent.start);
	run_timeline(mn_agent.start + scenario->duration_ns);
	give_up_balloon();

	mn_header()->ended_ns = mn_now();
	mn_kill_processes(MN_OP_CLIENTS);
	mn_kill_processes(MN_OP_HOG);
	mn_kill_processes(MN_OP_FILECACHE);
	mn_kill_processes(MN_OP_SELF_CHECK);
	mn_kill_processes(MN_OP_CONSOLE);
	mn_kill_processes(MN_OP_DD);
	mn_reap(0);
	mn_log(MN_REC_END, MN_NO_CLIENT, 0);
}
