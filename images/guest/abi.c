// SPDX-License-Identifier: GPL-2.0-or-later
/* The layout of record.h as this compiler sees it, for orchestrator/memnotify/records/layout.py's test. */
#include <stdio.h>

#include "agent.h"

static const char *separator;

static void open_group(const char *name)
{
	printf("%s \"%s\": {", separator, name);
	separator = "";
}

static void close_group(void)
{
	printf("\n }");
	separator = ",\n";
}

static void entry(const char *name, long long value)
{
	printf("%s\n  \"%s\": %lld", separator, name, value);
	separator = ",";
}

static void field(const char *name, size_t offset, size_t size)
{
	printf("%s\n  \"%s\": [%zu, %zu]", separator, name, offset, size);
	separator = ",";
}

#define ENTRY(prefix, name) entry(#name, prefix##name)
#define KIND_ENTRY(name, number) ENTRY(MN_CLIENT_, name);
#define FIELD(type, name) \
	field(#name, offsetof(struct type, name), sizeof(((struct type *)NULL)->name))
#define STRUCT(type) \
	do { \
		open_group(#type); \
		field("", 0, sizeof(struct type)); \
	} while (0)

static void print_constants(void)
{
	open_group("constants");
	ENTRY(MN_, ABI_VERSION);
	ENTRY(MN_, HEADER_SIZE);
	ENTRY(MN_, MAILBOX_OFFSET);
	ENTRY(MN_, MAILBOX_SIZE);
	ENTRY(MN_, RECORDS_OFFSET);
	ENTRY(MN_, NO_CLIENT);
	ENTRY(MN_, MAX_PROCESSES);
	ENTRY(MN_, MAX_NODES);
	ENTRY(MN_, ARGS);
	entry("NO_STATUS", INT32_MIN);
	close_group();
}

static void print_enums(void)
{
	open_group("State");
	ENTRY(MN_, BOOTING);
	ENTRY(MN_, RENDEZVOUS);
	ENTRY(MN_, RUNNING);
	ENTRY(MN_, FAILED);
	close_group();
	open_group("Reason");
	ENTRY(MN_, READY);
	ENTRY(MN_, BALLOON_SET);
	ENTRY(MN_, BALLOON_SETTLED);
	ENTRY(MN_, DONE);
	close_group();
	open_group("Op");
	ENTRY(MN_OP_, CLIENTS);
	ENTRY(MN_OP_, BALLOON);
	ENTRY(MN_OP_, HOG);
	ENTRY(MN_OP_, FILECACHE);
	ENTRY(MN_OP_, STOP);
	ENTRY(MN_OP_, SELF_CHECK);
	ENTRY(MN_OP_, GROUP);
	ENTRY(MN_OP_, CONSOLE);
	ENTRY(MN_OP_, DD);
	ENTRY(MN_OP_, SWAPPINESS);
	close_group();
	open_group("ClientKind");
	MN_CLIENT_KINDS(KIND_ENTRY)
	close_group();
	open_group("ClientArg");
	ENTRY(MN_ARG_, KIND);
	ENTRY(MN_ARG_, COUNT);
	ENTRY(MN_ARG_, CACHE);
	ENTRY(MN_ARG_, GIVE);
	ENTRY(MN_ARG_, SPACING);
	ENTRY(MN_ARG_, RATE);
	ENTRY(MN_ARG_, STEP);
	ENTRY(MN_ARG_, PAUSE);
	ENTRY(MN_ARG_, DELAY);
	ENTRY(MN_ARG_, HABITS);
	ENTRY(MN_ARG_, READ);
	ENTRY(MN_ARG_, TEXT);
	close_group();
	open_group("Habit");
	ENTRY(MN_HABIT_, OPEN_FIRST);
	ENTRY(MN_HABIT_, FROM_THE_START);
	ENTRY(MN_HABIT_, MEMINFO);
	ENTRY(MN_HABIT_, LEAVE);
	ENTRY(MN_HABIT_, FASYNC);
	close_group();
	open_group("DeviceName");
	ENTRY(MN_DEVICE_, NONE);
	ENTRY(MN_DEVICE_, MEM_NOTIFY);
	ENTRY(MN_DEVICE_, OOM_NOTIFY);
	close_group();
	open_group("Level");
	ENTRY(MN_LEVEL_, LOW);
	ENTRY(MN_LEVEL_, MEDIUM);
	ENTRY(MN_LEVEL_, CRITICAL);
	close_group();
	open_group("File");
	ENTRY(MN_FILE_, DISK);
	ENTRY(MN_FILE_, SPARSE);
	close_group();
	open_group("Kind");
	ENTRY(MN_REC_, BOOT);
	ENTRY(MN_REC_, DEVICE);
	ENTRY(MN_REC_, START);
	ENTRY(MN_REC_, STEP);
	ENTRY(MN_REC_, CLIENT);
	ENTRY(MN_REC_, POLL);
	ENTRY(MN_REC_, WAKEUP);
	ENTRY(MN_REC_, RELEASE);
	ENTRY(MN_REC_, EXIT);
	ENTRY(MN_REC_, BALLOON);
	ENTRY(MN_REC_, HOG);
	ENTRY(MN_REC_, FILECACHE);
	ENTRY(MN_REC_, MEMINFO);
	ENTRY(MN_REC_, RECLAIM);
	ENTRY(MN_REC_, PAGING);
	ENTRY(MN_REC_, ZONE);
	ENTRY(MN_REC_, END);
	ENTRY(MN_REC_, SELF_CHECK);
	ENTRY(MN_REC_, CONSOLE);
	ENTRY(MN_REC_, SEEN);
	ENTRY(MN_REC_, READ);
	ENTRY(MN_REC_, WRITTEN);
	close_group();
	open_group("BalloonPhase");
	ENTRY(MN_BALLOON_, REQUESTED);
	ENTRY(MN_BALLOON_, REACHED);
	ENTRY(MN_BALLOON_, MISSED);
	close_group();
	open_group("CheckResult");
	ENTRY(MN_CHECK_, PASSED);
	ENTRY(MN_CHECK_, FAILED);
	ENTRY(MN_CHECK_, SKIPPED);
	close_group();
}

static void print_structs(void)
{
	STRUCT(mn_header);
	FIELD(mn_header, magic);
	FIELD(mn_header, abi_version);
	FIELD(mn_header, region_size);
	FIELD(mn_header, capacity);
	FIELD(mn_header, pad0);
	FIELD(mn_header, next);
	FIELD(mn_header, lost);
	FIELD(mn_header, newest_ns);
	FIELD(mn_header, pad1);
	FIELD(mn_header, state);
	FIELD(mn_header, reason);
	FIELD(mn_header, sequence);
	FIELD(mn_header, step);
	FIELD(mn_header, arg);
	FIELD(mn_header, time_ns);
	FIELD(mn_header, failure);
	FIELD(mn_header, failure_line);
	FIELD(mn_header, failure_what);
	FIELD(mn_header, beats);
	FIELD(mn_header, ended_ns);
	close_group();
	STRUCT(mn_scenario);
	FIELD(mn_scenario, magic);
	FIELD(mn_scenario, start_ns);
	FIELD(mn_scenario, duration_ns);
	FIELD(mn_scenario, sample_ns);
	FIELD(mn_scenario, nr_steps);
	FIELD(mn_scenario, pad);
	close_group();
	STRUCT(mn_step);
	FIELD(mn_step, at_ns);
	FIELD(mn_step, op);
	FIELD(mn_step, place);
	FIELD(mn_step, arg);
	close_group();
	STRUCT(mn_record);
	FIELD(mn_record, commit);
	FIELD(mn_record, kind);
	FIELD(mn_record, cpu);
	FIELD(mn_record, client);
	FIELD(mn_record, pid);
	FIELD(mn_record, time_ns);
	FIELD(mn_record, value);
	close_group();
	STRUCT(mn_meminfo);
	FIELD(mn_meminfo, total);
	FIELD(mn_meminfo, free);
	FIELD(mn_meminfo, buffers);
	FIELD(mn_meminfo, cached);
	FIELD(mn_meminfo, swap_cached);
	FIELD(mn_meminfo, active);
	FIELD(mn_meminfo, inactive);
	FIELD(mn_meminfo, anon);
	FIELD(mn_meminfo, swap_total);
	FIELD(mn_meminfo, swap_free);
	close_group();
	STRUCT(mn_zone);
	FIELD(mn_zone, name);
	FIELD(mn_zone, node);
	FIELD(mn_zone, free);
	FIELD(mn_zone, min);
	FIELD(mn_zone, low);
	FIELD(mn_zone, high);
	FIELD(mn_zone, reserve);
	FIELD(mn_zone, status);
	FIELD(mn_zone, present);
	close_group();
	STRUCT(mn_check);
	FIELD(mn_check, name);
	FIELD(mn_check, number);
	FIELD(mn_check, count);
	FIELD(mn_check, result);
	FIELD(mn_check, line);
	FIELD(mn_check, error);
	FIELD(mn_check, signal);
	close_group();
	STRUCT(mn_console);
	FIELD(mn_console, runnable);
	FIELD(mn_console, blocked);
	FIELD(mn_console, swapped);
	FIELD(mn_console, free);
	FIELD(mn_console, buffers);
	FIELD(mn_console, cached);
	FIELD(mn_console, active);
	FIELD(mn_console, inactive);
	FIELD(mn_console, date_us);
	FIELD(mn_console, vmstat_us);
	FIELD(mn_console, error);
	close_group();
}

void mn_print_abi(void)
{
	separator = "";
	printf("{\n \"magic\": \"%s\"", MN_MAGIC);
	separator = ",\n";
	print_constants();
	print_enums();
	print_structs();
	printf(",\n \"window\": {\"address\": %lu, \"records\": %u}", (unsigned long)mn_window(),
	       MN_WINDOW);
	printf("\n}\n");
}
