// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds the shared region: it is a BAR of a PCI device, and the kernel says where it is. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

#define IVSHMEM 0x1af41110u	/* PCI vendor << 16 | device */
#define PCI_DEVICES "/sys/bus/pci/devices"

static unsigned long pci_id(const char *device, const char *what)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", device, what);
	return mn_read_file(path, text, sizeof(text)) > 0 ? strtoul(text, NULL, 16) : 0;
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
		fd = mn_shared_open(path, 0);
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
		if ((fd = mn_shared_open("/dev/mem", (off_t)(field[5] & ~15ull))) >= 0)
			return fd;
	}
	return -1;
}

void mn_shared_map(void)
{
	const struct mn_header *header = (const struct mn_header *)mn_front;
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
}
