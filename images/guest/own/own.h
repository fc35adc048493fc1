/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that are programs of the user's own: what the agent (own/), the code that is linked to such
 * a program (images/client/watch.c) and the writer of the image (orchestrator/memnotify/image) agree on.
 */
#ifndef MN_OWN_H
#define MN_OWN_H

#include "../record.h"

/* In the image, of program N: PROGRAMS/N/bin/NAME, the file; PROGRAMS/N/args, NAME and its arguments,
 * each with a NUL behind it; PROGRAMS/N/wakeup, how a line begins that tells of a wakeup, if any. */
#define MN_OWN_PROGRAMS "/own/program"
#define MN_OWN_ARGS_SIZE 4096
#define MN_OWN_WAKEUP_SIZE 64

/* Each client is a user of its own, so that it can be killed with all that it has started. */
#define MN_OWN_FIRST_UID 20000u
#define MN_OWN_MAX_PROCESSES 1024u

/* Descriptors that a program compiled with watch.c starts with; below 32, so that no table of files
 * has to grow for them. */
#define MN_OWN_PAGE_FD 30
#define MN_OWN_LOG_FD 31

#define MN_OWN_MAGIC "MNOWNPG1"

/* A page that a client, its children and the agent share. */
struct mn_own_page {
	char magic[8];
	uint64_t log_start;		/* of the region in the file MN_OWN_LOG_FD */
	uint64_t device;		/* st_rdev of the device; 0: the kernel has none */
	uint32_t client;
	uint32_t quota;			/* records that may be written */
	uint32_t used, left_out;	/* records */
	uint32_t polls, wakeups, closed;
	uint32_t pad;
};

#endif
