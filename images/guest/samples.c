// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Samples of /proc in records. Taken while memory is short, so: files opened once
 * (the kernel keeps their buffers too), static memory, no stdio.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "agent.h"

#define TEXT_SIZE 32768u

enum file { MEMINFO, VMSTAT, ZONEINFO, LOADAVG, NR_FILES };

static int files[NR_FILES];
static char text[TEXT_SIZE] __attribute__((aligned(MN_PAGE)));

/* One number of a line-per-number file. A name that ends in ' ' or ':' is whole, else a prefix. */
struct field {
	const char *name;
	unsigned int slot;
};

static const struct field meminfo_fields[] = {
	{ "MemTotal:", 0 }, { "MemFree:", 1 },	 { "Buffers:", 2 },   { "Cached:", 3 },
	{ "SwapCached:", 4 }, { "Active:", 5 },	 { "Inactive:", 6 },  { "AnonPages:", 7 },
	{ "SwapTotal:", 8 },  { "SwapFree:", 9 }, { NULL, 0 },
};

enum {
	PSWPIN, PSWPOUT, PGSCAN, PGSTEAL, OOM_KILL,
	PGMAJFAULT, ALLOCSTALL, PGDEACTIVATE, PGREFILL, RUNNABLE,
	IGNORED, NR_SLOTS,
};

/*
 * The first that fits counts. Old kernels have one line per zone (pgsteal_dma, ...),
 * new ones more breakdowns of the same pages (pgscan_anon, ...), which must not be added.
 */
static const struct field vmstat_fields[] = {
	{ "pswpin ", PSWPIN },
	{ "pswpout ", PSWPOUT },
	{ "pgscan_direct_throttle ", IGNORED },
	{ "pgscan_direct", PGSCAN },
	{ "pgscan_kswapd", PGSCAN },
	{ "pgsteal_direct", PGSTEAL },
	{ "pgsteal_kswapd", PGSTEAL },
	{ "pgsteal_dma", PGSTEAL },
	{ "pgsteal_normal", PGSTEAL },
	{ "pgsteal_high", PGSTEAL },
	{ "pgsteal_movable", PGSTEAL },
	{ "oom_kill ", OOM_KILL },
	{ "pgmajfault ", PGMAJFAULT },
	{ "allocstall", ALLOCSTALL },
	{ "pgdeactivate ", PGDEACTIVATE },
	{ "pgrefill", PGREFILL },
	{ NULL, 0 },
};

void mn_samples_open(void)
{
	static const char *const path[NR_FILES] = {
		[MEMINFO] = "/proc/meminfo",
		[VMSTAT] = "/proc/vmstat",
		[ZONEINFO] = "/proc/zoneinfo",
		[LOADAVG] = "/proc/loadavg",
	};

	for (int i = 0; i < NR_FILES; i++) {
		files[i] = open(path[i], O_RDONLY | O_CLOEXEC);
		if (files[i] < 0)
			mn_fail(path[i], errno);
	}
	/* No child reads it, and a child that does not have it costs no copy of it. */
	madvise(text, sizeof(text), MADV_DONTFORK);
}

