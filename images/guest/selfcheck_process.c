// SPDX-License-Identifier: GPL-2.0-or-later
/* Self-check: processes, threads, waiting, time. */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selfcheck.h"

#define MSEC ((int64_t)NSEC_PER_MSEC)
#define TICK_NS (4 * MSEC)	/* poll() of 2.6.24 counts ticks, and the first is not a whole one */
#define LATE_NS (1000 * MSEC)	/* a busy host may be slow; early is never right */

static void sleep_ms(long ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000000 };

	CHECK(nanosleep(&time, NULL) == 0);
}

static bool took(uint64_t since, int64_t least_ns)
{
	int64_t passed = (int64_t)(mn_now() - since);

	return passed >= least_ns && passed <= least_ns + LATE_NS;
}

static void test_exec(const struct self_check *with)
{
	char *const argv[] = { "/init", "--abi", NULL };
	char *const environment[] = { NULL };
	char got[4096], last = 0;
	int pipes[2];
	ssize_t length;
	pid_t pid;

	(void)with;
	for (int i = 0; i < 10; i++) {
		CHECK(pipe(pipes) == 0 && (pid = mn_check_fork()) >= 0);
		if (pid == 0) {
			if (dup2(pipes[1], STDOUT_FILENO) == STDOUT_FILENO && !close(pipes[0]))
				execve(argv[0], argv, environment);
			_exit(1);
		}
		close(pipes[1]);
		CHECK(read(pipes[0], got, 1) == 1 && got[0] == '{');
		while ((length = read(pipes[0], got, sizeof(got))) > 0)
			if (length > 1)
				last = got[length - 2];
		CHECK(length == 0 && last == '}' && mn_check_ended_well(pid));
		close(pipes[0]);
	}
}

static __thread uint32_t own;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint32_t counted;

static void *count(void *seed)
{
	own = (uint32_t)(uintptr_t)seed;
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		counted++;
		pthread_mutex_unlock(&mutex);
		if (++own % 16 == 0)
			sched_yield();
	}
	return (void *)(uintptr_t)own;
}

static void test_threads(const struct self_check *with)
{
	pthread_t threads[8];
	void *result;

	(void)with;
	for (uintptr_t i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, count, (void *)(i << 16)) == 0);
	for (uintptr_t i = 0; i < 8; i++)
		CHECK(pthread_join(threads[i], &result) == 0 &&
		      result == (void *)((i << 16) + 2000));
	CHECK(counted == 8 * 2000 && own == 0);
}

static long futex(uint32_t *word, int op, uint32_t value, const long *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static void hand_over(uint32_t *word, uint32_t from, uint32_t to)
{
	uint32_t now;

	while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) != from)
		futex(word, FUTEX_WAIT, now, NULL);
	__atomic_store_n(word, to, __ATOMIC_RELEASE);
	futex(word, FUTEX_WAKE, 1, NULL);
}

static void test_futex(const struct self_check *with)
{
	const long timeout[4] = { 0, 30 * 1000000 };	/* struct timespec of the kernel */
	uint32_t *word = mmap(NULL, MN_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			      -1, 0);
	uint64_t since;
	pid_t pid;

	(void)with;
	CHECK(word != MAP_FAILED && (pid = mn_check_fork()) >= 0);
	for (uint32_t i = 0; i < 1000; i++)
		hand_over(word, 2 * i + (pid == 0), 2 * i + (pid == 0) + 1);
	if (pid == 0)
		_exit(0);
	CHECK(mn_check_ended_well(pid) && *word == 2000);
	since = mn_now();
	CHECK(futex(word, FUTEX_WAIT, 2000, timeout) == -1 && errno == ETIMEDOUT);
	CHECK(took(since, 30 * MSEC));
	CHECK(futex(word, FUTEX_WAIT, 1999, timeout) == -1 && errno == EAGAIN);
}

/* --- waiting for descriptors */

