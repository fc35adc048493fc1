// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is linked to a client that is a program of the user's own: the linker puts these functions in the
 * place of poll(), select(), epoll_wait(), read(), open() and their like (--wrap), and they log what the
 * program waits for and when it is woken. The program need not know. Outside of a guest they do nothing.
 *
 * Only what concerns the device, or one of its successors, is logged. Threads and signal handlers may
 * log at any time, so there are no locks, and no window of the log is unmapped again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MN_OWN
#include "own.h"

#define WINDOW 4096u			/* records that are mapped at a time */
#define WINDOWS 4096u
#define DESCRIPTORS 1024
#define SETS 64

/* Where musl has two kinds of time, programs of today use the functions for the longer one. */
#if __SIZEOF_LONG__ == 4
#define WITH_TIME(name) __##name##_time64
#else
#define WITH_TIME(name) name
#endif
#define PASTE(a, b) a##b
#define JOIN(a, b) PASTE(a, b)
#define REAL(name) JOIN(__real_, WITH_TIME(name))
#define WRAP(name) JOIN(__wrap_, WITH_TIME(name))

static struct mn_own_page *page;	/* NULL: nobody watches */
static struct mn_header *header;
static struct mn_record *windows[WINDOWS];

int __real_open(const char *path, int flags, ...);
int __real_openat(int at, const char *path, int flags, ...);
int __real_close(int fd);
int __real_fclose(FILE *file);
int __real_dup(int fd);
int __real_dup2(int from, int to);
int __real_dup3(int from, int to, int flags);
ssize_t __real_read(int fd, void *buffer, size_t size);
int __real_poll(struct pollfd *fds, nfds_t nr, int timeout);
int REAL(ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
int REAL(select)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
int REAL(pselect)(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *);
int __real_epoll_ctl(int set, int what, int fd, struct epoll_event *event);
int __real_epoll_pwait(int set, struct epoll_event *events, int most, int timeout,
		       const sigset_t *mask);

/* --- the log */

/* Before main(), and before other constructors. Lines of output come when they are written. */
__attribute__((constructor(101))) static void begin(void)
{
	struct mn_own_page *found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED,
					 MN_OWN_PAGE_FD, 0);

	if (found == MAP_FAILED || memcmp(found->magic, MN_OWN_MAGIC, sizeof(found->magic)))
		return;
	header = mmap(NULL, MN_HEADER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, MN_OWN_LOG_FD,
		      (off_t)found->log_start);
	if (header == MAP_FAILED)
		return;
	setvbuf(stdout, NULL, _IOLBF, 0);
	page = found;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static struct mn_record *record_at(uint32_t index)
{
	uint32_t number = index / WINDOW;
	struct mn_record *there = NULL, *mine;
	uint64_t offset = MN_RECORDS_OFFSET + (uint64_t)number * WINDOW * sizeof(*mine);
	size_t size = WINDOW * sizeof(*mine);

	if (number >= WINDOWS)
		return NULL;
	there = __atomic_load_n(&windows[number], __ATOMIC_ACQUIRE);
	if (there)
		return &there[index % WINDOW];
	if (header->region_size - offset < size)
		size = (size_t)(header->region_size - offset);
	mine = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, MN_OWN_LOG_FD,
		    (off_t)(page->log_start + offset));
	if (mine == MAP_FAILED)
		return NULL;
	if (!__atomic_compare_exchange_n(&windows[number], &there, mine, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		munmap(mine, size);	/* another thread was faster, and `there` is its */
	else
		there = mine;
	return &there[index % WINDOW];
}

static void put(uint64_t when, enum mn_kind kind, const uint64_t value[5])
{
	struct mn_record *record = NULL;
	uint32_t index;

	header->newest_ns = when;
	if (__atomic_load_n(&header->next, __ATOMIC_RELAXED) < header->capacity) {
		index = __atomic_fetch_add(&header->next, 1, __ATOMIC_RELAXED);
		if (index < header->capacity)
			record = record_at(index);
	}
	if (!record) {
		__atomic_fetch_add(&header->lost, 1, __ATOMIC_RELAXED);
		return;
	}
	record->kind = (uint16_t)kind;
	record->cpu = (uint16_t)sched_getcpu();
	record->client = page->client;
	record->pid = (uint32_t)getpid();
	record->time_ns = when;
	memcpy(record->value, value, sizeof(record->value));
	__atomic_store_n(&record->commit, index + 1, __ATOMIC_RELEASE);
}

#define LOG(when, kind, ...) log_at(when, kind, (const uint64_t[5]){ __VA_ARGS__ })

static void log_at(uint64_t when, enum mn_kind kind, const uint64_t value[5])
{
	if (__atomic_fetch_add(&page->used, 1, __ATOMIC_RELAXED) < page->quota)
		put(when, kind, value);
	else
		__atomic_fetch_add(&page->left_out, 1, __ATOMIC_RELAXED);
}

/* --- which descriptors are watched */

enum state { UNKNOWN, OTHER, DEVICE, PSI, EVENTS };

static uint8_t states[DESCRIPTORS];

static bool is_watched(enum state state)
{
	return state >= DEVICE;
}

static void set_state(int fd, enum state state)
{
	if (fd >= 0 && fd < DESCRIPTORS)
		states[fd] = (uint8_t)state;
}

static bool ends_in(const char *path, const char *end)
{
	size_t length = strlen(path), tail = strlen(end);

	return length >= tail && !strcmp(path + length - tail, end);
}

/* By its name, where that tells: of a file that is not there, too. */
static enum state state_of_name(const char *path)
{
	if (!strcmp(path, "/dev/mem_notify") || !strcmp(path, "/dev/oom_notify"))
		return DEVICE;
	if (!strcmp(path, "/proc/pressure/memory"))
		return PSI;
	return ends_in(path, "/memory.events") ? EVENTS : UNKNOWN;
}

static bool is_device(int fd)
{
	struct stat found;

	return page->device && !fstat(fd, &found) && S_ISCHR(found.st_mode) &&
	       (uint64_t)found.st_rdev == page->device;
}

static void log_opened(enum state state, int error)
{
	static const uint64_t kinds[] = {
		[DEVICE] = MN_CLIENT_OWN,
		[PSI] = MN_CLIENT_PSI,
		[EVENTS] = MN_CLIENT_MEMORY_EVENTS,
	};

	LOG(now_ns(), MN_REC_CLIENT, kinds[state], (uint64_t)error);
}

/* What was opened by a way that is not seen here is known at its first use. */
static enum state state_of(int fd)
{
	enum state state = fd >= 0 && fd < DESCRIPTORS ? (enum state)states[fd] : UNKNOWN;

	if (state != UNKNOWN)
		return state;
	state = is_device(fd) ? DEVICE : OTHER;
	set_state(fd, state);
	if (state == DEVICE && fd < DESCRIPTORS)
		log_opened(state, 0);
	return state;
}

static int opened(int fd, const char *path)
{
	int error = errno;
	enum state state;

	if (!page)
		return fd;
	state = state_of_name(path);
	if (fd >= 0 && !is_watched(state))
		state = is_device(fd) ? DEVICE : OTHER;
	if (is_watched(state))
		log_opened(state, fd < 0 ? error : 0);
	set_state(fd, state);
	errno = error;
	return fd;
}

/* Also of epoll: which data stand for a watched descriptor in which set. */
static struct set {
	int set, fd;
	uint64_t data;
	bool used;
} sets[SETS];

static void forget(int fd)
{
	for (int i = 0; i < SETS; i++)
		if (sets[i].used && (sets[i].set == fd || sets[i].fd == fd))
			sets[i].used = false;
	if (fd >= 0 && fd < DESCRIPTORS && is_watched((enum state)states[fd]))
		__atomic_fetch_add(&page->closed, 1, __ATOMIC_RELAXED);
	set_state(fd, UNKNOWN);
}

static bool is_ours(int fd)
{
	return page && (fd == MN_OWN_LOG_FD || fd == MN_OWN_PAGE_FD);
}

#define WITH_MODE(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list more;

	if (WITH_MODE(flags)) {
		va_start(more, flags);
		mode = va_arg(more, mode_t);
		va_end(more);
	}
	return opened(__real_open(path, flags, mode), path);
}

int __wrap_openat(int at, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list more;

	if (WITH_MODE(flags)) {
		va_start(more, flags);
		mode = va_arg(more, mode_t);
		va_end(more);
	}
	return opened(__real_openat(at, path, flags, mode), path);
}

/* A program that closes all it may have inherited goes on being seen. */
int __wrap_close(int fd)
{
	if (is_ours(fd)) {
		errno = EBADF;
		return -1;
	}
	if (page)
		forget(fd);
	return __real_close(fd);
}

int __wrap_fclose(FILE *file)
{
	if (page)
		forget(fileno(file));
	return __real_fclose(file);
}

static int duplicated(int from, int to)
{
	if (page && to >= 0 && from >= 0 && from < DESCRIPTORS)
		set_state(to, (enum state)states[from]);
	return to;
}

int __wrap_dup(int fd)
{
	return duplicated(fd, __real_dup(fd));
}

int __wrap_dup2(int from, int to)
{
	if (page && from != to && !is_ours(to))
		forget(to);
	return is_ours(to) ? (errno = EBADF, -1) : duplicated(from, __real_dup2(from, to));
}

int __wrap_dup3(int from, int to, int flags)
{
	if (page && !is_ours(to))
		forget(to);
	return is_ours(to) ? (errno = EBADF, -1) : duplicated(from, __real_dup3(from, to, flags));
}

/* --- waits */

/*
 * One call that waits. When a quarter of the client's records is used up, those that end with nothing
 * are left out: a program that polls without end must still have room for what it is woken for.
 */
struct wait {
	uint64_t since;
	uint32_t polls;
	bool logged;
};

static bool last_was_empty;

static bool is_sparing(void)
{
	return page->used >= page->quota / 4;
}

static void log_poll(struct wait *wait)
{
	if (!wait->logged)
		LOG(wait->since, MN_REC_POLL, wait->polls);
	wait->logged = true;
}

static void enter(struct wait *wait, bool waits)
{
	*wait = (struct wait){ .since = now_ns() };
	wait->polls = __atomic_fetch_add(&page->polls, 1, __ATOMIC_RELAXED);
	if (waits && !(last_was_empty && is_sparing()))
		log_poll(wait);
}

static void leave(struct wait *wait, unsigned int revents, int ready)
{
	int error = errno;
	uint64_t when = now_ns();
	uint32_t before = page->wakeups;

	last_was_empty = !revents;
	if (!revents && is_sparing() && !wait->logged) {
		__atomic_fetch_add(&page->left_out, 2, __ATOMIC_RELAXED);
	} else {
		log_poll(wait);
		if (revents)
			before = __atomic_fetch_add(&page->wakeups, 1, __ATOMIC_RELAXED);
		LOG(when, MN_REC_WAKEUP, revents, (uint64_t)(revents || ready < 0 ? ready : 0),
		    ready < 0 ? (uint64_t)error : 0, wait->since, before);
	}
	errno = error;
}

static bool any_watched(const struct pollfd *fds, nfds_t nr)
{
	bool found = false;

	for (nfds_t i = 0; page && i < nr; i++)
		found = (fds[i].fd >= 0 && is_watched(state_of(fds[i].fd))) || found;
	return found;
}

static unsigned int revents_of(const struct pollfd *fds, nfds_t nr, int ready)
{
	unsigned int revents = 0;

	for (nfds_t i = 0; ready > 0 && i < nr; i++)
		if (fds[i].fd >= 0 && is_watched(state_of(fds[i].fd)))
			revents |= (unsigned short)fds[i].revents;
	return revents;
}

int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	struct wait wait;
	int ready;

	if (!any_watched(fds, nr))
		return __real_poll(fds, nr, timeout);
	enter(&wait, timeout);
	ready = __real_poll(fds, nr, timeout);
	leave(&wait, revents_of(fds, nr, ready), ready);
	return ready;
}

