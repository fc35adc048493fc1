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
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent.h"

#define IVSHMEM 0x1af41110u	/* PCI vendor << 16 | device */
#define PCI_DEVICES "/sys/bus/pci/devices"

static char front[MN_RECORDS_OFFSET] __attribute__((aligned(MN_PAGE)));
static struct mn_record window[MN_WINDOW] __attribute__((aligned(MN_PAGE)));

static int region = -1;		/* a file that holds the region ... */
static off_t region_start;	/* ... from here on */
static uint32_t window_index = UINT32_MAX;
static uint32_t pid;

struct mn_header *mn_header(void)
{
	return region < 0 ? NULL : (struct mn_header *)front;
}

const void *mn_window(void)
{
	return window;
}

const struct mn_scenario *mn_mailbox(void)
{
	return (const struct mn_scenario *)(front + MN_MAILBOX_OFFSET);
}

static unsigned long pci_id(const char *device, const char *what)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", device, what);
	return mn_read_file(path, text, sizeof(text)) > 0 ? strtoul(text, NULL, 16) : 0;
}

static bool map(void *where, size_t size, uint32_t offset)
{
	return mmap(where, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, region,
		    region_start + (off_t)offset) == where;
}

/* There may be a second such device: the memory that serves as swap. */
static int open_region(const char *path, off_t start)
{
	region = open(path, O_RDWR | O_CLOEXEC);
	region_start = start;
	if (region >= 0 && map(front, sizeof(front), 0) &&
	    !memcmp(front, MN_MAGIC, sizeof(MN_MAGIC) - 1))
		return region;
	if (region >= 0)
		close(region);
	return region = -1;
}

static int open_sysfs(void)
{
	DIR *dir = opendir(PCI_DEVICES);
	struct dirent *entry;
	char path[128];
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (pci_id(entry->d_name, "vendor") << 16 != (IVSHMEM & 0xffff0000u) ||
		    pci_id(entry->d_name, "device") != (IVSHMEM & 0xffffu))
			continue;
		snprintf(path, sizeof(path), PCI_DEVICES "/%s/resource2", entry->d_name);
		fd = open_region(path, 0);
	}
	if (dir)
		closedir(dir);
	return fd;
}

/*
 * A kernel without those files in sysfs: find the address in the older list, where
 * a line is devfn, id, IRQ, the seven base addresses, ..., all in hexadecimal.
 */
static int open_devmem(void)
{
	static char text[8192];
	char *line = text, *end;
	int fd;

	if (mn_read_file("/proc/bus/pci/devices", text, sizeof(text)) <= 0)
		return -1;
	for (; line; line = strchr(line, '\n')) {
		unsigned long long field[6];

		for (int i = 0; i < 6; i++, line = end)
			field[i] = strtoull(line, &end, 16);
		if (field[1] != IVSHMEM)
			continue;
		if ((fd = open_region("/dev/mem", (off_t)(field[5] & ~15ull))) >= 0)
			return fd;
	}
	return -1;
}

void mn_shared_map(void)
{
	const struct mn_header *header = (const struct mn_header *)front;
	int fd = open_sysfs();

	if (fd < 0)
		fd = open_devmem();
	if (fd < 0)
		mn_fail("no region of ours", errno);
	if (header->abi_version != MN_ABI_VERSION)
		mn_fail("not our region", EPROTO);
	if (header->region_size % MN_PAGE || header->region_size < MN_RECORDS_OFFSET ||
	    header->capacity >
		    (header->region_size - MN_RECORDS_OFFSET) / sizeof(struct mn_record))
		mn_fail("log capacity", EPROTO);
	mn_shared_forked();
}

/* Asking for the pid with each record would be a system call with each record. */
void mn_shared_forked(void)
{
	pid = (uint32_t)getpid();
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
