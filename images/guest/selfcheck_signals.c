// SPDX-License-Identifier: GPL-2.0-or-later
/* Self-check: signals, and what they must not change. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "selfcheck.h"

static volatile int signals;

static __attribute__((target("sse"))) void spoil(int number)
{
	static const float junk[4] = { 1, 2, 3, 4 };

	(void)number;
	__asm__ volatile("fninit; fldpi; fldpi; movups %0, %%xmm0; movups %0, %%xmm3;"
			 "movups %0, %%xmm5; movups %0, %%xmm7" :: "m"(junk));
	signals++;
}

/* Holds values in the x87 and SSE registers while signals and another process use them. */
static __attribute__((target("sse"))) bool keeps_fpu(int seed)
{
	static uint32_t in[8][4], out[8][4];
	static uint16_t control[2] = { 0x0a7f };	/* double precision, towards +inf */
	static uint32_t mxcsr[2] = { 0x5f80 };		/* the same for SSE */
	static double x87[2], back[2];
	const uint16_t usual = 0x037f;
	const uint32_t usual_mxcsr = 0x1f80;

	mn_check_fill(in, sizeof(in), (uint32_t)seed);
	x87[0] = seed + 0.25;
	x87[1] = -seed * 3.0;
	signals = 0;
	__asm__ volatile("fldcw %[control]; ldmxcsr %[mxcsr]; fldl 0(%[x87]); fldl 8(%[x87]);"
			 "movups 0(%[in]), %%xmm0; movups 16(%[in]), %%xmm1;"
			 "movups 32(%[in]), %%xmm2; movups 48(%[in]), %%xmm3;"
			 "movups 64(%[in]), %%xmm4; movups 80(%[in]), %%xmm5;"
			 "movups 96(%[in]), %%xmm6; movups 112(%[in]), %%xmm7;"
			 "1: pause; cmpl $10, %[signals]; jl 1b"
			 :: [in] "r"(in), [x87] "r"(x87), [signals] "m"(signals),
			 [control] "m"(control[0]), [mxcsr] "m"(mxcsr[0]));
	__asm__ volatile("movups %%xmm0, 0(%[out]); movups %%xmm1, 16(%[out]);"
			 "movups %%xmm2, 32(%[out]); movups %%xmm3, 48(%[out]);"
			 "movups %%xmm4, 64(%[out]); movups %%xmm5, 80(%[out]);"
			 "movups %%xmm6, 96(%[out]); movups %%xmm7, 112(%[out]);"
			 "fstpl 8(%[back]); fstpl 0(%[back]); fnstcw %[control]; stmxcsr %[mxcsr];"
			 "fldcw %[usual]; ldmxcsr %[usual_mxcsr]"
			 : [control] "=m"(control[1]), [mxcsr] "=m"(mxcsr[1])
			 : [out] "r"(out), [back] "r"(back), [usual] "m"(usual),
			 [usual_mxcsr] "m"(usual_mxcsr)
			 : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
	return mn_check_same(out, sizeof(out), (uint32_t)seed) &&
	       !memcmp(x87, back, sizeof(x87)) && control[0] == control[1] &&
	       mxcsr[0] == mxcsr[1];
}

static void test_fpu(const struct self_check *with)
{
	const struct itimerval often = { { .tv_usec = 3000 }, { .tv_usec = 3000 } };
	const struct itimerval never = { .it_value = { 0 } };
	pid_t pids[3];

	(void)with;
	if (!(getauxval(AT_HWCAP) & 1 << 25))	/* SSE, as CPUID has it */
		mn_check_skipped(ENODEV);
	CHECK(signal(SIGALRM, spoil) != SIG_ERR);
	for (int i = 0; i < 3; i++) {
		pids[i] = mn_check_fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			bool kept = true;

			/* Not inherited, so each has its own. */
			CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
			for (int round = 0; round < 3 && kept; round++)
				kept = keeps_fpu(16 * i + round + 1);
			CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
			_exit(!kept);
		}
	}
	for (int i = 0; i < 3; i++)
		CHECK(mn_check_ended_well(pids[i]));
}

static sigjmp_buf jump;
static siginfo_t fault;
static char alternate[65536];
static volatile bool on_alternate;

static void caught(int number, siginfo_t *info, void *context)
{
	char *here = (char *)&number;

	(void)context;
	fault = *info;
	on_alternate = here >= alternate && here < alternate + sizeof(alternate);
	siglongjmp(jump, 1);
}

static bool faults(char *at, bool write, int number, int code)
{
	memset(&fault, 0, sizeof(fault));
	on_alternate = false;
	if (!sigsetjmp(jump, 1)) {
		if (write)
			*(volatile char *)at = 1;
		else
			(void)*(volatile char *)at;
		return false;
	}
	return on_alternate && fault.si_signo == number && fault.si_code == code &&
	       fault.si_addr == at;
}