int WRAP(ppoll)(struct pollfd *fds, nfds_t nr, const struct timespec *timeout,
		const sigset_t *mask)
{
	struct wait wait;
	int ready;

	if (!any_watched(fds, nr))
		return REAL(ppoll)(fds, nr, timeout, mask);
	enter(&wait, !timeout || timeout->tv_sec || timeout->tv_nsec);
	ready = REAL(ppoll)(fds, nr, timeout, mask);
	leave(&wait, revents_of(fds, nr, ready), ready);
	return ready;
}

/* The watched descriptors of a set, which select() overwrites; at most eight. */
struct chosen {
	int fd[8];
	unsigned int nr;
};

static bool choose(struct chosen *chosen, int nr, const fd_set *in, const fd_set *except)
{
	chosen->nr = 0;
	for (int fd = 0; page && fd < nr && chosen->nr < 8; fd++)
		if (((in && FD_ISSET(fd, in)) || (except && FD_ISSET(fd, except))) &&
		    is_watched(state_of(fd)))
			chosen->fd[chosen->nr++] = fd;
	return chosen->nr;
}

static unsigned int selected(const struct chosen *chosen, int ready, const fd_set *in,
			     const fd_set *except)
{
	unsigned int revents = 0;

	for (unsigned int i = 0; ready > 0 && i < chosen->nr; i++) {
		if (in && FD_ISSET(chosen->fd[i], in))
			revents |= POLLIN;
		if (except && FD_ISSET(chosen->fd[i], except))
			revents |= POLLPRI;
	}
	return revents;
}

