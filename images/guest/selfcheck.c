// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does this kernel do what a kernel must? Asked of one that was built with a compiler
 * twenty years younger than itself: a boot shows little of what such a compiler breaks.
 *
 * Each test is a process, so that one that crashes or hangs is a result, too.
 */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selfcheck.h"

#define PATIENCE_S 120		/* for one test, of guest time */

static struct mn_check check;	/* the test that runs */

static void log_check(enum mn_check_result result, uint32_t line, int error, int killed_by)
{
	check.result = result;
	check.line = line;
	check.error = (uint32_t)error;
	check.signal = (uint32_t)killed_by;
	mn_log_at(mn_now(), MN_REC_SELF_CHECK, MN_NO_CLIENT, &check);
}

noreturn void mn_check_failed(uint32_t line, int error)
{
	log_check(MN_CHECK_FAILED, line, error, 0);
	_exit(1);
}

noreturn void mn_check_skipped(int error)
{
	log_check(MN_CHECK_SKIPPED, 0, error, 0);
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

static void run_test(const struct self_test *test, const struct self_check *with)
{
	const struct timespec patience = { .tv_sec = PATIENCE_S };
	sigset_t child, none;
	bool late;
	int status;
	pid_t pid;

	sigemptyset(&none);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	pid = mn_check_fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &none, NULL);	/* the agent's, inherited */
		test->run(with);
		log_check(MN_CHECK_PASSED, 0, 0, 0);
		_exit(0);
	}
	if (pid < 0) {
		log_check(MN_CHECK_FAILED, __LINE__, errno, 0);
		return;
	}
	late = sigtimedwait(&child, NULL, &patience) < 0;
	if (late)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		log_check(MN_CHECK_FAILED, 0, late ? ETIMEDOUT : 0, WTERMSIG(status));
}

noreturn void mn_self_check(const uint64_t arg[MN_ARGS], const char *disk)
{
	const struct self_test *const groups[] = { mn_calls_tests, mn_process_tests,
						   mn_signal_tests, mn_memory_tests };
	const struct self_check with = { .memory_kib = arg[0], .disk = disk };

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		for (const struct self_test *test = groups[i]; test->name; test++)
			check.count++;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		for (const struct self_test *test = groups[i]; test->name; test++) {
			/* Filled up with zeros, as the whole of it goes into the log. */
			strncpy(check.name, test->name, sizeof(check.name) - 1);
			run_test(test, &with);
			check.number++;
		}
	_exit(0);
}
