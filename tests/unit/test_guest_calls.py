"""Functions of the guest program on the host, with calls that fail as no guest makes them fail."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from memnotify.image import example
from memnotify.image.program import compile_program
from memnotify.model import Arch
from memnotify.places import IMAGES
from memnotify.process import CommandLog, Completed, run
from memnotify.records.layout import Kind
from memnotify.scenario import ClientKind
from memnotify.scenario_rules import MAX_NODES
from memnotify.store import Store

UNITS = (
    "allocate.c",
    "clients.c",
    "epoll.c",
    "files.c",
    "group.c",
    "pressure.c",
    "successors.c",
    "usage.c",
)

# Replaces the rest of the program, and the C library for calls that must fail.
REST = """\
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent.h"

static unsigned int calls;

const char *mn_device(void) { return "/dev/mem_notify"; }
uint64_t mn_now(void) { return 0; }
void mn_sleep_until(uint64_t when) { (void)when; }
void mn_sleep_for(uint64_t ns) { (void)ns; }
int mn_look(uint32_t client) { return (int)client; }
void mn_log_at(uint64_t when, enum mn_kind kind, uint32_t client, const void *value)
{
	const uint64_t *v = value;

	(void)when;
	(void)client;
	dprintf(1, "%d: %llu %lld %llu\\n", (int)kind, (unsigned long long)v[0],
		(long long)v[1], (unsigned long long)v[2]);
}
noreturn void mn_fail_at(uint32_t line, const char *what, int error)
{
	dprintf(1, "failed: %s, errno %d\\n", what, error);
	_exit(line ? 1 : 0);
}
int open(const char *path, int flags, ...) { (void)path; (void)flags; return 0; }
int setuid(uid_t id) { (void)id; return 0; }
int setgid(gid_t id) { (void)id; return 0; }
int epoll_create(int size) { return size; }
int epoll_ctl(int set, int op, int fd, struct epoll_event *wanted)
{
	return set < 0 || op != EPOLL_CTL_ADD || fd || wanted->events != EPOLLIN;
}
int mkdir(const char *path, mode_t mode)
{
	(void)path;
	(void)mode;
	errno = EROFS;
	return -1;
}
/* Of the calls that are made by hand, the one that binds memory. */
long syscall(long number, ...)
{
	uint64_t *nodes;
	va_list args;
	int mode;

	va_start(args, number);
	mode = va_arg(args, int);
	nodes = va_arg(args, uint64_t *);
	if (number == SYS_set_mempolicy)
		dprintf(1, "mode %d, nodes %#llx of %zu bits\\n", mode,
			(unsigned long long)*nodes, va_arg(args, size_t));
	va_end(args);
	errno = ENODEV;
	return -1;
}
/* Wakes once, then fails, and leaves what it has said before. */
int poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	(void)nr;
	(void)timeout;
	fds->revents = POLLIN;
	errno = EIO;
	return calls++ ? -1 : 1;
}
int epoll_wait(int set, struct epoll_event *events, int most, int timeout)
{
	(void)set;
	(void)most;
	(void)timeout;
	events->events = EPOLLIN;
	errno = EIO;
	return calls++ ? -1 : 1;
}

int main(int argc, char **argv)
{
	uint64_t arg[MN_ARGS] = { 0 };

	for (int i = 2; i < argc; i++)
		arg[i - 2] = strtoull(argv[i], NULL, 10);
	switch (argv[1][0]) {
	case 'g':
		mn_group(arg);
		return 0;
	case 'h':
		mn_hog(0, arg);
	case 'u':	/* it calls poll() once */
		calls = 1;
		/* fall through */
	default:
		mn_client(0, arg, "");
	}
}
"""

Call = Callable[..., Completed]


@pytest.fixture(scope="module", params=list(Arch))
def arch(request: pytest.FixtureRequest) -> Arch:
    return Arch(request.param)


@pytest.fixture(scope="module")
def call(arch: Arch, tmp_path_factory: pytest.TempPathFactory) -> Call:
    folder = tmp_path_factory.mktemp("calls")
    for path in (IMAGES / "guest").glob("*.h"):
        (folder / path.name).write_text(path.read_text())
    (folder / example.INCLUDED).write_text(example.usage_example(example.mail()))
    rest = folder / "rest.c"
    rest.write_text(REST)
    files = (rest, *(IMAGES / "guest" / name for name in UNITS))
    program = folder / "calls"
    compile_program(arch, files, program, store=Store(), log=CommandLog())
    return lambda *words: run([program, *map(str, words)], timeout=20, check=False)


@pytest.mark.parametrize("kind", [ClientKind.POLL, ClientKind.EPOLL])
def test_a_call_that_fails_says_nothing_of_the_device(call: Call, kind: ClientKind) -> None:
    done = call("client", kind)
    wakeups = [line for line in done.stdout.splitlines() if line.startswith(f"{Kind.WAKEUP:d}:")]
    assert wakeups == [f"{Kind.WAKEUP:d}: 1 1 0", f"{Kind.WAKEUP:d}: 0 -1 {errno.EIO}"]
    assert done.returncode == errno.EIO


def test_nor_in_the_example_of_the_patch(call: Call) -> None:
    done = call("usage", ClientKind.USAGE)
    assert f"{Kind.WAKEUP:d}: 0 -1 {errno.EIO}" in done.stdout.splitlines()
    assert done.returncode == errno.EIO


def test_a_group_that_cannot_be_made_is_a_failure_without_any_hog(call: Call) -> None:
    assert call("group", 2, 0).stdout == f"failed: control group, errno {errno.EROFS}\n"


def test_a_node_that_a_hog_cannot_be_bound_to_ends_it(call: Call) -> None:
    for node in (1, 2, MAX_NODES):
        done = call("hog", 4096, 4096, node)
        assert done.stdout == f"mode 2, nodes {1 << node - 1:#x} of 64 bits\n"  # MPOL_BIND
        assert done.returncode == errno.ENODEV


def test_a_client_that_allocates_more_than_there_are_addresses_says_so(
    call: Call, arch: Arch
) -> None:
    expected = {Arch.I386: errno.ENOMEM, Arch.X86_64: errno.EIO}  # the second comes from poll()
    for gib in (4, 5):
        kib_per_s = 0
        done = call("client", ClientKind.ALLOCATE, 1, gib << 20, 0, 0, kib_per_s)
        assert done.returncode == expected[arch]