static void test_pipe(const struct self_check *with)
{
	enum { BYTES = 1 << 20 };
	char *data = mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	int pipes[2];
	ssize_t done;
	pid_t pid;

	(void)with;
	CHECK(data != MAP_FAILED && pipe(pipes) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	mn_check_fill(data, BYTES, 11);
	CHECK((pid = mn_check_fork()) >= 0);
	if (pid == 0) {
		for (size_t at = 0, size = 1; at < BYTES; at += (size_t)done, size = size * 3 % 9973)
			if ((done = write(pipes[1], data + at,
					  size < BYTES - at ? size : BYTES - at)) <= 0)
				_exit(1);
		_exit(0);
	}
	close(pipes[1]);
	for (size_t at = BYTES, size = 1; (done = read(pipes[0], data + at, size)) > 0;
	     at += (size_t)done, size = size * 5 % 7919 + 1)
		CHECK(at + (size_t)done <= 2 * BYTES);
	CHECK(done == 0 && mn_check_ended_well(pid) && mn_check_same(data + BYTES, BYTES, 11));
	CHECK(pipe(pipes) == 0 && close(pipes[0]) == 0);
	CHECK(write(pipes[1], data, 1) == -1 && errno == EPIPE);
}

enum { PIPES = 100, HIGH = 400 };	/* a set of descriptors far beyond one word */

static void test_poll(const struct self_check *with)
{
	struct pollfd polled[PIPES];
	struct epoll_event events[PIPES], *event;
	struct timeval nothing;
	int epoll = epoll_create(PIPES), pipes[2], writers[PIPES];
	fd_set set;
	uint64_t since;

	(void)with;
	for (int i = 0; i < PIPES; i++) {
		int fd = HIGH + 3 * i;
		struct epoll_event wanted = { .events = EPOLLIN,
					      .data.u64 = 0x123456789abcull * (uint64_t)(i + 1) };

		CHECK(pipe(pipes) == 0 && dup2(pipes[0], fd) == fd && close(pipes[0]) == 0);
		writers[i] = pipes[1];
		polled[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
		CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) == 0);
	}
	since = mn_now();
	CHECK(poll(polled, PIPES, 30) == 0 && took(since, 30 * MSEC - TICK_NS));
	since = mn_now();
	CHECK(epoll_wait(epoll, events, PIPES, 30) == 0 && took(since, 30 * MSEC - TICK_NS));
	for (int i = 0; i < PIPES; i += 7)
		CHECK(write(writers[i], "x", 1) == 1);
	FD_ZERO(&set);
	for (int i = 0; i < PIPES; i++)
		FD_SET(HIGH + 3 * i, &set);
	nothing = (struct timeval){ 0, 0 };
	CHECK(select(HIGH + 3 * PIPES, &set, NULL, NULL, &nothing) == (PIPES + 6) / 7);
	for (int fd = 0; fd < HIGH + 3 * PIPES; fd++)
		CHECK(!!FD_ISSET(fd, &set) == (fd >= HIGH && (fd - HIGH) % 21 == 0));
	CHECK(poll(polled, PIPES, -1) == (PIPES + 6) / 7);
	for (int i = 0; i < PIPES; i++)
		CHECK(polled[i].revents == (i % 7 ? 0 : POLLIN));
	CHECK(epoll_wait(epoll, events, PIPES, -1) == (PIPES + 6) / 7);
	for (int i = 0; i < (PIPES + 6) / 7; i++) {
		event = &events[i];
		CHECK(event->events == EPOLLIN &&
		      event->data.u64 % (7 * 0x123456789abcull) == 0x123456789abcull);
	}
	CHECK(close(writers[0]) == 0 && poll(polled, 1, -1) == 1 &&
	      polled[0].revents == (POLLIN | POLLHUP));
}

/* --- time */

