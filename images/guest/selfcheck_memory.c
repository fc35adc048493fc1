// SPDX-License-Identifier: GPL-2.0-or-later
/* Self-check: memory, files and disks, and copies between kernel and process. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#include "selfcheck.h"

#define FILE_NAME "/selfcheck.file"
#define FILE_BYTES (300u * 1024)

static char *anonymous(size_t bytes, int sharing)
{
	char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

	CHECK(map != MAP_FAILED);
	return map;
}

static void test_fork(const struct self_check *with)
{
	enum { CHILDREN = 8, BYTES = 64 * MN_PAGE };
	char *private = anonymous(BYTES, MAP_PRIVATE), *shared = anonymous(BYTES, MAP_SHARED);
	pid_t pids[CHILDREN];

	(void)with;
	mn_check_fill(private, BYTES, 1);
	for (unsigned int i = 0; i < CHILDREN; i++) {
		pids[i] = mn_check_fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			bool right = mn_check_same(private, BYTES, 1);

			mn_check_fill(private, BYTES, i + 2);
			mn_check_fill(shared + i * BYTES / CHILDREN, BYTES / CHILDREN, i);
			sched_yield();
			_exit(!right || !mn_check_same(private, BYTES, i + 2));
		}
	}
	for (unsigned int i = 0; i < CHILDREN; i++) {
		CHECK(mn_check_ended_well(pids[i]));
		CHECK(mn_check_same(shared + i * BYTES / CHILDREN, BYTES / CHILDREN, i));
	}
	CHECK(mn_check_same(private, BYTES, 1));
}

static void test_mmap(const struct self_check *with)
{
	enum { BYTES = 100 * MN_PAGE };
	char *map = anonymous(2 * BYTES, MAP_PRIVATE), *moved;

	(void)with;
	mn_check_fill(map, BYTES, 3);
	moved = mremap(map, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, map + BYTES);
	CHECK(moved == map + BYTES && mn_check_same(moved, BYTES, 3));
	moved = mremap(moved, BYTES, 3 * BYTES, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED && mn_check_same(moved, BYTES, 3) && moved[3 * BYTES - 1] == 0);
	CHECK(madvise(moved, MN_PAGE, MADV_DONTNEED) == 0);
	for (unsigned int i = 0; i < MN_PAGE; i++)
		CHECK(moved[i] == 0);
}

static void test_file(const struct self_check *with)
{
	static char in[FILE_BYTES], out[FILE_BYTES];
	int file = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600), pipes[2];
	const struct timespec times[2] = { { 1200355200, 123000000 }, { 1200355201, 456000000 } };
	const off_t far = 5ll << 30;
	loff_t at = 8;
	struct iovec vector[16];
	struct stat stat;
	char *private, *shared;

	(void)with;
	mn_check_fill(in, sizeof(in), 4);
	/* Pieces of 1, 1 + 37, 1 + 2 * 37, ... bytes, so that none is aligned. */
	CHECK(file >= 0);
	for (size_t from = 0; from < sizeof(in);) {
		ssize_t most = 0;
		int n = 0;

		for (size_t size = 1; n < 16 && from + (size_t)most < sizeof(in); n++, size += 37) {
			size_t left = sizeof(in) - from - (size_t)most;

			vector[n].iov_base = in + from + most;
			vector[n].iov_len = size < left ? size : left;
			most += (ssize_t)vector[n].iov_len;
		}
		CHECK(writev(file, vector, n) == most);
		from += (size_t)most;
	}
	for (size_t from = 0, size = 1; from < sizeof(out); from += size, size = size * 3 % 9973) {
		if (size > sizeof(out) - from)
			size = sizeof(out) - from;
		CHECK(pread(file, out + from, size, (off_t)from) == (ssize_t)size);
	}
	CHECK(!memcmp(in, out, sizeof(in)));

	private = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	shared = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CHECK(private != MAP_FAILED && shared != MAP_FAILED && !memcmp(shared, in, FILE_BYTES));
	mn_check_fill(private, FILE_BYTES / 2, 5);
	CHECK(mn_check_same(shared, FILE_BYTES, 4));
	mn_check_fill(shared, FILE_BYTES, 6);
	CHECK(msync(shared, FILE_BYTES, MS_SYNC) == 0);
	CHECK(pread(file, out, FILE_BYTES, 0) == FILE_BYTES && mn_check_same(out, FILE_BYTES, 6));
	CHECK(mn_check_same(private, FILE_BYTES / 2, 5));

	CHECK(pipe(pipes) == 0 && splice(file, &at, pipes[1], NULL, 4096, 0) == 4096);
	CHECK(at == 4104 && read(pipes[0], out, 4096) == 4096 && !memcmp(out, shared + 8, 4096));

	CHECK(ftruncate(file, 5001) == 0 && ftruncate(file, 2 * MN_PAGE) == 0);
	CHECK(mn_check_same(shared, 5000, 6) && shared[5001] == 0 && shared[8191] == 0);
	/* An offset of more than 32 bits. */
	CHECK(pwrite(file, in, 64, far + 3) == 64 && pread(file, out, 64, far + 3) == 64);
	CHECK(!memcmp(in, out, 64) && lseek(file, 0, SEEK_END) == far + 67);
	CHECK(futimens(file, times) == 0 && fstat(file, &stat) == 0);
	CHECK(stat.st_size == far + 67 && stat.st_atim.tv_sec == times[0].tv_sec &&
	      stat.st_mtim.tv_sec == times[1].tv_sec && stat.st_mtim.tv_nsec == 456000000);
	CHECK(unlink(FILE_NAME) == 0);
}

