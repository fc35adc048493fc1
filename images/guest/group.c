// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control group of the hogs. The memory controller belongs to one hierarchy at a time,
 * version 1 or 2, so a scenario has groups of one version.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent.h"

#define ROOT MN_GROUPS
#define GROUP MN_GROUPS "/hogs"

static bool asked;

static int make_group(bool second, uint64_t limit_kib)
{
	char bytes[24];
	int error;

	if (mkdir(ROOT, 0755) ||
	    mount("none", ROOT, second ? "cgroup2" : "cgroup", 0, second ? NULL : "memory"))
		return errno;
	if (second) {
		error = mn_write_file(ROOT "/cgroup.subtree_control", "+memory");
		if (error)
			return error;
	}
	if (mkdir(GROUP, 0755))
		return errno;
	if (!limit_kib)
		return 0;
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)limit_kib * 1024);
	return mn_write_file(second ? GROUP "/memory.high" : GROUP "/memory.limit_in_bytes", bytes);
}

void mn_group(const uint64_t arg[MN_ARGS])
{
	int error = make_group(arg[0] == 2, arg[1]);

	if (error)
		mn_fail("control group", error);
	asked = true;
}

/* Returns an errno. Without a group of that name there is nothing to join. */
int mn_group_join(void)
{
	return asked ? mn_write_file(GROUP "/cgroup.procs", "0") : 0;
}
