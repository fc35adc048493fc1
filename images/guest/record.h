/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory that host and guest share: header, mailbox, log.
 *
 * It is an ivshmem-plain PCI BAR, so it takes no guest RAM and is still there
 * when the guest has panicked or hangs. In orchestrator/memnotify, guest/mailbox.py
 * and scenario.py mirror what is in the mailbox, records/layout.py all the rest;
 * `agent --abi` prints every offset, and a test compares the two sides.
 *
 * Everything is little-endian and naturally aligned, and the layout is the same
 * for i386 and x86_64 (hence no pointers, no long, and explicit padding: i386
 * would align a 64-bit member to 4 bytes only).
 */
#ifndef MN_RECORD_H
#define MN_RECORD_H

#include <stdint.h>

#define MN_MAGIC "MNOTIFY1"
#define MN_ABI_VERSION 3u
#define MN_HEADER_SIZE 4096u
#define MN_MAILBOX_OFFSET 4096u
#define MN_MAILBOX_SIZE 61440u
#define MN_RECORDS_OFFSET 65536u
#define MN_NO_CLIENT 0xffffffffu
#define MN_MAX_NODES 63u		/* set_mempolicy() does not look at the last bit of a mask */
#define MN_ARGS 14u			/* of a step */

/* What the agent is doing; the host reads it when QEMU says GUEST_PANICKED:
 * only MN_RENDEZVOUS means that the guest asked for the pause. */
enum mn_state {
	MN_BOOTING = 0,
	MN_RENDEZVOUS = 1,
	MN_RUNNING = 2,
	MN_FAILED = 3,		/* header.failure says why */
};

enum mn_reason {
	MN_READY = 1,		/* booted; the host may now write the scenario */
	MN_BALLOON_SET = 2,	/* set the balloon to arg KiB of guest memory */
	MN_BALLOON_SETTLED = 3,	/* guest sees the target, or gave up waiting */
	MN_DONE = 4,		/* scenario over; the host may quit QEMU */
};

/* At offset 0. The host writes `magic` .. `capacity` before the guest starts. */
struct mn_header {
	char magic[8];
	uint32_t abi_version;
	uint32_t region_size;		/* bytes, whole BAR */
	uint32_t capacity;		/* records */
	uint32_t pad0[11];
	/* offset 64: the log. Every writer writes these. */
	uint32_t next;			/* records claimed */
	uint32_t lost;			/* records that did not fit */
	uint64_t newest_ns;		/* time of the newest, even if it did not fit */
	uint32_t pad1[12];
	/* offset 128: guest to host, written by the agent only. */
	uint32_t state;			/* enum mn_state */
	uint32_t reason;		/* enum mn_reason, of the newest rendezvous */
	uint32_t sequence;		/* rendezvous so far */
	uint32_t step;			/* step that asks, where a step does */
	uint64_t arg;			/* see enum mn_reason */
	uint64_t time_ns;		/* CLOCK_MONOTONIC when it was asked */
	uint32_t failure;		/* errno, state MN_FAILED */
	uint32_t failure_line;		/* line of agent source that failed */
	char failure_what[24];		/* NUL-terminated */
	uint64_t beats;			/* moves while the agent gets on, whatever it does */
	uint64_t ended_ns;		/* CLOCK_MONOTONIC when the scenario was over, or 0: from
					 * then on its processes are killed and reaped */
};

enum mn_op {
	MN_OP_CLIENTS = 1,	/* arg: as enum mn_client_arg numbers them */
	MN_OP_BALLOON = 2,	/* arg: KiB of guest memory, ns allowed to settle */
	MN_OP_HOG = 3,		/* arg: KiB/s, ceiling KiB, NUMA node that all its memory has
				 * to be of, from 1 (0: of any) */
	MN_OP_FILECACHE = 4,	/* arg: KiB/s, KiB to read in all (wraps round), enum mn_file,
				 * ns between two uses of all of it, mapped (0: none) */
	MN_OP_STOP = 5,		/* arg: enum mn_op whose processes to kill */
	MN_OP_SELF_CHECK = 6,	/* arg: KiB of memory to fill in the test of swap */
	MN_OP_GROUP = 7,	/* arg: version of the control groups, KiB that the
				 * processes of later hogs may have (0: no limit) */
	MN_OP_CONSOLE = 8,	/* arg: ns that it sleeps before each round */
	MN_OP_DD = 9,		/* arg: KiB of its buffer, how often it writes it to the disk */
	MN_OP_SWAPPINESS = 10,	/* arg: what goes to /proc/sys/vm/swappiness */
};

