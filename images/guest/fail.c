// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The end of a guest, failed or not. Nearly every other part may fail, so this one needs no more than
 * the region, if it has been found: the console and the header say what failed.
 */
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "agent.h"

bool mn_fail_pauses;

noreturn void mn_power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

noreturn void mn_fail_at(uint32_t line, const char *what, int error)
{
	struct mn_header *header = mn_header();

	dprintf(STDERR_FILENO, "memnotify: %s: errno %d, line %u\n", what, error, line);
	if (header) {
		header->failure = (uint32_t)error;
		header->failure_line = line;
		strncpy(header->failure_what, what, sizeof(header->failure_what) - 1);
		mn_barrier();
		header->state = MN_FAILED;
		mn_barrier();
	}
	if (mn_fail_pauses)
		outb(MN_PVPANIC_PANICKED, MN_PVPANIC_PORT);
	mn_power_off();
}
