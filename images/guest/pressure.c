// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes that make memory short. What is due at a time follows from the time, so
 * one that was held up catches up, and the rate is what the scenario says.
 * The exit code of a process that could not do its work is the errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent.h"

#define TICK_NS (10 * NSEC_PER_MSEC)
#define LOG_TICKS 64u

/* Writes something to each page that no other page has, and that is not zero. */
void mn_touch(char *memory, uint64_t from_kib, uint64_t to_kib)
{
	uint64_t owner = (uint64_t)getpid() << 32;

	for (uint64_t page = from_kib / MN_PAGE_KIB; page < to_kib / MN_PAGE_KIB; page++)
		*(volatile uint64_t *)(memory + page * MN_PAGE) = owner | (page + 1);
}

/* KiB that are due when `ticks` have passed, in whole pages. */
static uint64_t due_kib(uint64_t ticks, uint64_t kib_per_s, uint64_t most)
{
	uint64_t due = ticks * kib_per_s / (NSEC_PER_SEC / TICK_NS);

	return due < most ? due - due % MN_PAGE_KIB : most;
}

/* From now on. `node` counts from 1; 0: memory of any. Returns an errno. */
static int bind_to(uint64_t node)
{
	uint64_t nodes;

	if (!node)
		return 0;
	nodes = 1ull << (node - 1);
	return syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes)) ? errno : 0;
}

noreturn void mn_hog(uint64_t start, const uint64_t arg[MN_ARGS])
{
	uint64_t rate = arg[0], ceiling = arg[1] - arg[1] % MN_PAGE_KIB, touched = 0;
	int error = mn_group_join();
	char *memory;

	if (!error)
		error = bind_to(arg[2]);
	if (error)
		_exit(error);
	if (ceiling > SIZE_MAX / 1024)
		_exit(ENOMEM);
	memory = mmap(NULL, (size_t)ceiling * 1024, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		_exit(errno);
	for (uint64_t tick = 1; touched < ceiling; tick++) {
		uint64_t due = due_kib(tick, rate, ceiling);

		mn_sleep_until(start + tick * TICK_NS);
		mn_touch(memory, touched, due);
		touched = due;
		if (tick % LOG_TICKS == 0 || touched == ceiling)
			mn_log(MN_REC_HOG, MN_NO_CLIENT, touched, ceiling);
	}
	for (;;)
		pause();
}

/* Reads the next `kib` of the disk, from its start again after its end. Returns an errno. */
static int read_disk(int disk, uint64_t kib, uint64_t *passes)
{
	static char buffer[16384];
	uint64_t left = kib * 1024;
	bool wrapped = false;

	while (left) {
		size_t want = left < sizeof(buffer) ? (size_t)left : sizeof(buffer);
		ssize_t got = read(disk, buffer, want);

		if (got < 0)
			return errno;
		if (got == 0 && wrapped)
			return ENODATA;
		wrapped = got == 0;
		if (wrapped) {
			++*passes;
			if (lseek(disk, 0, SEEK_SET))
				return errno;
		}
		left -= (uint64_t)got;
	}
	return 0;
}

/*
 * Opens a file without blocks on the root. Its pages are a file's, wherever the kernel likes, and
 * read without a disk. Those of a disk itself are never in high memory.
 */
static int open_sparse(uint64_t kib)
{
	unsigned int a, b, c;
	struct utsname uts;
	int fd;

	/* From 2.6.28 on pages of ramfs are not reclaimed. */
	if (uname(&uts) || sscanf(uts.release, "%u.%u.%u", &a, &b, &c) != 3 ||
	    (a << 16 | b << 8 | c) >= (2u << 16 | 6u << 8 | 28u)) {
		errno = ENOTSUP;
		return -1;
	}
	fd = open("/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, (off_t)kib * 1024)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* As the text and the data of programs that run now and then. */
static noreturn void keep_using(int fd, uint64_t kib, uint64_t start, uint64_t every_ns)
{
	const volatile char *map = mmap(NULL, (size_t)kib * 1024, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		_exit(errno);
	for (uint64_t round = 1;; round++) {
		for (uint64_t page = 0; page < kib / MN_PAGE_KIB; page++)
			(void)map[page * MN_PAGE];
		while (start + round * every_ns <= mn_now())
			round++;
		mn_sleep_until(start + round * every_ns);
	}
}

noreturn void mn_filecache(uint64_t start, const uint64_t arg[MN_ARGS], const char *disk)
{
	uint64_t rate = arg[0], total = arg[1] - arg[1] % MN_PAGE_KIB, done = 0, passes = 0;
	int fd = arg[2] == MN_FILE_SPARSE ? open_sparse(total) : open(disk, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? errno : 0;

	for (uint64_t tick = 1; !error && done < total; tick++) {
		uint64_t due = due_kib(tick, rate, total);

		mn_sleep_until(start + tick * TICK_NS);
		error = read_disk(fd, due - done, &passes);
		if (error)
			break;
		done = due;
		if (tick % LOG_TICKS == 0 && done < total)
			mn_log(MN_REC_FILECACHE, MN_NO_CLIENT, done, passes, 0);
	}
	mn_log(MN_REC_FILECACHE, MN_NO_CLIENT, done, passes, (uint64_t)error);
	if (!error && arg[3])
		keep_using(fd, total, start, arg[3]);
	_exit(error);
}

/* How much reclaim prefers anonymous pages. */
void mn_swappiness(uint64_t value)
{
	char text[24];
	int error;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	error = mn_write_file("/proc/sys/vm/swappiness", text);
	if (error)
		mn_fail("swappiness", error);
}
