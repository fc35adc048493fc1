// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The shared region, as every process of the guest program sees it.
 *
 * Page tables are guest memory too. Had each process the whole log mapped, a log
 * of 16 MiB would cost 32 KiB of page tables for every client, and the more log,
 * the more pressure. So a process maps header and mailbox, and of the records only a
 * window, which it moves when it is handed a record beyond it. Both lie over
 * .bss, next to the program's own data, and so share a page-table page with it.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent.h"

char mn_front[MN_RECORDS_OFFSET] __attribute__((aligned(MN_PAGE)));
static struct mn_record window[MN_WINDOW] __attribute__((aligned(MN_PAGE)));

static int region = -1;		/* a file that holds the region ... */
static off_t region_start;	/* ... from here on */
static uint32_t window_index = UINT32_MAX;
static uint32_t pid;

struct mn_header *mn_header(void)
{
	return region < 0 ? NULL : (struct mn_header *)mn_front;
}

const void *mn_window(void)
{
	return window;
}

const struct mn_scenario *mn_mailbox(void)
{
	return (const struct mn_scenario *)(mn_front + MN_MAILBOX_OFFSET);
}

static bool map(void *where, size_t size, uint32_t offset)
{
	return mmap(where, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, region,
		    region_start + (off_t)offset) == where;
}

/* Asking for the pid with each record would be a system call with each record. */
void mn_shared_forked(void)
{
	pid = (uint32_t)getpid();
}

/* There may be a second such device: the memory that serves as swap. */
int mn_shared_open(const char *path, off_t start)
{
	region = open(path, O_RDWR | O_CLOEXEC);
	region_start = start;
	if (region >= 0 && map(mn_front, sizeof(mn_front), 0) &&
	    !memcmp(mn_front, MN_MAGIC, sizeof(MN_MAGIC) - 1))
		mn_shared_forked();
	else if (region >= 0) {
		close(region);
		region = -1;
	}
	return region;
}

void mn_alive(void)
{
	mn_header()->beats++;
}

static struct mn_record *record_at(uint32_t index)
{
	uint32_t wanted = index / MN_WINDOW;

	if (wanted != window_index) {
		uint32_t offset = MN_RECORDS_OFFSET + wanted * (uint32_t)sizeof(window);
		uint32_t left = mn_header()->region_size - offset;

		if (!map(window, left < sizeof(window) ? left : sizeof(window), offset))
			return NULL;
		window_index = wanted;
	}
	return &window[index % MN_WINDOW];
}

void mn_log_at(uint64_t when, enum mn_kind kind, uint32_t client, const void *value)
{
	struct mn_header *header = mn_header();
	struct mn_record *record;
	uint32_t index;

	header->newest_ns = when;
	/* Looking first keeps `next` from growing, and one day wrapping, in a full log. */
	if (__atomic_load_n(&header->next, __ATOMIC_RELAXED) >= header->capacity)
		goto lost;
	index = __atomic_fetch_add(&header->next, 1, __ATOMIC_RELAXED);
	if (index >= header->capacity)
		goto lost;
	record = record_at(index);
	if (!record)
		goto lost;
	record->kind = (uint16_t)kind;
	record->cpu = (uint16_t)sched_getcpu();
	record->client = client;
	record->pid = pid;
	record->time_ns = when;
	memcpy(record->value, value, sizeof(record->value));
	__atomic_store_n(&record->commit, index + 1, __ATOMIC_RELEASE);
	return;
lost:
	__atomic_fetch_add(&header->lost, 1, __ATOMIC_RELAXED);
}