/* What the numbers of an MN_OP_CLIENTS step are. What a kind has no use for is 0. */
enum mn_client_arg {
	MN_ARG_KIND = 0,	/* enum mn_client_kind */
	MN_ARG_COUNT = 1,
	MN_ARG_CACHE = 2,	/* KiB. PSI: us of stall; PRESSURE_LEVEL: enum mn_level */
	MN_ARG_GIVE = 3,	/* KiB given back at each wakeup. PSI: us of window */
	MN_ARG_SPACING = 4,	/* ns between two starts */
	MN_ARG_RATE = 5,	/* of those that allocate: KiB/s, caught up with when late; or */
	MN_ARG_STEP = 6,	/* KiB written at once ... */
	MN_ARG_PAUSE = 7,	/* ... and ns of sleep after that, whenever it began. PEEK: after
				 * each look */
	MN_ARG_DELAY = 8,	/* ns of sleep after a wakeup, before memory is given back */
	MN_ARG_HABITS = 9,	/* bits of enum mn_habit */
	MN_ARG_READ = 10,	/* bytes to read() from the device after each wakeup */
	MN_ARG_TEXT = 11,	/* KiB of the disk, mapped, and touched after each wakeup */
	MN_ARG_PROGRAM = 12,	/* OWN, LINES: which of the image's programs, from 1 */
};

enum mn_habit {
	MN_HABIT_OPEN_FIRST = 1,	/* opens the device before it fills its cache */
	MN_HABIT_FROM_THE_START = 2,	/* CIRCULAR gives pages back one by one, from the first
					 * of the ring on, filled or not */
	MN_HABIT_MEMINFO = 4,		/* CIRCULAR then opens and reads /proc/meminfo */
	MN_HABIT_LEAVE = 8,		/* ALLOCATE leaves when woken, and so gives all back */
	MN_HABIT_FASYNC = 16,		/* has FASYNC set and polls; its signals stay pending */
};

/*
 * Programs of the user's own. Only the program of images that have some knows these kinds: with them,
 * the other one would be other bytes, and every cell's id a new one.
 */
#ifdef MN_OWN
#define MN_OWN_CLIENT_KINDS(KIND) \
	KIND(OWN, 14)		/* compiled with images/client/watch.c, which logs what it waits for */ \
	KIND(LINES, 15)		/* a binary: the lines that it prints tell */
#else
#define MN_OWN_CLIENT_KINDS(KIND)
#endif

/*
 * The kinds of client, and their numbers, from 1 without a gap. What one does is in clients.c. The
 * host's side of this table, with what each is told, is CLIENT_KINDS in
 * orchestrator/memnotify/scenario.py.
 */
#define MN_CLIENT_KINDS(KIND) \
	KIND(POLL, 1) \
	KIND(RELEASE, 2) \
	KIND(EXIT, 3) \
	KIND(FASYNC, 4) \
	KIND(ALLOCATE, 5)	/* fills memory at a rate until it is woken */ \
	KIND(CIRCULAR, 6)	/* fills memory for ever, and gives back the oldest */ \
	KIND(PSI, 7)		/* these three watch what came after mem_notify */ \
	KIND(PRESSURE_LEVEL, 8) \
	KIND(MEMORY_EVENTS, 9) \
	KIND(USAGE, 10)		/* the patch's own example */ \
	KIND(EPOLL, 11) \
	KIND(PEEK, 12)		/* never waits: poll() without a timeout, again and again */ \
	KIND(IDLE, 13)		/* opens the device and never looks */ \
	MN_OWN_CLIENT_KINDS(KIND)

#define MN_CLIENT_NUMBER(name, number) MN_CLIENT_##name = (number),
enum mn_client_kind {
	MN_CLIENT_KINDS(MN_CLIENT_NUMBER)
	MN_CLIENT_END		/* the number after the last */
};

