// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does this kernel do what a kernel must? Asked of one that was built with a compiler
 * twenty years younger than itself: a boot shows little of what such a compiler breaks.
 *
 * Each test is a process, so that one that crashes or hangs is a result, too.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selfcheck.h"

#define PATIENCE_S 120		/* for one test, of guest time */

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
		mn_check_log(MN_CHECK_PASSED, 0, 0, 0);
		_exit(0);
	}
	if (pid < 0) {
		mn_check_log(MN_CHECK_FAILED, __LINE__, errno, 0);
		return;
	}
	late = sigtimedwait(&child, NULL, &patience) < 0;
	if (late)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		mn_check_log(MN_CHECK_FAILED, 0, late ? ETIMEDOUT : 0, WTERMSIG(status));
}

noreturn void mn_self_check(const uint64_t arg[MN_ARGS], const char *disk)
{
	const struct self_test *const groups[] = { mn_calls_tests, mn_process_tests,
						   mn_signal_tests, mn_memory_tests };
	const struct self_check with = { .memory_kib = arg[0], .disk = disk };

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		for (const struct self_test *test = groups[i]; test->name; test++)
			mn_check.count++;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		for (const struct self_test *test = groups[i]; test->name; test++) {
			/* Filled up with zeros, as the whole of it goes into the log. */
			strncpy(mn_check.name, test->name, sizeof(mn_check.name) - 1);
			run_test(test, &with);
			mn_check.number++;
		}
	_exit(0);
}