static ssize_t error_or(ssize_t done)
{
	return done < 0 ? -errno : done;
}

/* Whether that may be the result of a copy with `room` bytes before a page that is not there. */
static bool may_be(ssize_t done, int room)
{
	/* A kernel may copy eight words at a time, and not count those in which it faulted. */
	return done == -EFAULT ? room < 64 : done > 0 && done <= room && done > room - 64;
}

/* Copies that end at a page that is not there: no byte counts that has not been copied. */
static void test_user_copies(const struct self_check *with)
{
	enum { LONGEST = 300 };
	char *end = anonymous(4 * MN_PAGE, MAP_PRIVATE) + 3 * MN_PAGE, pattern[2 * LONGEST];
	char written[LONGEST + 9];
	int file = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600), pipes[2];
	ssize_t done;
	const char name[] = FILE_NAME;

	(void)with;
	mn_check_fill(pattern, sizeof(pattern), 7);
	CHECK(file >= 0 && write(file, pattern, sizeof(pattern)) == sizeof(pattern));
	CHECK(pipe(pipes) == 0 && mprotect(end, MN_PAGE, PROT_NONE) == 0);
	for (int room = 1; room <= LONGEST; room++) {
		int offset = room * 7 % 64;

		memset(end - LONGEST - 1, 0x55, LONGEST + 1);
		done = error_or(pread(file, end - room, LONGEST + 9, offset));
		CHECK(may_be(done, room) && end[-room - 1] == 0x55);
		CHECK(done < 0 || !memcmp(end - room, pattern + offset, (size_t)done));
		/* Linux 6.1 for i386 would try to write a last part of a word again for ever. */
		if (room % 8)
			continue;
		memcpy(end - room, pattern, (size_t)room);
		CHECK(ftruncate(file, 2 * LONGEST) == 0);
		done = error_or(pwrite(file, end - room, LONGEST + 9, 2 * LONGEST));
		CHECK(done == -EFAULT || may_be(done, room));
		if (done > 0)
			CHECK(pread(file, written, sizeof(written), 2 * LONGEST) == done &&
			      !memcmp(written, pattern, (size_t)done));
	}
	CHECK(pread(file, end, 1, 0) == -1 && errno == EFAULT);
	CHECK(write(pipes[1], end, 1) == -1 && errno == EFAULT);
	CHECK(write(pipes[1], pattern, 100) == 100);
	CHECK(read(pipes[0], end, 100) == -1 && errno == EFAULT);
	memcpy(end - sizeof(name), name, sizeof(name));
	CHECK(access(end - sizeof(name), R_OK) == 0);
	CHECK(access(end - sizeof(name) + 2, R_OK) == -1 && errno == ENOENT);
	end[-1] = 'x';
	CHECK(access(end - sizeof(name), R_OK) == -1 && errno == EFAULT);
	CHECK(getcwd(end - 1, 2) == NULL);
	CHECK(unlink(FILE_NAME) == 0);
}

