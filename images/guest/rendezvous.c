// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A rendezvous: the guest stops at an instruction of its own choice, the host does
 * what header.reason asks for, and no guest time passes meanwhile.
 *
 * The instruction is a write of "panicked" to the pvpanic port, which QEMU answers
 * with a pause (-action panic=pause). header.state tells it from a real panic.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "agent.h"

#define PVPANIC_PORT 0x505
#define PVPANIC_PANICKED 1

#define barrier() __asm__ volatile("" ::: "memory")

static uint64_t spin_ticks;	/* of the TSC */
static bool can_mask;
static bool has_ports;

/* iopl(3) lets us use CLI up to Linux 5.4; from 5.5 on it is a NOP with a log line. */
static bool kernel_lets_mask(void)
{
	struct utsname name;
	char *dot;
	long major;

	if (uname(&name))
		return false;
	major = strtol(name.release, &dot, 10);
	return major < 5 || (major == 5 && *dot == '.' && strtol(dot + 1, NULL, 10) < 5);
}

void mn_rendezvous_init(void)
{
	uint64_t tick_ns = 10 * NSEC_PER_MSEC;	/* HZ=100, the longest there is */
	struct timespec tick;
	uint64_t ns, ticks;

	if (iopl(3))
		mn_fail("iopl", errno);
	has_ports = true;
	can_mask = kernel_lets_mask();

	/* The coarse clock advances once a tick. Not known to Linux before 2.6.32. */
	if (!clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
		tick_ns = (uint64_t)tick.tv_nsec;
	ns = mn_now();
	ticks = __rdtsc();
	while (mn_now() - ns < NSEC_PER_MSEC)
		;
	ticks = __rdtsc() - ticks;
	ns = mn_now() - ns;
	spin_ticks = (tick_ns + tick_ns / 2) * ticks / ns;
}

/*
 * Between the write and the stop, QEMU's virtual clock may or may not jump to the
 * next timer tick, depending on how busy the host is. Going on at a fixed TSC value
 * beyond that tick, with interrupts off where we may, makes both cases look the same.
 */
static void pause_guest(void)
{
	uint64_t until = __rdtsc() + spin_ticks;

	if (can_mask)
		__asm__ volatile("cli" ::: "memory");
	outb(PVPANIC_PANICKED, PVPANIC_PORT);
	while (__rdtsc() < until)
		;
	if (can_mask)
		__asm__ volatile("sti" ::: "memory");
}

void mn_rendezvous(enum mn_reason reason, uint32_t step, uint64_t arg)
{
	struct mn_header *header = mn_header();

	header->reason = reason;
	header->step = step;
	header->arg = arg;
	header->time_ns = mn_now();
	header->sequence++;
	barrier();
	header->state = MN_RENDEZVOUS;
	barrier();
	pause_guest();
	barrier();
	header->state = MN_RUNNING;
}

noreturn void mn_power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

noreturn void mn_fail_at(uint32_t line, const char *what, int error)
{
	struct mn_header *header = mn_header();

	dprintf(STDERR_FILENO, "memnotify: %s: errno %d, line %u\n", what, error, line);
	if (header) {
		header->failure = (uint32_t)error;
		header->failure_line = line;
		strncpy(header->failure_what, what, sizeof(header->failure_what) - 1);
		barrier();
		header->state = MN_FAILED;
		barrier();
	}
	if (has_ports)
		outb(PVPANIC_PANICKED, PVPANIC_PORT);
	mn_power_off();
}