static uint64_t deep(uint64_t depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	return depth ? deep(depth - 1) + (uint64_t)frame[0] : 0;
}

static void test_faults(const struct self_check *with)
{
	const stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	const struct sigaction action = { .sa_sigaction = caught,
					  .sa_flags = SA_SIGINFO | SA_ONSTACK };
	const struct rlimit little = { 262144, 262144 };
	char *map = mmap(NULL, 3 * MN_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	int file = open("/selfcheck.fault", O_RDWR | O_CREAT | O_TRUNC, 0600);

	(void)with;
	CHECK(map != MAP_FAILED && sigaltstack(&stack, NULL) == 0);
	CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0 &&
	      sigaction(SIGFPE, &action, NULL) == 0 && sigaction(SIGILL, &action, NULL) == 0);
	map[MN_PAGE] = 7;
	CHECK(mprotect(map + MN_PAGE, MN_PAGE, PROT_READ) == 0);
	CHECK(faults(map + MN_PAGE + 5, true, SIGSEGV, SEGV_ACCERR));
	CHECK(!faults(map + MN_PAGE, false, SIGSEGV, SEGV_ACCERR) && map[MN_PAGE] == 7);
	CHECK(mprotect(map + MN_PAGE, MN_PAGE, PROT_NONE) == 0);
	CHECK(faults(map + MN_PAGE, false, SIGSEGV, SEGV_ACCERR));
	CHECK(mprotect(map + MN_PAGE, MN_PAGE, PROT_READ | PROT_WRITE) == 0);
	CHECK(!faults(map + MN_PAGE + 5, true, SIGSEGV, SEGV_ACCERR) && map[MN_PAGE] == 7);
	CHECK(munmap(map + 2 * MN_PAGE, MN_PAGE) == 0);
	CHECK(faults(map + 2 * MN_PAGE, true, SIGSEGV, SEGV_MAPERR));
	CHECK(faults(NULL, false, SIGSEGV, SEGV_MAPERR));
	/* Beyond the end of a file. */
	CHECK(file >= 0 && ftruncate(file, MN_PAGE) == 0 &&
	      mmap(map, 2 * MN_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0) == map);
	CHECK(faults(map + MN_PAGE, false, SIGBUS, BUS_ADRERR));
	if (!sigsetjmp(jump, 1)) {
		__asm__ volatile("xorl %%ecx, %%ecx; xorl %%edx, %%edx; divl %%ecx"
				 ::: "eax", "ecx", "edx", "cc");
		mn_check_failed(__LINE__, 0);	/* no signal */
	}
	CHECK(fault.si_signo == SIGFPE && fault.si_code == FPE_INTDIV);
	if (!sigsetjmp(jump, 1)) {
		__asm__ volatile("ud2");
		mn_check_failed(__LINE__, 0);
	}
	CHECK(fault.si_signo == SIGILL && fault.si_code == ILL_ILLOPN);
	/* A stack that is used up: there is only the other one to tell of it. */
	CHECK(setrlimit(RLIMIT_STACK, &little) == 0);
	if (!sigsetjmp(jump, 1))
		CHECK(!deep(1 << 20));
	CHECK(fault.si_signo == SIGSEGV && on_alternate);
	unlink("/selfcheck.fault");
}

static void test_queued_signals(const struct self_check *with)
{
	sigset_t set, old;
	siginfo_t info;

	(void)with;
	sigemptyset(&set);
	for (int i = 0; i < 3; i++)
		sigaddset(&set, SIGRTMIN + i);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0 && !sigismember(&old, SIGRTMIN + 2));
	/* The lowest first, and of one number the first first. */
	for (int i = 0; i < 30; i++)
		CHECK(sigqueue(getpid(), SIGRTMIN + 2 - i / 10,
			       (union sigval){ .sival_int = i }) == 0);
	CHECK(sigpending(&old) == 0 && sigismember(&old, SIGRTMIN + 1));
	for (int i = 0; i < 30; i++) {
		CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + i / 10);
		CHECK(info.si_code == SI_QUEUE && info.si_pid == getpid() &&
		      info.si_value.sival_int == 20 - i / 10 * 10 + i % 10);
	}
	CHECK(sigpending(&old) == 0 && !sigismember(&old, SIGRTMIN + 1));
}

const struct self_test mn_signal_tests[] = {
	{ "signals-fpu", test_fpu },
	{ "signals-faults", test_faults },
	{ "signals-queued", test_queued_signals },
	{ NULL, NULL },
};