/* Of memory.pressure_level. */
enum mn_level {
	MN_LEVEL_LOW = 1,
	MN_LEVEL_MEDIUM = 2,
	MN_LEVEL_CRITICAL = 3,
};

/* Which device the kernel has; the position in boot.c's table, from 1. */
enum mn_device {
	MN_DEVICE_NONE = 0,
	MN_DEVICE_MEM_NOTIFY = 1,
	MN_DEVICE_OOM_NOTIFY = 2,	/* of v1 */
};

enum mn_file {
	MN_FILE_DISK = 0,
	MN_FILE_SPARSE = 1,	/* a file without blocks on the root, which is ramfs */
};

/* 128 bytes. Times are nanoseconds after the start of the scenario. */
struct mn_step {
	uint64_t at_ns;
	uint32_t op;
	uint32_t place;			/* 0: processes start where the kernel likes; n: the
					 * first on CPU n - 1, the others on those that
					 * follow, round and round */
	uint64_t arg[MN_ARGS];
};

/* At MN_MAILBOX_OFFSET. Steps are sorted by at_ns. */
struct mn_scenario {
	char magic[8];			/* MN_MAGIC */
	uint64_t start_ns;		/* CLOCK_MONOTONIC of the scenario's start */
	uint64_t duration_ns;
	uint64_t sample_ns;
	uint32_t nr_steps;
	uint32_t pad[7];
	struct mn_step steps[];
};

enum mn_kind {
	MN_REC_BOOT = 1,	/* value: MemTotal kB, page size, CPUs, swap kB,
				 * kernel version as a<<16 | b<<8 | c */
	MN_REC_DEVICE = 2,	/* value: enum mn_device, major, minor, mode (0: sysfs does
				 * not tell), errno of the agent's own open */
	MN_REC_START = 3,	/* scenario starts. value: start_ns asked, start_ns had */
	MN_REC_STEP = 4,	/* a step begins. value: step, op, arg[0], arg[1], ns late */
	MN_REC_CLIENT = 5,	/* a client opened the device, or what it watches in its
				 * place. value: client kind, errno of that, cache KiB, habits */
	MN_REC_POLL = 6,	/* a client goes into poll(), or waits for SIGIO. value:
				 * polls before */
	MN_REC_WAKEUP = 7,	/* poll() returned. value: revents (SIGIO: si_band),
				 * return value, errno, time it went in (ns), wakeups
				 * before */
	MN_REC_RELEASE = 8,	/* a client gave memory back. value: KiB given, KiB left */
	MN_REC_EXIT = 9,	/* the agent reaped a process. value: exit code,
				 * signal, 1 if the agent sent that signal, enum mn_op
				 * that started it, CPU time (ns) */
	MN_REC_BALLOON = 10,	/* value: phase (enum mn_balloon_phase), step,
				 * target KiB, MemTotal kB seen, ns since the request */
	MN_REC_HOG = 11,	/* value: KiB touched so far, ceiling KiB; by a client that
				 * allocates, whenever it is woken, and KiB of the steps that
				 * it had finished (with a rate: of all that is touched) */
	MN_REC_FILECACHE = 12,	/* value: KiB read so far, passes over the disk, errno */
	MN_REC_MEMINFO = 13,	/* struct mn_meminfo */
	MN_REC_RECLAIM = 14,	/* value: pswpin, pswpout, pgscan, pgsteal, oom_kill:
				 * pages (oom_kill: kills) since boot, summed over zones
				 * and over kswapd and direct reclaim */
	MN_REC_PAGING = 15,	/* value: pgmajfault, allocstall, pgdeactivate,
				 * pgrefill, runnable tasks */
	MN_REC_ZONE = 16,	/* struct mn_zone, one record a populated zone */
	MN_REC_END = 17,	/* scenario over; nothing in value */
	MN_REC_SELF_CHECK = 18,	/* struct mn_check, one record a test */
	MN_REC_CONSOLE = 19,	/* struct mn_console, one record a round */
	MN_REC_SEEN = 20,	/* struct mn_meminfo, as a client has read it */
	MN_REC_READ = 21,	/* a client's read() of the device. value: return value, errno */
	MN_REC_WRITTEN = 22,	/* dd. value: KiB written so far, errno */
	MN_REC_PROGRAM = 23,	/* a client's process is about to become a program of the user's, or
				 * could not. value: its number, errno */
	MN_REC_SAID = 24,	/* struct mn_said: what such a client has printed */
	MN_REC_LEFT = 25,	/* after the end, for each such client. value: processes of it that
				 * were killed, records and then bytes that it was not let to write,
				 * bytes written in all, how often it closed what it watched */
};

