/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the self-check share. A test runs in a process of its own. */
#ifndef MN_SELFCHECK_H
#define MN_SELFCHECK_H

#include <errno.h>

#include "agent.h"

struct self_check {
	uint64_t memory_kib;	/* that the test of swap fills */
	const char *disk;	/* that the test of disks overwrites; "": none */
};

struct self_test {
	const char *name;	/* less than 20 characters, for struct mn_check */
	void (*run)(const struct self_check *with);
};

extern const struct self_test mn_calls_tests[], mn_process_tests[], mn_signal_tests[],
	mn_memory_tests[];

/* selfcheck.c: the record of the test that runs, and how it comes into the log. */
extern struct mn_check mn_check;
void mn_check_log(enum mn_check_result result, uint32_t line, int error, int killed_by);

/* selfcheck.c: ends the test with a record that names the line. */
noreturn void mn_check_failed(uint32_t line, int error);
noreturn void mn_check_skipped(int error);

#define CHECK(condition) \
	do { \
		errno = 0; \
		if (!(condition)) \
			mn_check_failed(__LINE__, errno); \
	} while (0)

/* selfcheck.c: fork, with a child that does not outlive its parent; and its end with 0. */
pid_t mn_check_fork(void);
bool mn_check_ended_well(pid_t pid);

/* selfcheck.c: contents that differ from word to word and from seed to seed. */
void mn_check_fill(void *memory, size_t bytes, uint32_t seed);
bool mn_check_same(const void *memory, size_t bytes, uint32_t seed);

#endif
