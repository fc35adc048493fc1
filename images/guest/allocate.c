// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client that makes memory short itself: one thread fills anonymous memory, at a rate or
 * step by step, round and round, and another waits for the notification and acts on it. Two
 * threads, so that the one that allocates, and reclaims, is not the one that should be waiting.
 *
 * At a rate, it catches up when it was held up. Step by step it does not: each pause is a sleep
 * from when the step was done, so that the kernel's timer, and with it HZ, decides how fast.
 *
 * Only the thread that waits may write to the log: a process has one window of it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent.h"

#define TICK_NS (5 * NSEC_PER_MSEC)

static struct {
	char *start;
	uint64_t begun;			/* CLOCK_MONOTONIC */
	uint32_t pages;			/* of the memory, and what may be held at a time */
	uint32_t kib_per_s;
	uint32_t step;			/* pages written at once, in place of a rate; 0: none */
	uint64_t pause_ns;
	uint32_t give;			/* pages to free, so long after a notification */
	uint64_t delay_ns;
	uint64_t habits;		/* enum mn_habit */
	atomic_uint filled, freed;	/* pages, since the start */
	atomic_uint finished;		/* pages of the steps that are done */
	atomic_bool stopped;
} ring;

static char *page_at(uint32_t number)
{
	return ring.start + (size_t)(number % ring.pages) * MN_PAGE;
}

static void fill_page(void)
{
	*(volatile uint32_t *)page_at(ring.filled) = ring.filled + 1;
	ring.filled++;
}

static void fill_at_rate(void)
{
	for (uint64_t tick = 1; !ring.stopped; tick++) {
		uint64_t due = tick * ring.kib_per_s / (NSEC_PER_SEC / TICK_NS) / MN_PAGE_KIB;

		mn_sleep_until(ring.begun + tick * TICK_NS);
		/* Signed: pages that were never filled may be given back, too. */
		while (!ring.stopped && ring.filled < due &&
		       (int32_t)(ring.filled - ring.freed) < (int32_t)ring.pages)
			fill_page();
		ring.finished = ring.filled;
	}
}

/* The first step is at once. What lies where it writes is written over. */
static void fill_in_steps(void)
{
	while (!ring.stopped) {
		for (uint32_t page = 0; page < ring.step && !ring.stopped; page++)
			fill_page();
		if (!ring.stopped)
			ring.finished = ring.filled;
		mn_sleep_for(ring.pause_ns);
	}
}

static void *fill(void *unused)
{
	if (ring.step)
		fill_in_steps();
	else
		fill_at_rate();
	return unused;
}

void mn_allocate(const uint64_t arg[MN_ARGS])
{
	pthread_t thread;
	int error;

	if (arg[MN_ARG_CACHE] > SIZE_MAX / 1024)
		_exit(ENOMEM);
	ring.pages = (uint32_t)(arg[MN_ARG_CACHE] / MN_PAGE_KIB);
	ring.give = (uint32_t)(arg[MN_ARG_GIVE] / MN_PAGE_KIB);
	ring.kib_per_s = (uint32_t)arg[MN_ARG_RATE];
	ring.step = (uint32_t)(arg[MN_ARG_STEP] / MN_PAGE_KIB);
	ring.pause_ns = arg[MN_ARG_PAUSE];
	ring.delay_ns = arg[MN_ARG_DELAY];
	ring.habits = arg[MN_ARG_HABITS];
	ring.begun = mn_now();
	ring.start = mmap(NULL, (size_t)ring.pages * MN_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ring.start == MAP_FAILED)
		_exit(errno);
	error = pthread_create(&thread, NULL, fill, NULL);
	if (error)
		_exit(error);
}

static void log_filled(uint32_t client)
{
	mn_log(MN_REC_HOG, client, (uint64_t)ring.filled * MN_PAGE_KIB,
	       (uint64_t)ring.pages * MN_PAGE_KIB, (uint64_t)ring.finished * MN_PAGE_KIB);
}

void mn_allocate_stop(uint32_t client)
{
	ring.stopped = true;
	log_filled(client);
	if (ring.habits & MN_HABIT_LEAVE)
		_exit(0);
}

static void free_pages(uint32_t first, uint32_t pages)
{
	if (madvise(page_at(first), (size_t)pages * MN_PAGE, MADV_DONTNEED))
		_exit(errno);
	ring.freed += pages;
}

/* The oldest that are held, in as few calls as there can be. Returns their number. */
static uint32_t give_oldest(void)
{
	uint32_t held = ring.filled - ring.freed;
	uint32_t given = ring.give < held ? ring.give : held;

	for (uint32_t left = given; left;) {
		uint32_t to_end = ring.pages - ring.freed % ring.pages;
		uint32_t run = left < to_end ? left : to_end;

		free_pages(ring.freed, run);
		left -= run;
	}
	return given;
}

/* The next that are due, whether they hold anything or not, with a call for each. */
static uint32_t give_next(void)
{
	for (uint32_t page = 0; page < ring.give; page++)
		free_pages(ring.freed, 1);
	return ring.give;
}

void mn_allocate_give(uint32_t client)
{
	uint32_t given, filled, freed;
	int error;

	log_filled(client);
	mn_sleep_for(ring.delay_ns);
	given = ring.habits & MN_HABIT_FROM_THE_START ? give_next() : give_oldest();
	filled = ring.filled;
	freed = ring.freed;
	mn_log(MN_REC_RELEASE, client, (uint64_t)given * MN_PAGE_KIB,
	       filled > freed ? (uint64_t)(filled - freed) * MN_PAGE_KIB : 0);
	error = ring.habits & MN_HABIT_MEMINFO ? mn_look(client) : 0;
	if (error)
		_exit(error);
}
