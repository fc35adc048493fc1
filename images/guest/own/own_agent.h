/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent's parts for programs of the user's own know of each other. */
#ifndef MN_OWN_AGENT_H
#define MN_OWN_AGENT_H

#include "../agent.h"
#include "own.h"

/* A client that has been started, in memory that the agent, the relay and the client share until it
 * becomes the user's program. */
struct mn_own_slot {
	uint32_t client;
	uint32_t program;
	uint32_t processes;		/* of it that were there when it was killed */
	uint32_t unlogged, closed;
	uint64_t written, left_out;	/* bytes printed, and those not in the log */
};

struct mn_own_shared {
	uint32_t clients;		/* there will be so many */
	uint32_t started;
	struct mn_own_slot slot[];
};

/* own_start.c: the region's file, as the agent has opened it; and a client, from fork() to exec(). */
extern int mn_own_region;
extern off_t mn_own_region_start;
void mn_own_page_path(char path[MN_NODE_MAX], uint32_t client);
noreturn void mn_own_client(struct mn_own_shared *shared, uint32_t client,
			    const uint64_t arg[MN_ARGS]);

/* own_relay.c: a process that reads what the clients print. */
#define MN_OWN_CONTROL "/own/control"
void mn_own_out_path(char path[MN_NODE_MAX], uint32_t client);
noreturn void mn_own_relay(struct mn_own_shared *shared);
void mn_own_relay_add(uint32_t slot);
void mn_own_relay_end(int control);

#endif
