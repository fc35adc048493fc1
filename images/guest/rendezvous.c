// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A rendezvous: the guest stops at an instruction of its own choice, the host does
 * what header.reason asks for, and no guest time passes meanwhile.
 *
 * The instruction is a write of "panicked" to the pvpanic port, which QEMU answers
 * with a pause (-action panic=pause). header.state tells it from a real panic.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "agent.h"

#define LOCAL_APIC 0xfee00000
#define TASK_PRIORITY 0x80	/* a register of it */
#define NO_INTERRUPTS 0xff

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71
#define CMOS_REG_A 0x0a
#define CMOS_STOPPED 0x70	/* the divider is held in reset */

static uint64_t insn_ns;	/* what an instruction takes of virtual time; 0: real time */
static bool ticks_for_ever;
static uint64_t tick_ticks;	/* more than a tick of the timer, in ticks of the TSC */
static volatile uint32_t *task_priority;	/* NULL: use CLI */

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

static void map_task_priority(void)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	char *apic = mmap(NULL, MN_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, LOCAL_APIC);

	if (fd < 0 || apic == MAP_FAILED)
		mn_fail("the local APIC", errno);
	close(fd);
	task_priority = (volatile uint32_t *)(apic + TASK_PRIORITY);
}

/* No kernel reads it after boot. Running, it always has a timer pending. */
static void stop_cmos_clock(void)
{
	outb(CMOS_REG_A, CMOS_INDEX);
	outb(CMOS_STOPPED, CMOS_DATA);
}

/*
 * Until then the tick repeats by itself; from then on each one is asked for. A kernel without
 * high-resolution timers, which has to be announced, comes to that as soon, by NO_HZ alone.
 */
static void wait_for_high_resolution(void)
{
	uint64_t now = mn_now(), end = now + 10 * NSEC_PER_SEC;
	struct timespec least;
	char low[4];

	mn_parameter("mn.low_resolution", low, sizeof(low));
	if (*low) {
		mn_sleep_until(now + NSEC_PER_SEC);
		return;
	}
	while (clock_getres(CLOCK_MONOTONIC, &least) || least.tv_nsec > 1) {
		if (now >= end)
			mn_fail("no high-resolution timers", ETIME);
		now += 100 * NSEC_PER_MSEC;
		mn_sleep_until(now);
	}
}

static void measure_tick(void)
{
	uint64_t tick_ns = 10 * NSEC_PER_MSEC;	/* HZ=100, the longest there is */
	struct timespec tick;
	uint64_t ns, ticks;

	/* The coarse clock advances once a tick. Not known to Linux before 2.6.32. */
	if (!clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
		tick_ns = (uint64_t)tick.tv_nsec;
	ns = mn_now();
	ticks = __rdtsc();
	while (mn_now() - ns < NSEC_PER_MSEC)
		;
	ticks = __rdtsc() - ticks;
	ns = mn_now() - ns;
	tick_ticks = (tick_ns + tick_ns / 2) * ticks / ns;
}

void mn_rendezvous_init(void)
{
	char number[16];

	if (iopl(3))
		mn_fail("iopl", errno);
	mn_fail_pauses = true;
	mn_parameter("mn.insn_ns", number, sizeof(number));
	insn_ns = strtoull(number, NULL, 10);
	if (!insn_ns)
		return;
	if (!kernel_lets_mask())
		map_task_priority();
	stop_cmos_clock();
	ticks_for_ever = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	if (!ticks_for_ever)
		wait_for_high_resolution();
	measure_tick();
}

/* Returns what unmask() needs. */
static uint32_t mask(void)
{
	uint32_t before = 0;

	if (task_priority) {
		before = *task_priority;
		*task_priority = NO_INTERRUPTS;
	} else {
		__asm__ volatile("cli" ::: "memory");
	}
	return before;
}

static void unmask(uint32_t before)
{
	if (task_priority)
		*task_priority = before;
	else
		__asm__ volatile("sti" ::: "memory");
}

/* Any number of instructions up to SLED that do nothing, and back. */
#define SLED 64
extern const char mn_sled_end[];
__asm__(".text\n"
	"	.fill 64, 1, 0x90\n"
	"mn_sled_end: ret\n");

/* Two guests that get here at different times leave at the same one, to the instruction. */
static void go_on_at(uint64_t when)
{
	int64_t left;

	do
		left = (int64_t)(when - __rdtsc());
	while (left > (int64_t)(SLED * insn_ns));
	if (left > 0)
		((void (*)(void))(uintptr_t)(mn_sled_end - (uint64_t)left / insn_ns))();
}

/*
 * Between the write and the stop, QEMU's virtual clock may or may not jump to its next
 * timer, depending on how busy the host is. So we stop when it has none: the kernel's
 * tick has come, and waits for interrupts to be let in again before it asks for another.
 */
static void pause_in_virtual_time(void)
{
	uint32_t before = mask();
	uint64_t until = __rdtsc() + tick_ticks;

	while (__rdtsc() < until)
		;
	outb(MN_PVPANIC_PANICKED, MN_PVPANIC_PORT);
	if (ticks_for_ever)
		go_on_at(until + tick_ticks);
	unmask(before);
}

void mn_rendezvous(enum mn_reason reason, uint32_t step, uint64_t arg)
{
	struct mn_header *header = mn_header();

	header->reason = reason;
	header->step = step;
	header->arg = arg;
	header->time_ns = mn_now();
	header->sequence++;
	mn_barrier();
	header->state = MN_RENDEZVOUS;
	mn_barrier();
	if (insn_ns)
		pause_in_virtual_time();
	else
		outb(MN_PVPANIC_PANICKED, MN_PVPANIC_PORT);
	mn_barrier();
	header->state = MN_RUNNING;
}
