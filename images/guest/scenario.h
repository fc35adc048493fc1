/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of a scenario share: the agent's state, and its processes. */
#ifndef MN_SCENARIO_H
#define MN_SCENARIO_H

#include <signal.h>
#include <time.h>

#include "agent.h"

struct mn_process {
	pid_t pid;		/* 0: it has ended */
	uint32_t client;	/* or MN_NO_CLIENT */
	uint16_t op;		/* enum mn_op that started it */
	uint16_t next;		/* in its bucket: number of a process, from 1; 0: none */
	bool killed;		/* by us */
};

/* A balloon step that the guest has not seen the end of. next == UINT64_MAX: there is none. */
struct mn_balloon {
	uint64_t target_kib, expected_kib;
	uint64_t requested, deadline, next;
	uint32_t step;
};

/* scenario_processes.c: all state of the agent in one place, so that no child needs a copy of it. */
struct mn_agent {
	const struct mn_scenario *scenario;
	const struct mn_boot *boot;
	uint64_t start;			/* all other times are CLOCK_MONOTONIC, too */
	uint64_t next_sample;
	uint32_t next_step;		/* those before it have begun */
	uint32_t next_client;
	uint32_t forked[MN_MAX_STEPS];	/* clients started so far by a step */
	struct mn_balloon balloon;
	uint32_t nr_processes;		/* started so far */
	struct mn_process *process;	/* as many as the scenario starts */
	uint16_t *bucket;		/* first process of each, found by its pid */
	uint32_t bucket_mask;
	timer_t timer;
	sigset_t signals;
} __attribute__((aligned(MN_PAGE)));
extern struct mn_agent mn_agent;

/* scenario_check.c: fails if something is wrong, else returns how many processes there will be. */
uint32_t mn_check_scenario(const struct mn_scenario *scenario, const struct mn_boot *boot);

/* scenario_processes.c: the table of processes, and all that is done to one. */
void mn_make_table(uint32_t processes);
bool mn_start_process(uint32_t op, uint32_t place, uint32_t client, const char *name);
void mn_reap(int options);
void mn_kill_processes(uint64_t op);

#endif