static void test_clocks(const struct self_check *with)
{
	struct timespec real;
	struct timeval day;
	uint64_t before = 0, between, after;
	long raw[4];	/* struct timespec of the kernel */
#ifdef __i386__
	const long number = SYS_clock_gettime32;
#else
	const long number = SYS_clock_gettime;
#endif

	(void)with;
	/* The one without a system call (where there is one) lies between two with. */
	for (int i = 0; i < 1000; i++) {
		between = mn_now();
		CHECK(syscall(number, CLOCK_MONOTONIC, raw) == 0);
		after = (uint64_t)raw[0] * NSEC_PER_SEC + (uint64_t)raw[1];
		CHECK(raw[1] >= 0 && raw[1] < (long)NSEC_PER_SEC);
		CHECK(before <= between && between <= after);
		before = after;
	}
	CHECK(gettimeofday(&day, NULL) == 0 && clock_gettime(CLOCK_REALTIME, &real) == 0);
	CHECK(real.tv_sec - day.tv_sec <= 1 && real.tv_sec >= day.tv_sec);
}

static volatile int alarms;

static void count_alarm(int number)
{
	(void)number;
	alarms++;
}

static void test_timers(const struct self_check *with)
{
	const struct itimerval ticks = { { .tv_usec = 5000 }, { .tv_usec = 5000 } };
	const struct itimerval far = { .it_value = { 1234567, 891011 } };
	const struct itimerspec farther = { .it_value = { 1000000000, 123456789 } };
	const struct itimerspec soon = { .it_value = { 0, 20 * 1000000 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN,
				  .sigev_value.sival_int = 0x1234567 };
	struct itimerval left;
	struct itimerspec left_too;
	siginfo_t info;
	sigset_t set;
	timer_t timer;
	uint64_t since;

	(void)with;
	for (int ms = 1; ms < 60; ms += 7) {
		since = mn_now();
		sleep_ms(ms);
		CHECK(took(since, ms * MSEC));
	}
	CHECK(signal(SIGALRM, count_alarm) != SIG_ERR);
	since = mn_now();
	CHECK(setitimer(ITIMER_REAL, &ticks, NULL) == 0);
	while (alarms < 20)
		pause();
	CHECK(took(since, 100 * MSEC));
	/* Through 64-bit divisions and back. */
	CHECK(setitimer(ITIMER_REAL, &far, NULL) == 0 && getitimer(ITIMER_REAL, &left) == 0);
	CHECK(left.it_value.tv_sec == 1234567 && left.it_value.tv_usec > 791011 &&
	      left.it_value.tv_usec < 901012);
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	CHECK(timer_settime(timer, 0, &farther, NULL) == 0 &&
	      timer_gettime(timer, &left_too) == 0);
	CHECK(left_too.it_value.tv_sec >= 999999999 && left_too.it_value.tv_sec <= 1000000000);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	since = mn_now();
	CHECK(timer_settime(timer, 0, &soon, NULL) == 0 && sigwaitinfo(&set, &info) == SIGRTMIN);
	CHECK(took(since, 20 * MSEC) && info.si_code == SI_TIMER &&
	      info.si_value.sival_int == 0x1234567);
	CHECK(timer_delete(timer) == 0);
}

static void test_affinity(const struct self_check *with)
{
	cpu_set_t all, one, got;

	(void)with;
	CHECK(sched_getaffinity(0, sizeof(all), &all) == 0 && CPU_COUNT(&all) > 0);
	CHECK(CPU_COUNT(&all) == sysconf(_SC_NPROCESSORS_ONLN));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		bool there = CPU_ISSET(cpu, &all);

		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK((sched_setaffinity(0, sizeof(one), &one) == 0) == there);
		if (there)
			CHECK(sched_getaffinity(0, sizeof(got), &got) == 0 &&
			      CPU_EQUAL(&one, &got) && sched_getcpu() == cpu);
	}
	CHECK(sched_setaffinity(0, sizeof(all), &all) == 0);
}

const struct self_test mn_process_tests[] = {
	{ "exec", test_exec },
	{ "threads", test_threads },
	{ "futex", test_futex },
	{ "pipe", test_pipe },
	{ "poll-select-epoll", test_poll },
	{ "clocks", test_clocks },
	{ "timers", test_timers },
	{ "cpu-affinity", test_affinity },
	{ NULL, NULL },
};
