// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client that makes memory short itself: one thread fills anonymous memory at a rate,
 * round and round, and another waits for the notification and acts on it. Two threads, so
 * that the one that allocates, and reclaims, is not the one that should be waiting.
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
	uint32_t give, delay_ms;	/* pages to free, so long after a notification */
	atomic_uint filled, freed;	/* pages, since the start */
	atomic_bool stopped;
} ring;

static char *page_at(uint32_t number)
{
	return ring.start + (size_t)(number % ring.pages) * MN_PAGE;
}

static void *fill(void *unused)
{
	for (uint64_t tick = 1; !ring.stopped; tick++) {
		uint64_t due = tick * ring.kib_per_s / (NSEC_PER_SEC / TICK_NS) / MN_PAGE_KIB;

		mn_sleep_until(ring.begun + tick * TICK_NS);
		while (!ring.stopped && ring.filled < due &&
		       ring.filled - ring.freed < ring.pages) {
			*(volatile uint32_t *)page_at(ring.filled) = ring.filled + 1;
			ring.filled++;
		}
	}
	return unused;
}

void mn_allocate(const uint64_t arg[6])
{
	pthread_t thread;
	int error;

	if (arg[2] > SIZE_MAX / 1024)
		_exit(ENOMEM);
	ring.pages = (uint32_t)(arg[2] / MN_PAGE_KIB);
	ring.give = (uint32_t)(arg[3] / MN_PAGE_KIB);
	ring.kib_per_s = (uint32_t)arg[5];
	ring.delay_ms = (uint32_t)(arg[5] >> 32);
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
	       (uint64_t)ring.pages * MN_PAGE_KIB);
}

void mn_allocate_stop(uint32_t client)
{
	ring.stopped = true;
	log_filled(client);
}

void mn_allocate_give(uint32_t client)
{
	uint32_t held, given, left;

	log_filled(client);
	mn_sleep_until(mn_now() + ring.delay_ms * NSEC_PER_MSEC);
	held = ring.filled - ring.freed;
	given = ring.give < held ? ring.give : held;
	for (left = given; left;) {
		uint32_t to_end = ring.pages - ring.freed % ring.pages;
		uint32_t run = left < to_end ? left : to_end;

		if (madvise(page_at(ring.freed), (size_t)run * MN_PAGE, MADV_DONTNEED))
			_exit(errno);
		ring.freed += run;
		left -= run;
	}
	mn_log(MN_REC_RELEASE, client, (uint64_t)given * MN_PAGE_KIB,
	       (uint64_t)(held - given) * MN_PAGE_KIB);
}