int WRAP(select)(int nr, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	struct chosen chosen;
	struct wait wait;
	int ready;

	if (!choose(&chosen, nr, in, except))
		return REAL(select)(nr, in, out, except, timeout);
	enter(&wait, !timeout || timeout->tv_sec || timeout->tv_usec);
	ready = REAL(select)(nr, in, out, except, timeout);
	leave(&wait, selected(&chosen, ready, in, except), ready);
	return ready;
}

int WRAP(pselect)(int nr, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
		  const sigset_t *mask)
{
	struct chosen chosen;
	struct wait wait;
	int ready;

	if (!choose(&chosen, nr, in, except))
		return REAL(pselect)(nr, in, out, except, timeout, mask);
	enter(&wait, !timeout || timeout->tv_sec || timeout->tv_nsec);
	ready = REAL(pselect)(nr, in, out, except, timeout, mask);
	leave(&wait, selected(&chosen, ready, in, except), ready);
	return ready;
}

int __wrap_epoll_ctl(int set, int what, int fd, struct epoll_event *event)
{
	int done = __real_epoll_ctl(set, what, fd, event);

	if (done || !page || !is_watched(state_of(fd)))
		return done;
	for (int i = 0; i < SETS; i++)
		if (sets[i].used && sets[i].set == set && sets[i].fd == fd)
			sets[i].used = false;
	for (int i = 0; what != EPOLL_CTL_DEL && i < SETS; i++) {
		if (sets[i].used)
			continue;
		sets[i] = (struct set){ .set = set, .fd = fd, .data = event->data.u64, .used = true };
		break;
	}
	return done;
}

