// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The one program of a guest: init, agent and, by fork, every client and every
 * process that makes memory short.
 *
 * Init needs no protection from the OOM killer: no kernel picks process 1.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

/* Neither page faults nor clients may delay steps and samples. Children inherit no locks. */
static void become_punctual(void)
{
	const struct sched_param first = { .sched_priority = 50 };

	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		mn_fail("mlockall", errno);
	/* By hand: musl has this one as a stub. */
	if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &first))
		mn_fail("SCHED_FIFO", errno);
}

int main(int argc, char **argv)
{
	static struct mn_boot boot;

	if (argc == 2 && !strcmp(argv[1], "--abi")) {
		mn_print_abi();
		return 0;
	}
	if (argc == 2)
		mn_console_program(argv[1]);
	if (getpid() != 1) {
		fprintf(stderr, "%s: runs as process 1 of a guest; or with --abi\n", argv[0]);
		return 2;
	}
	mn_boot_mount();
	mn_shared_map();
	mn_rendezvous_init();
	mn_boot(&boot);
	mn_samples_open();
	mn_scenario_init();
	become_punctual();
	mn_rendezvous(MN_READY, 0, 0);
	mn_scenario_run(&boot);
	mn_rendezvous(MN_DONE, 0, 0);
	mn_power_off();
}
