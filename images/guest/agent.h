/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the guest program know of each other. See README.md one
 * folder up for how they fit together.
 */
#ifndef MN_AGENT_H
#define MN_AGENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "record.h"

#define MN_MAX_PROCESSES 16000u
#define MN_MAX_STEPS ((MN_MAILBOX_SIZE - sizeof(struct mn_scenario)) / sizeof(struct mn_step))
#define MN_PAGE 4096u		/* of i386 and x86_64 alike */
#define MN_PAGE_KIB 4u
#define MN_WINDOW 4096u		/* records of the log that a process has mapped at a time */
#define MN_MAX_READ 64u		/* bytes that a client reads from the device at a time */
#define MN_NODE_MAX 32		/* bytes of a device node's path */
#define MN_GROUPS "/groups"	/* where control groups are mounted */

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull

/* A byte at a port that makes QEMU pause the guest (-action panic=pause). */
#define MN_PVPANIC_PORT 0x505
#define MN_PVPANIC_PANICKED 1

#define mn_barrier() __asm__ volatile("" ::: "memory")

/* abi.c: the layout as JSON, for the test that compares it with Python's. */
void mn_print_abi(void);

/* fail.c: the end of the guest. A failure pauses it, once the program may use I/O ports. */
extern bool mn_fail_pauses;
noreturn void mn_fail_at(uint32_t line, const char *what, int error);
#define mn_fail(what, error) mn_fail_at(__LINE__, what, error)
noreturn void mn_power_off(void);

/* files.c: a file as a whole. Reading returns the length, or -1; writing an errno. */
ssize_t mn_read_file(const char *path, char *text, size_t size);
int mn_write_file(const char *path, const char *text);

/* clock.c: CLOCK_MONOTONIC, and sleep until a time of it. Sleep for a time is for those who are to be
 * late by what the kernel's timer and their own work take, as programs of 2008 were. */
uint64_t mn_now(void);
void mn_sleep_until(uint64_t when);
void mn_sleep_for(uint64_t ns);

/* shared_find.c: finds the region, and fails if there is none. */
void mn_shared_map(void);

/* shared.c: the region: header and mailbox, and a window of the log. Every process may log. Opening it
 * returns -1 if it is not there. */
extern char mn_front[MN_RECORDS_OFFSET];
int mn_shared_open(const char *path, off_t start);
void mn_shared_forked(void);
struct mn_header *mn_header(void);
const struct mn_scenario *mn_mailbox(void);
const void *mn_window(void);	/* at the same address in every process: gdb watches it */
void mn_alive(void);	/* the agent's own sign of life, where it writes no record */
void mn_log_at(uint64_t when, enum mn_kind kind, uint32_t client, const void *value);
#define mn_log(kind, client, ...) \
	mn_log_at(mn_now(), kind, client, (const uint64_t[5]){ __VA_ARGS__ })

/* rendezvous.c: asking the host for something. */
void mn_rendezvous_init(void);
void mn_rendezvous(enum mn_reason reason, uint32_t step, uint64_t arg);

/* boot.c: what init does before there is a scenario. */
struct mn_boot {
	uint64_t ram_kib;		/* mn.ram_kib=, 0 if not given */
	uint64_t total_kib;		/* MemTotal */
	char disk[MN_NODE_MAX];		/* mn.disk=, "" if not given */
};
void mn_boot_mount(void);
void mn_boot(struct mn_boot *boot);
void mn_parameter(const char *name, char *value, size_t size);
const char *mn_device(void);	/* the path of the device that the kernel has */

/* samples.c: /proc/meminfo, vmstat and zoneinfo into records. */
void mn_samples_open(void);
void mn_sample(void);
uint64_t mn_total_kib(void);

/* The same of a client, of a /proc/meminfo that it opens. Returns an errno. */
int mn_look(uint32_t client);

/* allocate.c: a client that fills memory itself, in a thread, until told what was notified. */
void mn_allocate(const uint64_t arg[MN_ARGS]);
void mn_allocate_stop(uint32_t client);
void mn_allocate_give(uint32_t client);

/* The revents of a poll() that returned `ready`: a call that fails leaves what the one before said. */
static inline uint64_t mn_said(const struct pollfd *watched, int ready)
{
	return ready > 0 ? (uint64_t)watched->revents : 0;
}

/* Bodies of forked processes: clients.c, pressure.c, dd.c, selfcheck_run.c. */
noreturn void mn_client(uint32_t client, const uint64_t arg[MN_ARGS], const char *disk);
void mn_touch(char *memory, uint64_t from_kib, uint64_t to_kib);
noreturn void mn_hog(uint64_t start, const uint64_t arg[MN_ARGS]);
void mn_swappiness(uint64_t value);
noreturn void mn_filecache(uint64_t start, const uint64_t arg[MN_ARGS], const char *disk);
noreturn void mn_self_check(const uint64_t arg[MN_ARGS], const char *disk);
noreturn void mn_dd(const uint64_t arg[MN_ARGS], const char *disk);

/* console.c: a loop that sleeps, and starts a program for the time and one for the state of memory:
 * this one again, by exec. Returns if `word` is none of those two. */
noreturn void mn_console(const uint64_t arg[MN_ARGS]);
void mn_console_program(const char *word);

/* group.c: the control group that hogs live in, if a step makes one. */
void mn_group(const uint64_t arg[MN_ARGS]);
int mn_group_join(void);

/* successors.c: what is watched in place of /dev/mem_notify. Both return an errno. */
bool mn_is_successor(enum mn_client_kind kind);
int mn_successor_open(struct pollfd *watched, const uint64_t arg[MN_ARGS]);
int mn_successor_seen(const struct pollfd *watched, enum mn_client_kind kind);

/* epoll.c: as poll() of one descriptor without timeout, but by way of epoll. */
int mn_epoll(struct pollfd *watched);

/* usage.c: a client that is the example of the patch. */
noreturn void mn_usage(uint32_t client);

/* scenario.c: runs what the mailbox says, from its start to its end. */
void mn_scenario_init(void);
void mn_scenario_run(const struct mn_boot *boot);

#endif