static bool has_watched(int set)
{
	for (int i = 0; page && i < SETS; i++)
		if (sets[i].used && sets[i].set == set)
			return true;
	return false;
}

static unsigned int events_of(int set, const struct epoll_event *events, int ready)
{
	unsigned int revents = 0;

	for (int i = 0; i < SETS; i++)
		for (int at = 0; sets[i].used && sets[i].set == set && at < ready; at++)
			if (events[at].data.u64 == sets[i].data)
				revents |= events[at].events;
	return revents;
}

int __wrap_epoll_pwait(int set, struct epoll_event *events, int most, int timeout,
		       const sigset_t *mask)
{
	struct wait wait;
	int ready;

	if (!has_watched(set))
		return __real_epoll_pwait(set, events, most, timeout, mask);
	enter(&wait, timeout);
	ready = __real_epoll_pwait(set, events, most, timeout, mask);
	leave(&wait, events_of(set, events, ready), ready);
	return ready;
}

/* As musl does it. Its own would end up in the function above, too, and each wait in the log twice. */
int __wrap_epoll_wait(int set, struct epoll_event *events, int most, int timeout)
{
	return __wrap_epoll_pwait(set, events, most, timeout, NULL);
}

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	ssize_t got = __real_read(fd, buffer, size);
	int error = errno;

	if (page && fd >= 0 && is_watched(state_of(fd)))
		LOG(now_ns(), MN_REC_READ, (uint64_t)got, got < 0 ? (uint64_t)error : 0);
	errno = error;
	return got;
}
