// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The checks of a scenario in the mailbox, before it starts. The host refuses a wrong one first, with
 * better words; here it is what keeps the agent from running something that nobody meant.
 */
#include <errno.h>
#include <string.h>

#include "scenario.h"

static bool has_processes(uint64_t op)
{
	return op == MN_OP_CLIENTS || op == MN_OP_HOG || op == MN_OP_FILECACHE ||
	       op == MN_OP_SELF_CHECK || op == MN_OP_CONSOLE || op == MN_OP_DD;
}

/* Both return what is wrong with a step, or NULL. */
static const char *check_clients(const uint64_t arg[MN_ARGS], const struct mn_boot *boot)
{
	if (arg[MN_ARG_KIND] < MN_CLIENT_POLL || arg[MN_ARG_KIND] >= MN_CLIENT_END)
		return "client kind";
	if (arg[MN_ARG_COUNT] > MN_MAX_PROCESSES)
		return "number of clients";
	if (arg[MN_ARG_READ] > MN_MAX_READ)
		return "bytes to read";
	if (arg[MN_ARG_KIND] == MN_CLIENT_PEEK && !arg[MN_ARG_PAUSE])
		return "time between looks";
	return arg[MN_ARG_TEXT] && !*boot->disk ? "mn.disk is missing" : NULL;
}

static const char *check_step(const struct mn_step *step, const struct mn_boot *boot)
{
	switch (step->op) {
	case MN_OP_CLIENTS:
		return check_clients(step->arg, boot);
	case MN_OP_BALLOON:
		if (!boot->ram_kib)
			return "mn.ram_kib is missing";
		if (step->arg[0] > boot->ram_kib ||
		    boot->ram_kib - step->arg[0] >= boot->total_kib)
			return "balloon target";
		return NULL;
	case MN_OP_FILECACHE:
		if (step->arg[2] == MN_FILE_DISK && !*boot->disk)
			return "mn.disk is missing";
		/* fall through */
	case MN_OP_HOG:
	case MN_OP_SELF_CHECK:
		if (!step->arg[0] || step->arg[0] > UINT32_MAX || step->arg[1] > UINT32_MAX)
			return "rate or size";
		return step->op == MN_OP_HOG && step->arg[2] > MN_MAX_NODES ? "node" : NULL;
	case MN_OP_DD:
		if (!*boot->disk)
			return "mn.disk is missing";
		/* fall through */
	case MN_OP_CONSOLE:
		return step->arg[0] ? NULL : "size or time";
	case MN_OP_GROUP:
		return step->arg[0] == 1 || step->arg[0] == 2 ? NULL : "control groups";
	case MN_OP_SWAPPINESS:
		return step->arg[0] <= 100 ? NULL : "swappiness";
	case MN_OP_STOP:
		return has_processes(step->arg[0]) ? NULL : "what to stop";
	default:
		return "unknown op";
	}
}

/* Returns what is wrong, or NULL, and how many processes the scenario starts. */
static const char *check_all(const struct mn_scenario *scenario, const struct mn_boot *boot,
			     uint64_t *processes)
{
	uint64_t before = 0;

	if (memcmp(scenario->magic, MN_MAGIC, sizeof(scenario->magic)))
		return "no scenario";
	if (!scenario->sample_ns || scenario->nr_steps > MN_MAX_STEPS)
		return "scenario header";
	for (uint32_t i = 0; i < scenario->nr_steps; i++) {
		const struct mn_step *step = &scenario->steps[i];
		const char *wrong = check_step(step, boot);

		if (wrong)
			return wrong;
		if (step->at_ns < before || step->at_ns >= scenario->duration_ns)
			return "order of steps";
		before = step->at_ns;
		*processes += step->op == MN_OP_CLIENTS ? step->arg[MN_ARG_COUNT] :
							  has_processes(step->op);
	}
	return *processes > MN_MAX_PROCESSES ? "number of processes" : NULL;
}

uint32_t mn_check_scenario(const struct mn_scenario *scenario, const struct mn_boot *boot)
{
	uint64_t processes = 0;
	const char *wrong = check_all(scenario, boot, &processes);

	if (wrong)
		mn_fail(wrong, EPROTO);
	return (uint32_t)processes;
}