/* --- what the machine may not have */

static bool page_is(const char *map, size_t page, uint32_t seed)
{
	return mn_check_same(map + page * MN_PAGE, MN_PAGE, seed + (uint32_t)page);
}

/* More memory than there is, all of it different, and every word of it looked at again. */
static void test_swap(const struct self_check *with)
{
	enum { AGAIN = 1000000 };
	size_t pages = (size_t)(with->memory_kib / MN_PAGE_KIB);
	struct sysinfo before, after;
	char *map;
	pid_t pid;

	CHECK(sysinfo(&before) == 0);
	if (!before.totalswap)
		mn_check_skipped(ENODEV);
	map = anonymous(pages * MN_PAGE, MAP_PRIVATE | MAP_NORESERVE);
	for (size_t page = 0; page < pages; page++)
		mn_check_fill(map + page * MN_PAGE, MN_PAGE, (uint32_t)page);
	CHECK(sysinfo(&after) == 0);
	CHECK(before.freeswap > after.freeswap);	/* else memory_kib is too little */
	/* A child sees all of it, and writes to copies of pages that are in the swap. */
	CHECK((pid = mn_check_fork()) >= 0);
	if (pid == 0) {
		for (size_t page = 0; page < pages; page++) {
			if (!page_is(map, page, 0))
				_exit(1);
			if (page % 8 == 0)
				mn_check_fill(map + page * MN_PAGE, MN_PAGE, 0);
		}
		_exit(0);
	}
	CHECK(mn_check_ended_well(pid));
	for (size_t page = 1; page < pages; page += 4)
		mn_check_fill(map + page * MN_PAGE, MN_PAGE, AGAIN + (uint32_t)page);
	for (size_t page = 0; page < pages; page++)
		CHECK(page_is(map, page, page % 4 == 1 ? AGAIN : 0));
}

static void test_disk(const struct self_check *with)
{
	enum { BYTES = 2 << 20, PIECE = 1 << 16 };
	char *data = anonymous(PIECE, MAP_PRIVATE);
	int disk = *with->disk ? open(with->disk, O_RDWR) : -1, direct;

	if (!*with->disk)
		mn_check_skipped(ENODEV);
	CHECK(disk >= 0);
	for (uint32_t i = 0; i < BYTES / PIECE; i++) {
		mn_check_fill(data, PIECE, i);
		CHECK(write(disk, data, PIECE) == PIECE);
	}
	/* From the page cache, then from the disk itself, then past the page cache. */
	for (int round = 0; round < 2; round++) {
		CHECK(lseek(disk, 0, SEEK_SET) == 0);
		for (uint32_t i = 0; i < BYTES / PIECE; i++)
			CHECK(read(disk, data, PIECE) == PIECE && mn_check_same(data, PIECE, i));
		CHECK(fsync(disk) == 0 && ioctl(disk, BLKFLSBUF, 0) == 0);
	}
	CHECK((direct = open(with->disk, O_RDWR | O_DIRECT)) >= 0);
	for (uint32_t i = 0; i < BYTES / PIECE; i += 5) {
		CHECK(pread(direct, data, PIECE, (off_t)i * PIECE) == PIECE);
		CHECK(mn_check_same(data, PIECE, i));
		mn_check_fill(data, PIECE, i + 1000);
		CHECK(pwrite(direct, data, PIECE, (off_t)i * PIECE) == PIECE);
		CHECK(pread(disk, data, PIECE, (off_t)i * PIECE) == PIECE);
		CHECK(mn_check_same(data, PIECE, i + 1000));
	}
}

const struct self_test mn_memory_tests[] = {
	{ "fork-cow", test_fork },
	{ "mmap", test_mmap },
	{ "file", test_file },
	{ "user-copies", test_user_copies },
	{ "swap", test_swap },
	{ "disk", test_disk },
	{ NULL, NULL },
};