enum mn_balloon_phase {
	MN_BALLOON_REQUESTED = 1,
	MN_BALLOON_REACHED = 2,
	MN_BALLOON_MISSED = 3,	/* not reached in the time allowed */
};

enum mn_check_result {
	MN_CHECK_PASSED = 1,
	MN_CHECK_FAILED = 2,
	MN_CHECK_SKIPPED = 3,	/* the machine or the kernel has not got what it needs */
};

/* What a test of the self-check found. */
struct mn_check {
	char name[20];			/* NUL-terminated */
	uint16_t number, count;		/* from 0; tests in all */
	uint32_t result;		/* enum mn_check_result */
	uint32_t line;			/* of agent source that failed */
	uint32_t error;			/* errno there, or why it was skipped */
	uint32_t signal;		/* that killed it */
};

/*
 * What a round of MN_OP_CONSOLE printed: that of `vmstat`, kB. The record's time is when `date`
 * looked at the clock, or, if there was no such process, when that was known.
 */
struct mn_console {
	uint16_t runnable, blocked;	/* tasks; `vmstat` itself is not among them */
	uint32_t swapped, free, buffers, cached, active, inactive;
	uint32_t date_us, vmstat_us;	/* from before fork() until the process has ended */
	uint32_t error;			/* errno of what failed; then the rest is 0 */
};

#define MN_SAID_BYTES 32
#define MN_SAID_ENDS 1		/* flag: the line ends here */

/* A piece of a line. */
struct mn_said {
	uint8_t length, flags;
	uint16_t pad;
	uint32_t left_out;		/* bytes before this one, beyond what a client may print */
	char text[MN_SAID_BYTES];
};

/* Of /proc/meminfo, kB. */
struct mn_meminfo {
	uint32_t total, free, buffers, cached, swap_cached;
	uint32_t active, inactive, anon, swap_total, swap_free;
};

/* Of /proc/zoneinfo, pages. The watermarks are without watermark_boost (Linux 5.0 and later). */
struct mn_zone {
	char name[8];			/* "DMA32"; not terminated if 8 long */
	uint32_t node, free;
	uint32_t min, low;
	uint32_t high, reserve;		/* lowmem_reserve[MAX_NR_ZONES-1] */
	int32_t status;			/* mem_notify_status; INT32_MIN: no such line */
	uint32_t present;
};

/*
 * One record. A writer claims it (atomic add to header.next), fills it in, and
 * stores `commit` last: commit == index + 1 is what makes a record valid, so a
 * torn record and a scribble are both told from a real one.
 */
struct mn_record {
	uint32_t commit;
	uint16_t kind;			/* enum mn_kind */
	uint16_t cpu;
	uint32_t client;		/* number from 0, or MN_NO_CLIENT */
	uint32_t pid;
	uint64_t time_ns;		/* CLOCK_MONOTONIC */
	union {
		uint64_t value[5];
		struct mn_meminfo meminfo;
		struct mn_zone zone;
		struct mn_check check;
		struct mn_console console;
		struct mn_said said;
	};
};

_Static_assert(sizeof(struct mn_record) == 64, "record");
_Static_assert(sizeof(struct mn_step) == 128, "step");
_Static_assert(sizeof(struct mn_console) == 40, "console");
_Static_assert(sizeof(struct mn_said) == 40, "said");
_Static_assert(sizeof(struct mn_scenario) == 64, "scenario");
_Static_assert(sizeof(struct mn_header) == 208, "header");
_Static_assert(__builtin_offsetof(struct mn_header, next) == 64, "next");
_Static_assert(__builtin_offsetof(struct mn_header, state) == 128, "state");
_Static_assert(__builtin_offsetof(struct mn_header, failure_what) == 168, "failure");
_Static_assert(__builtin_offsetof(struct mn_header, beats) == 192, "beats");

#endif