/* Reads a whole file into `text`. Linux before 2.6.30 has no pread() for these. */
static void read_all(enum file file)
{
	size_t length = 0;
	ssize_t got;

	if (lseek(files[file], 0, SEEK_SET))
		mn_fail("lseek in /proc", errno);
	while ((got = read(files[file], text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	if (got < 0)
		mn_fail("read of /proc", errno);
	if (length == sizeof(text) - 1)
		mn_fail("too much in /proc", EFBIG);
	text[length] = '\0';
}

/*
 * Small helpers in place of strchr(), strncmp() and strtoull(). The C library's may
 * look at all the text that follows before they start, and with hundreds of lines
 * that made a sample take 4 ms of guest time.
 */
static const char *after(const char *line, const char *name)
{
	while (*name && *name == *line)
		name++, line++;
	return *name ? NULL : line;
}

static const char *skip_to(const char *at, char stop)
{
	while (*at && *at != stop && *at != '\n')
		at++;
	return at;
}

static const char *next_line(const char *line)
{
	line = skip_to(line, '\n');
	return *line && line[1] ? line + 1 : NULL;
}

static uint64_t number(const char *at)
{
	uint64_t value = 0;

	while (*at == ' ')
		at++;
	for (; *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

static void add_line(const struct field *field, const char *line, uint64_t *slots)
{
	for (; field->name; field++) {
		const char *at = after(line, field->name);

		if (!at)
			continue;
		if (at[-1] != ' ' && at[-1] != ':')
			at = skip_to(at, ' ');
		slots[field->slot] += number(at);
		return;
	}
}

static void log_meminfo(uint64_t when, enum mn_kind kind, uint32_t client, const char *meminfo)
{
	uint64_t kib[10] = { 0 };
	union {
		struct mn_meminfo meminfo;
		uint32_t number[10];
	} value;

	_Static_assert(sizeof(value.meminfo) == sizeof(value.number), "meminfo");
	for (const char *line = meminfo; line; line = next_line(line))
		add_line(meminfo_fields, line, kib);
	for (int i = 0; i < 10; i++)
		value.number[i] = (uint32_t)kib[i];
	mn_log_at(when, kind, client, &value);
}

/* As the program of Tom May: opened anew each time, and printed, to nobody here. */
int mn_look(uint32_t client)
{
	static char meminfo[4096];
	uint64_t when = mn_now();
	ssize_t length = mn_read_file("/proc/meminfo", meminfo, sizeof(meminfo));
	int printer;

	if (length < 0)
		return errno;
	printer = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (printer < 0 || write(printer, meminfo, (size_t)length) < 0)
		return errno;
	close(printer);
	log_meminfo(when, MN_REC_SEEN, client, meminfo);
	return 0;
}

/* "0.00 0.01 0.05 2/61 89": the number before the slash. */
static uint64_t runnable(void)
{
	const char *at = text;

	for (int i = 0; i < 3; i++)
		at = skip_to(at, ' ') + 1;
	return number(at);
}

static void sample_vmstat(uint64_t when)
{
	uint64_t counter[NR_SLOTS] = { 0 };

	read_all(VMSTAT);
	for (const char *line = text; line; line = next_line(line))
		add_line(vmstat_fields, line, counter);
	read_all(LOADAVG);
	counter[RUNNABLE] = runnable();
	mn_log_at(when, MN_REC_RECLAIM, MN_NO_CLIENT, &counter[PSWPIN]);
	mn_log_at(when, MN_REC_PAGING, MN_NO_CLIENT, &counter[PGMAJFAULT]);
}

static void log_zone(uint64_t when, const struct mn_zone *zone)
{
	if (zone->present)
		mn_log_at(when, MN_REC_ZONE, MN_NO_CLIENT, zone);
}

/* "(0, 54, 54)" is lowmem_reserve; the last is the one for MAX_NR_ZONES-1. */
static uint32_t last_in_list(const char *list)
{
	const char *last = list + 1, *comma;

	while (*(comma = skip_to(last, ',')) == ',')
		last = comma + 1;
	return (uint32_t)number(last);
}

/* `boost` is what the kernel has added to the watermarks; mem_notify looks at those without. */
static void zone_line(struct mn_zone *zone, uint32_t *boost, const char *line)
{
	const char *at;

	while (*line == ' ')
		line++;
	if ((at = after(line, "pages free ")))
		zone->free = (uint32_t)number(at);
	else if ((at = after(line, "boost ")))
		*boost = (uint32_t)number(at);
	else if ((at = after(line, "min ")))
		zone->min = (uint32_t)number(at) - *boost;
	else if ((at = after(line, "low ")))
		zone->low = (uint32_t)number(at) - *boost;
	else if ((at = after(line, "high ")))
		zone->high = (uint32_t)number(at) - *boost;
	else if ((at = after(line, "present ")))
		zone->present = (uint32_t)number(at);
	else if ((at = after(line, "protection: ")))
		zone->reserve = last_in_list(at);
	else if ((at = after(line, "mem_notify_status: -")))
		zone->status = -(int32_t)number(at);
	else if ((at = after(line, "mem_notify_status: ")))
		zone->status = (int32_t)number(at);
}

static void sample_zones(uint64_t when)
{
	struct mn_zone zone = { .present = 0 };
	uint32_t boost = 0;

	read_all(ZONEINFO);
	for (const char *line = text; line; line = next_line(line)) {
		const char *at = after(line, "Node ");

		if (!at) {
			zone_line(&zone, &boost, line);
			continue;
		}
		/* "Node 0, zone    DMA32" */
		log_zone(when, &zone);
		boost = 0;
		zone = (struct mn_zone){
			.node = (uint32_t)number(at),
			.status = INT32_MIN,
		};
		at = skip_to(at, 'z') + strlen("zone");
		while (*at == ' ')
			at++;
		for (size_t i = 0; i < sizeof(zone.name) && at[i] > ' '; i++)
			zone.name[i] = at[i];
	}
	log_zone(when, &zone);
}

void mn_sample(void)
{
	uint64_t when = mn_now();

	read_all(MEMINFO);
	log_meminfo(when, MN_REC_MEMINFO, MN_NO_CLIENT, text);
	sample_vmstat(when);
	sample_zones(when);
}

/* MemTotal by system call: cheap enough to watch a balloon with. */
uint64_t mn_total_kib(void)
{
	struct sysinfo info;

	if (sysinfo(&info))
		mn_fail("sysinfo", errno);
	return (uint64_t)info.totalram * info.mem_unit / 1024;
}
