// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a system call must leave alone: all registers but the result (and, on x86-64,
 * rcx and r11). On i386 the arguments of a system call are the saved registers
 * themselves, and a compiler that takes their place for its own changes the caller's.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selfcheck.h"

/* Number and arguments; on x86-64 also rbx, rbp and r12 to r15. What comes back: the same. */
#ifdef __i386__
#define REGISTERS 7
#else
#define REGISTERS 13
#endif
void mn_trap(const long before[REGISTERS], long after[REGISTERS]);

#ifdef __i386__
__asm__(".text; .globl mn_trap; mn_trap:"
	"push %ebx; push %esi; push %edi; push %ebp;"
	"mov 20(%esp), %eax;"
	"mov 4(%eax), %ebx; mov 8(%eax), %ecx; mov 12(%eax), %edx;"
	"mov 16(%eax), %esi; mov 20(%eax), %edi; mov 24(%eax), %ebp;"
	"mov (%eax), %eax; int $0x80;"
	"push %eax; mov 28(%esp), %eax;"
	"mov %ebx, 4(%eax); mov %ecx, 8(%eax); mov %edx, 12(%eax);"
	"mov %esi, 16(%eax); mov %edi, 20(%eax); mov %ebp, 24(%eax);"
	"pop %ecx; mov %ecx, (%eax);"
	"pop %ebp; pop %edi; pop %esi; pop %ebx; ret");
#else
__asm__(".text; .globl mn_trap; mn_trap:"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi;"
	"mov %rdi, %rax;"
	"mov 8(%rax), %rdi; mov 16(%rax), %rsi; mov 24(%rax), %rdx;"
	"mov 32(%rax), %r10; mov 40(%rax), %r8; mov 48(%rax), %r9;"
	"mov 56(%rax), %rbx; mov 64(%rax), %rbp; mov 72(%rax), %r12;"
	"mov 80(%rax), %r13; mov 88(%rax), %r14; mov 96(%rax), %r15;"
	"mov (%rax), %rax; syscall;"
	"mov (%rsp), %rcx; mov %rax, (%rcx);"
	"mov %rdi, 8(%rcx); mov %rsi, 16(%rcx); mov %rdx, 24(%rcx);"
	"mov %r10, 32(%rcx); mov %r8, 40(%rcx); mov %r9, 48(%rcx);"
	"mov %rbx, 56(%rcx); mov %rbp, 64(%rcx); mov %r12, 72(%rcx);"
	"mov %r13, 80(%rcx); mov %r14, 88(%rcx); mov %r15, 96(%rcx);"
	"pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret");
#endif

struct call {
	uint32_t line;
	long before[REGISTERS];
};

#define CALL(...) { __LINE__, { __VA_ARGS__ } }
#define P(pointer) ((long)(pointer))

/* Returns what the call returned; `line` is blamed for a register that has changed. */
static long trap(const struct call *call)
{
	long before[REGISTERS], after[REGISTERS];

	for (int i = 0; i < REGISTERS; i++)
		before[i] = i < 7 ? call->before[i] : 0x5afe0000 + i;
	mn_trap(before, after);
	for (int i = 1; i < REGISTERS; i++)
		if (after[i] != before[i])
			mn_check_failed(call->line, 0);
	return after[0];
}

/*
 * Every call with four arguments and more that there has been since 2.6.24, where it can
 * succeed without harm, and some with fewer. Not on i386: what 2.6.24 is written to change,
 * whatever the compiler (patches/toolchain/2.6.24/README.md, "Registers"). What a call
 * returns is other tests' business, and some a kernel may not have.
 */
