// SPDX-License-Identifier: GPL-2.0-or-later
/* What init does before there is a scenario. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent.h"

/* That of v2 and later, which is also what a kernel without one lacks, and that of v1. */
static const char *const devices[] = {
	[MN_DEVICE_MEM_NOTIFY] = "/dev/mem_notify",
	[MN_DEVICE_OOM_NOTIFY] = "/dev/oom_notify",
};
static enum mn_device device;

const char *mn_device(void)
{
	return devices[device ? device : MN_DEVICE_MEM_NOTIFY];
}

void mn_boot_mount(void)
{
	if (mount("proc", "/proc", "proc", 0, NULL) && errno != EBUSY)
		mn_fail("mount /proc", errno);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) && errno != EBUSY)
		mn_fail("mount /sys", errno);
}

/* The value of `name=value` on the kernel command line; "" if it is not there. */
void mn_parameter(const char *name, char *value, size_t size)
{
	static char line[4096];
	size_t length = strlen(name);
	char *word, *next = line;

	*value = '\0';
	if (mn_read_file("/proc/cmdline", line, sizeof(line)) < 0)
		mn_fail("/proc/cmdline", errno);
	while ((word = strsep(&next, " \n"))) {
		if (strncmp(word, name, length) || word[length] != '=')
			continue;
		if (strlen(word + length + 1) >= size)
			mn_fail(name, ENAMETOOLONG);
		strcpy(value, word + length + 1);
	}
}

/* Makes the node of a whole disk such as /dev/vda. Returns its size in bytes. */
static uint64_t make_disk_node(const char *node)
{
	const char *name = strrchr(node, '/');
	char path[64], text[32], *colon;
	unsigned int major;

	if (!name)
		mn_fail("not a disk's path", EINVAL);
	snprintf(path, sizeof(path), "/sys/block%s/dev", name);
	if (mn_read_file(path, text, sizeof(text)) <= 0)
		mn_fail("no such disk", ENODEV);
	major = (unsigned int)strtoul(text, &colon, 10);
	if (mknod(node, S_IFBLK | 0600,
		  makedev(major, (unsigned int)strtoul(colon + 1, NULL, 10))) && errno != EEXIST)
		mn_fail("mknod of a disk", errno);
	snprintf(path, sizeof(path), "/sys/block%s/size", name);
	if (mn_read_file(path, text, sizeof(text)) <= 0)
		mn_fail("size of a disk", EIO);
	return strtoull(text, NULL, 10) * 512;
}

/* mkswap and swapon in one, so that the host may hand us a fresh file of zeros. */
static void enable_swap(const char *node)
{
	static union {
		struct {
			char boot_block[1024];
			uint32_t version, last_page, bad_pages;
		};
		char page[MN_PAGE];
	} swap = { .version = 1 };
	static const char magic[] = "SWAPSPACE2";
	uint64_t size = make_disk_node(node);
	int fd = open(node, O_RDWR | O_CLOEXEC);

	swap.last_page = (uint32_t)(size / MN_PAGE) - 1;
	memcpy(swap.page + sizeof(swap.page) - (sizeof(magic) - 1), magic, sizeof(magic) - 1);
	if (fd < 0 || write(fd, &swap, sizeof(swap)) != sizeof(swap) || fsync(fd) || close(fd))
		mn_fail("writing the swap header", errno);
	if (swapon(node, 0))
		mn_fail("swapon", errno);
}

static void write_number(const char *path, const char *number)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, number, strlen(number)) < 0 || close(fd))
		mn_fail(path, errno);
}

/* What `oops=panic` on the command line does, for i386 of Linux 2.6, which does not know it. */
static void panic_on_oops(void)
{
	write_number("/proc/sys/kernel/panic_on_oops", "1");
}

/* No limit but memory itself: what a kernel sets for 64 MiB would stop at 230 clients. */
static void raise_limits(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	write_number("/proc/sys/kernel/threads-max", "32768");
	write_number("/proc/sys/kernel/pid_max", "32768");
	if (setrlimit(RLIMIT_NPROC, &unlimited))
		mn_fail("setrlimit", errno);
}

/* A number after `name=` at the start of a line of a uevent file, or `none`. */
static unsigned int uevent_number(const char *text, const char *name, unsigned int none, int base)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, strlen(name)))
			return (unsigned int)strtoul(line + strlen(name), NULL, base);
	}
	return none;
}

/*
 * Like udev, we make the node that the kernel announces and no other, so that a
 * kernel without a device has no node. Where it does not announce the mode
 * (before 2.6.32), it is the series' own 0444.
 */
static void make_device(void)
{
	char text[256], path[64];
	unsigned int major = 0, minor = 0, mode = 0;
	int fd;

	for (size_t i = 1; !device && i < sizeof(devices) / sizeof(*devices); i++) {
		snprintf(path, sizeof(path), "/sys/class/mem%s/uevent", strrchr(devices[i], '/'));
		if (mn_read_file(path, text, sizeof(text)) > 0)
			device = (enum mn_device)i;
	}
	if (device) {
		major = uevent_number(text, "MAJOR=", 0, 10);
		minor = uevent_number(text, "MINOR=", 0, 10);
		mode = uevent_number(text, "DEVMODE=", 0, 8);
		if (mknod(mn_device(), S_IFCHR | (mode ? mode : 0444), makedev(major, minor)))
			mn_fail("mknod of the device", errno);
	}
	fd = open(mn_device(), O_RDONLY);
	mn_log(MN_REC_DEVICE, MN_NO_CLIENT, device, major, minor, mode,
	       fd < 0 ? (uint64_t)errno : 0);
	if (fd >= 0)
		close(fd);
}

static uint64_t kernel_version(void)
{
	struct utsname name;
	uint64_t version = 0;
	char *at = name.release;

	if (uname(&name))
		mn_fail("uname", errno);
	for (int i = 0; i < 3; i++) {
		version = version << 8 | (strtoul(at, &at, 10) & 0xff);
		at += *at == '.';
	}
	return version;
}

void mn_boot(struct mn_boot *boot)
{
	char swap[MN_NODE_MAX], ram[24];
	struct sysinfo info;

	panic_on_oops();
	raise_limits();
	mn_parameter("mn.ram_kib", ram, sizeof(ram));
	mn_parameter("mn.swap", swap, sizeof(swap));
	mn_parameter("mn.disk", boot->disk, sizeof(boot->disk));
	boot->ram_kib = strtoull(ram, NULL, 10);
	boot->total_kib = mn_total_kib();
	if (*swap)
		enable_swap(swap);
	if (*boot->disk) {
		make_disk_node(boot->disk);
		/* Held open for good: the last close would drop the disk's page cache. */
		if (open(boot->disk, O_RDONLY | O_CLOEXEC) < 0)
			mn_fail("open of mn.disk", errno);
	}
	if (sysinfo(&info))
		mn_fail("sysinfo", errno);
	mn_log(MN_REC_BOOT, MN_NO_CLIENT, boot->total_kib, (uint64_t)getpagesize(),
	       (uint64_t)sysconf(_SC_NPROCESSORS_ONLN),
	       (uint64_t)info.totalswap * info.mem_unit / 1024, kernel_version());
	make_device();
}
