// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client, as in the example of the patch: open, poll without timeout, be woken,
 * poll again. Each is a process of its own that touches as little memory as it can.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent.h"

#define NOBODY 65534

struct cache {
	char *start;
	uint64_t kib;		/* still held, from the start */
	uint64_t give_kib;	/* at each wakeup */
};

static void fill_cache(struct cache *cache)
{
	if (!cache->kib)
		return;
	if (cache->kib > SIZE_MAX / 1024)
		_exit(ENOMEM);
	cache->start = mmap(NULL, (size_t)cache->kib * 1024, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cache->start == MAP_FAILED)
		_exit(errno);
	mn_touch(cache->start, 0, cache->kib);
}

static void release(struct cache *cache, uint32_t client)
{
	uint64_t given = cache->give_kib < cache->kib ? cache->give_kib : cache->kib;

	cache->kib -= given;
	if (given && munmap(cache->start + cache->kib * 1024, (size_t)given * 1024))
		_exit(errno);
	mn_log(MN_REC_RELEASE, client, given, cache->kib);
}

static sigset_t sigio;

/*
 * With a signal named, even SIGIO itself, the kernel says what happened (si_band).
 * F_SETFL of 2.6.24 hands on what the driver returns, 1 where it has changed something.
 */
static void want_sigio(int fd)
{
	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	if (sigprocmask(SIG_BLOCK, &sigio, NULL) || fcntl(fd, F_SETOWN, getpid()) ||
	    fcntl(fd, F_SETSIG, SIGIO) || fcntl(fd, F_SETFL, O_ASYNC) < 0)
		_exit(errno);
}

static int wait_sigio(struct pollfd *device)
{
	siginfo_t what;

	if (sigwaitinfo(&sigio, &what) < 0)
		return -1;
	device->revents = (short)what.si_band;
	return 1;
}

/* As poll() of one descriptor: without timeout, or with none at all of a client that only looks. */
static int wait_for(struct pollfd *device, enum mn_client_kind kind)
{
	switch (kind) {
	case MN_CLIENT_FASYNC:
		return wait_sigio(device);
	case MN_CLIENT_EPOLL:
		return mn_epoll(device);
	case MN_CLIENT_PEEK:
		return poll(device, 1, 0);
	default:
		return poll(device, 1, -1);
	}
}

static void drop_rights(void)
{
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(errno);
}

/* What came after is for root to open; the device is for everyone. Returns an errno. */
static int open_watched(struct pollfd *device, enum mn_client_kind kind,
			const uint64_t arg[MN_ARGS])
{
	int error;

	if (!mn_is_successor(kind)) {
		device->fd = open(mn_device(), O_RDONLY);
		return device->fd < 0 ? errno : 0;
	}
	error = mn_successor_open(device, arg);
	drop_rights();
	return error;
}

/*
 * A piece of the disk's end, as the text of a program that is not locked in memory: the kernel may drop
 * it, and what comes after a wakeup has to have it back.
 */
static struct {
	const volatile char *start;
	uint64_t kib;
} text;

static void map_text(uint64_t kib, const char *disk)
{
	int fd;
	off_t end;

	if (!kib)
		return;
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	if (end < 0)
		_exit(errno);
	if ((uint64_t)end < kib * 1024)
		_exit(ENOSPC);
	text.start = mmap(NULL, (size_t)kib * 1024, PROT_READ, MAP_PRIVATE, fd,
			  (end - (off_t)kib * 1024) & ~(off_t)(MN_PAGE - 1));
	if (text.start == MAP_FAILED)
		_exit(errno);
	text.kib = kib;
}

static void touch_text(void)
{
	for (uint64_t page = 0; page < text.kib / MN_PAGE_KIB; page++)
		(void)text.start[page * MN_PAGE];
}

/* What + 1 and later ones take as "I have seen it". On those without read() it fails. */
static void read_device(int fd, uint32_t client, size_t bytes)
{
	char buffer[MN_MAX_READ];
	ssize_t got;

	if (!bytes)
		return;
	got = read(fd, buffer, bytes);
	mn_log(MN_REC_READ, client, (uint64_t)got, got < 0 ? (uint64_t)errno : 0);
}

noreturn void mn_client(uint32_t client, const uint64_t arg[MN_ARGS], const char *disk)
{
	enum mn_client_kind kind = (enum mn_client_kind)arg[MN_ARG_KIND];
	bool first = arg[MN_ARG_HABITS] & MN_HABIT_OPEN_FIRST;
	struct cache cache = { .kib = 0 };
	struct pollfd device = { .events = POLLIN };
	uint64_t wakeups = 0;
	int failure;

	map_text(arg[MN_ARG_TEXT], disk);
	if (!mn_is_successor(kind))
		drop_rights();
	if (kind == MN_CLIENT_USAGE)
		mn_usage(client);
	if (kind == MN_CLIENT_ALLOCATE || kind == MN_CLIENT_CIRCULAR) {
		mn_allocate(arg);
	} else if (!mn_is_successor(kind)) {
		cache.kib = arg[MN_ARG_CACHE];
		cache.give_kib = arg[MN_ARG_GIVE];
	}
	if (!first)
		fill_cache(&cache);
	failure = open_watched(&device, kind, arg);
	mn_log(MN_REC_CLIENT, client, kind, (uint64_t)failure, cache.kib, arg[MN_ARG_HABITS]);
	if (first)
		fill_cache(&cache);
	while (failure || kind == MN_CLIENT_IDLE)
		pause();	/* as many processes as with a kernel that has it */
	if (kind == MN_CLIENT_FASYNC || arg[MN_ARG_HABITS] & MN_HABIT_FASYNC)
		want_sigio(device.fd);

	for (uint64_t polls = 0;; polls++) {
		uint64_t since = mn_now(), when;
		int ready, error;

		mn_log_at(since, MN_REC_POLL, client, (const uint64_t[5]){ polls });
		ready = wait_for(&device, kind);
		error = ready < 0 ? errno : 0;
		when = mn_now();
		mn_log_at(when, MN_REC_WAKEUP, client,
			  (const uint64_t[5]){ mn_said(&device, ready), (uint64_t)ready,
					       (uint64_t)error, since, wakeups });
		if (ready < 0 && error != EINTR)
			_exit(error);
		if (kind == MN_CLIENT_PEEK)
			mn_sleep_until(when + arg[MN_ARG_PAUSE]);
		if (ready <= 0 || !(device.revents & device.events))
			continue;
		wakeups++;
		failure = mn_successor_seen(&device, kind);
		if (failure)
			_exit(failure);
		read_device(device.fd, client, (size_t)arg[MN_ARG_READ]);
		touch_text();
		if (kind == MN_CLIENT_RELEASE)
			release(&cache, client);
		else if (kind == MN_CLIENT_EXIT)
			_exit(0);
		else if (kind == MN_CLIENT_ALLOCATE)
			mn_allocate_stop(client);
		else if (kind == MN_CLIENT_CIRCULAR)
			mn_allocate_give(client);
	}
}