static void test_registers(const struct self_check *with)
{
	static char bytes[MN_PAGE] __attribute__((aligned(MN_PAGE)));
	static long zeros[16], sigset[16], out[64];
	static uint32_t word;
	struct pollfd ready = { .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };
	struct { void *base; size_t length; } vector = { bytes, 64 };
	char path[] = "/selfcheck.calls";
	int pipes[2], file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int epoll = epoll_create(1);

	(void)with;
	CHECK(file >= 0 && epoll >= 0 && pipe(pipes) == 0);
	ready.fd = pipes[0];
	CHECK(write(pipes[1], bytes, 16) == 16 && write(file, bytes, MN_PAGE) == MN_PAGE);

	const struct call calls[] = {
		CALL(SYS_read, file, P(bytes), 64),
		CALL(SYS_write, file, P(bytes), 64),
		CALL(SYS_readv, file, P(&vector), 1),
		CALL(SYS_sendfile, pipes[1], file, 0, 64),
		CALL(SYS_splice, pipes[0], 0, file, 0, 16, 2),
		CALL(SYS_tee, pipes[0], pipes[1], 16, 2),
		CALL(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, pipes[0], P(&event)),
		CALL(SYS_epoll_wait, epoll, P(&event), 1, 0),
		CALL(SYS_epoll_pwait, epoll, P(&event), 1, 0, P(sigset), 8),
		CALL(SYS_epoll_pwait, epoll, P(&event), 1, 0, P(sigset), 9),
		CALL(SYS_poll, P(&ready), 1, 0),
		CALL(SYS_ppoll, P(&ready), 1, P(zeros), P(sigset), 8),
		CALL(SYS_pselect6, 1, P(out), 0, 0, P(zeros), 0),
		CALL(SYS_futex, P(&word), FUTEX_WAKE, 1, 0, P(&word), 0),
		CALL(SYS_futex, P(&word), FUTEX_WAIT, 1, P(zeros), P(&word), 1),
		CALL(SYS_futex, P(&word), FUTEX_CMP_REQUEUE, 1, 1, P(out), 0),
		CALL(SYS_futex, P(&word), FUTEX_WAKE_OP, 1, 1, P(out), 0),
		CALL(SYS_mremap, P(bytes), MN_PAGE, MN_PAGE, 0, 0),
		CALL(SYS_remap_file_pages, P(bytes), MN_PAGE, 0, 0, 0),
		CALL(SYS_mprotect, P(bytes), MN_PAGE, PROT_READ | PROT_WRITE),
		CALL(SYS_madvise, P(bytes), MN_PAGE, MADV_NORMAL),
		CALL(SYS_msync, P(bytes), MN_PAGE, MS_ASYNC),
		CALL(SYS_prctl, PR_GET_PDEATHSIG, P(&word), 0, 0, 0),
		CALL(SYS_wait4, -1, 0, WNOHANG, P(out)),
		CALL(SYS_waitid, P_ALL, 0, P(out), WEXITED | WNOHANG, 0),
		CALL(SYS_rt_sigaction, SIGUSR1, 0, P(out), 8),
		CALL(SYS_rt_sigprocmask, SIG_BLOCK, P(sigset), P(out), 8),
		CALL(SYS_rt_sigtimedwait, P(sigset), P(out), P(zeros), 8),
		CALL(SYS_rt_sigqueueinfo, 0, 0, P(out)),
		CALL(SYS_setitimer, ITIMER_REAL, P(zeros), P(out)),
		CALL(SYS_openat, AT_FDCWD, P(path), O_RDONLY, 0),
		CALL(SYS_linkat, AT_FDCWD, P(path), AT_FDCWD, P("/selfcheck.link"), 0),
		CALL(SYS_renameat, AT_FDCWD, P("/selfcheck.link"), AT_FDCWD, P(path)),
		CALL(SYS_fchownat, AT_FDCWD, P(path), 0, 0, 0),
		CALL(SYS_utimensat, AT_FDCWD, P(path), 0, 0),
		CALL(SYS_readlinkat, AT_FDCWD, P(path), P(out), 64),
		CALL(SYS_setxattr, P(path), P("user.x"), P(bytes), 4, 0),
		CALL(SYS_getxattr, P(path), P("user.x"), P(bytes), 4),
		CALL(SYS_mount, 0, 0, 0, 0, 0),
		CALL(SYS_ptrace, -1, 0, 0, 0),
		CALL(SYS_reboot, 0, 0, 0, 0),
		CALL(SYS_sched_getaffinity, 0, sizeof(out), P(out)),
		CALL(SYS_mbind, 0, 0, 0, 0, 0, 0),
		CALL(SYS_get_mempolicy, P(&word), P(out), 0, 0, 0),
		CALL(SYS_move_pages, 0, 0, 0, 0, 0, 0),
		CALL(SYS_kexec_load, 0, 1, 0, 0),
		CALL(SYS_add_key, 0, 0, 0, 0, 0),
		CALL(SYS_keyctl, -1, 0, 0, 0, 0),
		CALL(SYS_quotactl, -1, 0, 0, 0),
#ifdef __i386__
		CALL(SYS_mmap2, 0, MN_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		CALL(SYS_mmap2, 0, MN_PAGE, PROT_READ, MAP_PRIVATE, file, 0),
		CALL(SYS_mmap2, 0, MN_PAGE, PROT_READ, MAP_PRIVATE, -1, 0),
		CALL(SYS__newselect, 1, P(out), 0, 0, P(zeros)),
		CALL(SYS__llseek, file, 1, 2, P(out), SEEK_SET),
		CALL(SYS_fadvise64, file, 0, 0, 4096, 0),
		CALL(SYS_fadvise64_64, file, 0, 0, 4096, 0, 0),
		CALL(SYS_readahead, file, 0, 0, 4096),
		CALL(SYS_fallocate, file, 0, 0, 0, 4096, 0),
		CALL(SYS_clock_nanosleep_time32, CLOCK_MONOTONIC, 0, P(zeros), 0),
		CALL(SYS_ipc, 2, 0, 1, 0600, 0, 0),
		CALL(SYS_ipc, 1, -1, 1, 0, P(out), 0),
		CALL(SYS_ipc, 4, -1, 1, 0, P(out), P(zeros)),
		CALL(SYS_ipc, 11, -1, 4, 0, P(out), 0),
		CALL(SYS_ipc, 12, -1, 4, 0, P(out), 0),
		CALL(SYS_ipc, 21, -1, 0, P(out), 0, 0),
		CALL(SYS_ipc, 23, 0, 4096, 0600, 0, 0),
#else
		CALL(SYS_mmap, 0, MN_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		CALL(SYS_mmap, 0, MN_PAGE, PROT_READ, MAP_PRIVATE, file, 0),
		CALL(SYS_select, 1, P(out), 0, 0, P(zeros)),
		CALL(SYS_pread64, file, P(bytes), 64, 1),
		CALL(SYS_pwrite64, file, P(bytes), 64, 1),
		CALL(SYS_lseek, file, 4096, SEEK_SET),
		CALL(SYS_fadvise64, file, 0, 4096, 0),
		CALL(SYS_readahead, file, 0, 4096),
		CALL(SYS_vmsplice, pipes[1], P(&vector), 1, 2),
		CALL(SYS_sync_file_range, file, 0, 4096, 0),
		CALL(SYS_mincore, P(bytes), MN_PAGE, P(out)),
		CALL(SYS_mknodat, AT_FDCWD, P("/selfcheck.node"), 0600, 0),
		CALL(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, P(zeros), 0),
		CALL(SYS_semtimedop, -1, P(out), 1, P(zeros)),
		CALL(SYS_msgsnd, -1, P(out), 4, 0),
		CALL(SYS_msgrcv, -1, P(out), 4, 0, 0),
		CALL(SYS_io_getevents, 0, 0, 0, 0, 0),
#endif
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		trap(&calls[i]);
	unlink(path);
}

static void test_registers_fork(const struct self_check *with)
{
	(void)with;
	for (int i = 0; i < 100; i++) {
		const struct call call = CALL(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		long pid = trap(&call);

		if (pid == 0)
			_exit(0);
		CHECK(pid > 0 && mn_check_ended_well((pid_t)pid));
	}
}

static int restarted[2];

static void feed_pipe(int number)
{
	(void)number;
	if (write(restarted[1], "x", 1) != 1)
		_exit(2);
}

/* A call that a signal interrupts is begun again with the registers that it had. */
static void test_registers_restart(const struct self_check *with)
{
	const struct sigaction again = { .sa_handler = feed_pipe, .sa_flags = SA_RESTART };
	const struct itimerval soon = { .it_value = { .tv_usec = 5000 } };
	char got = 0;

	(void)with;
	CHECK(pipe(restarted) == 0 && sigaction(SIGALRM, &again, NULL) == 0);
	for (int i = 0; i < 20; i++) {
		const struct call call = CALL(SYS_read, restarted[0], P(&got), 1);

		CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
		CHECK(trap(&call) == 1 && got == 'x');
		got = 0;
	}
}

const struct self_test mn_calls_tests[] = {
	{ "registers", test_registers },
	{ "registers-fork", test_registers_fork },
	{ "registers-restart", test_registers_restart },
	{ NULL, NULL },
};
