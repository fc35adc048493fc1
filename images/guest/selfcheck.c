// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the tests of the self-check and the code that runs them share: the record of the test that
 * runs, children that do not outlive it, and contents of memory that can be told from others.
 */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selfcheck.h"

struct mn_check mn_check;

void mn_check_log(enum mn_check_result result, uint32_t line, int error, int killed_by)
{
	mn_check.result = result;
	mn_check.line = line;
	mn_check.error = (uint32_t)error;
	mn_check.signal = (uint32_t)killed_by;
	mn_log_at(mn_now(), MN_REC_SELF_CHECK, MN_NO_CLIENT, &mn_check);
}

noreturn void mn_check_failed(uint32_t line, int error)
{
	mn_check_log(MN_CHECK_FAILED, line, error, 0);
	_exit(1);
}

noreturn void mn_check_skipped(int error)
{
	mn_check_log(MN_CHECK_SKIPPED, 0, error, 0);
	_exit(0);
}

pid_t mn_check_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		mn_shared_forked();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	return pid;
}

bool mn_check_ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

static uint32_t word(size_t index, uint32_t seed)
{
	return ((uint32_t)index + 1) * 2654435761u ^ seed;
}

void mn_check_fill(void *memory, size_t bytes, uint32_t seed)
{
	uint32_t *words = memory;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = word(i, seed);
}

bool mn_check_same(const void *memory, size_t bytes, uint32_t seed)
{
	const uint32_t *words = memory;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		if (words[i] != word(i, seed))
			return false;
	return true;
}
