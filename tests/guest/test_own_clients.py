"""Programs of the user's own as clients of real guests: what is seen of them, and how each ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.guest.session import run_cell
from memnotify.image.build import INITRAMFS, ensure_image
from memnotify.image.client import ensure_client
from memnotify.image.program import TARGETS, zig_cc
from memnotify.model import CONSOLE, RECORDS, Arch, BootFiles, CellResult, Finding
from memnotify.process import CommandLog
from memnotify.records.clients import notified
from memnotify.records.difference import first_difference
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog, Records, take
from memnotify.records.parquet import read_records
from memnotify.scenario import ClientKind
from memnotify.store import Store

from tests.support.bases import modern

pytestmark = pytest.mark.guest

OPEN = """\
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>
"""
DEVICE = 'int fd = open("/dev/mem_notify", O_RDONLY);'
PROGRAMS = {
    "polls": OPEN + f"int main(void) {{ {DEVICE} struct pollfd p = {{ fd, POLLIN, 0 }}; char c;\n"
    'for (;;) if (poll(&p, 1, -1) == 1) printf("poll %d, read %zd\\n", p.revents, '
    "read(fd, &c, 1)); }\n",
    "selects": OPEN + f"int main(void) {{ {DEVICE} for (int i = 3; i < 40; i++)\n"
    "if (i != fd) close(i);\n"  # as a daemon does; it goes on being seen
    "for (;;) { fd_set in; FD_ZERO(&in); FD_SET(fd, &in);\n"
    'if (select(fd + 1, &in, NULL, NULL, NULL) == 1) printf("select %d\\n", '
    "!!FD_ISSET(fd, &in)); } }\n",
    "epolls": OPEN + f"int main(void) {{ {DEVICE} struct epoll_event e = {{ EPOLLIN }};\n"
    "int set = epoll_create(1); e.data.u64 = 77; epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);\n"
    'for (;;) if (epoll_wait(set, &e, 1, -1) == 1) printf("epoll %d\\n", (int)e.data.u64); }\n',
    "child": OPEN + "int main(void) { if (fork()) { wait(NULL); return 0; }\n"
    f"{DEVICE} struct pollfd p = {{ fd, POLLIN, 0 }}; poll(&p, 1, -1);\n"
    'puts("child"); return 0; }\n',
    "crashes": "int main(void) { *(volatile int *)8 = 1; return 0; }\n",
    "fails": "int main(int argc, char **argv) { return argc + argv[1][0]; }\n",
    "forks": OPEN + "int main(void) { for (int i = 0; i < 60; i++) if (!fork()) { setsid();\n"
    "if (fork()) _exit(0); for (;;) pause(); }\nwhile (wait(NULL) > 0);\n"
    'puts("forked"); for (;;) pause(); }\n',
    "fills": OPEN + 'int main(void) { for (;;) puts("Kernel panic - not syncing: said a client"); '
    "}\n",
    "looks": OPEN + f"int main(void) {{ {DEVICE} struct pollfd p = {{ fd, POLLIN, 0 }};\n"
    "for (;;) poll(&p, 1, 0); }\n",
    "bursts": OPEN + 'int main(void) { for (int i = 0; i < 400; i++) puts("at once");\n'
    'for (;;) { poll(NULL, 0, 100); puts("now and then"); } }\n',
    # Every 6 ms or so, which no timer of the kernel is needed for.
    "chats": OPEN + 'int main(void) { for (;;) { puts("a word");\n'
    'for (int i = 0; i < 1600000; i++) __asm__ volatile(""); } }\n',
    "loops": 'int main(void) { for (;;) __asm__ volatile(""); }\n',
}
HEAD = """\
name = "own"
[kernel]
base = "{base}"
arch = "{arch}"
[matrix]
series = "v4"
memory_mib = 64
machine = "pc-swap"
scenario = "mine"
[scenario.mine]
start_s = 11
duration_s = {seconds}
log_records = 20000
"""
STEP = "[[scenario.mine.step]]\nat_s = {at}\n{action}\n"
HOG = "hog = { rate_mib_s = 20, ceiling_percent = 150 }"

Find = Callable[..., Path]


@dataclass(frozen=True)
class Ended:
    folder: Path
    result: CellResult
    log: RecordLog
    console: str

    def of(self, kind: Kind, client: int) -> Records:
        rows = self.log.kind(kind)
        return take(rows, rows["client"] == client)


@dataclass(frozen=True)
class Runs:
    """Runs a guest with these clients, each a step of its own, and then with a hog."""

    folder: Path
    kernel: Find
    store: Store
    base: str
    arch: Arch

    def __call__(self, *clients: str, seconds: int, hog: bool = True) -> Ended:
        actions = [*(f"clients = {{ {words} }}" for words in clients), *([HOG] if hog else [])]
        text = HEAD.format(base=self.base, arch=self.arch, seconds=seconds)
        text += "".join(STEP.format(at=n / 10, action=action) for n, action in enumerate(actions))
        path = self.folder / "mine.toml"
        path.write_text(text)
        for name, source in PROGRAMS.items():
            (self.folder / f"{name}.c").write_text(source)
        (cell,) = plan_cells(load_campaign(path))
        image = ensure_image(self.arch, store=self.store, log=CommandLog(), programs=cell.programs)
        files = BootFiles(
            kernel=self.kernel("v4", self.arch, self.base), initramfs=image.file(INITRAMFS)
        )
        folder = self.folder / f"run{len(list(self.folder.iterdir()))}"
        result = asyncio.run(run_cell(cell, files=files, folder=folder))
        log = read_records(folder / RECORDS)
        return Ended(folder, result, log, (folder / CONSOLE).read_text(errors="replace"))


OLD = "2.6.24"


@pytest.fixture(params=["modern", f"{OLD} i386", f"{OLD} x86_64"])
def runs(request: pytest.FixtureRequest, tmp_path: Path, kernel: Find, user_store: Store) -> Runs:
    base, _, arch = str(request.param).partition(" ")
    if base == OLD and not os.environ.get("MEMNOTIFY_SOURCE_2_6_24"):
        pytest.skip("MEMNOTIFY_SOURCE_2_6_24 names no tree")
    base = modern() if base == "modern" else base
    return Runs(tmp_path, kernel, user_store, base, Arch(arch or "x86_64"))


def program(name: str, more: str = "count = 1") -> str:
    return f'program = "./{name}.c", {more}'


def test_waits_are_seen_however_a_program_waits_and_come_again_bit_for_bit(runs: Runs) -> None:
    """The binary is the same program without what sees its waits: what it prints tells."""
    binary = runs.folder / "binary"
    source = runs.folder / "prints.c"
    lines = "setvbuf(stdout, NULL, _IOLBF, 0); for (;;)"
    source.write_text(PROGRAMS["polls"].replace("for (;;)", lines))
    zig_cc(
        [*TARGETS[runs.arch], "-static", "-s", "-o", binary, source],
        store=runs.store,
        log=CommandLog(),
    )
    clients = (
        program("polls", "count = 2"),
        program("selects"),
        program("epolls"),
        program("child"),
        'program = "./binary", wakeup_line = "poll 1", count = 1',
    )
    ended = runs(*clients, seconds=9)
    assert ended.result.outcome.ok, ended.result.outcome
    woken = notified(ended.log)["client"].tolist()
    assert set(woken) == set(range(6))
    opened = ended.log.kind(Kind.CLIENT)
    kinds = dict(zip(opened["client"].tolist(), opened["client_kind"].tolist(), strict=True))
    assert kinds == {**dict.fromkeys(range(5), ClientKind.OWN), 5: ClientKind.LINES}
    for client in range(5):
        polls, wakeups = (ended.of(kind, client) for kind in (Kind.POLL, Kind.WAKEUP))
        assert 0 <= len(polls) - len(wakeups) <= 1
        assert (wakeups["since_ns"] == polls["time_ns"][: len(wakeups)]).all()
        assert (wakeups["time_ns"] > wakeups["since_ns"]).all()
    (child,) = set(ended.of(Kind.WAKEUP, 4)["pid"].tolist())
    assert child not in ended.of(Kind.PROGRAM, 4)["pid"]
    assert len(ended.of(Kind.READ, 0)) == len(ended.of(Kind.WAKEUP, 0)) > 0
    for client, line in enumerate(("poll 1, read -1",) * 2 + ("select 1", "epoll 77", "child")):
        assert f"] client {client}: {line}" in ended.console
    again = runs(*clients, seconds=9)
    assert first_difference(ended.folder / RECORDS, again.folder / RECORDS) is None


def test_each_trouble_has_a_clear_end_and_spoils_nothing_for_others(runs: Runs) -> None:
    ended = runs(
        program("crashes"),
        program("fails", 'args = ["!"], count = 1'),
        program("forks"),
        program("fills"),
        program("looks"),
        'kind = "poll", count = 3',
        seconds=3,
        hog=False,
    )
    outcome = ended.result.outcome
    assert outcome.finding is Finding.CLIENT
    assert outcome.detail == (
        "client 0 (crashes.c) was killed by SIGSEGV; client 1 (fails.c) exited with status 35"
    )
    assert len(ended.log.kind(Kind.END)) == 1
    assert (ended.log.lost, ended.log.torn) == (0, 0)
    assert ended.of(Kind.LEFT, 2)["processes"].tolist() == [61]
    assert "] client 2: forked" in ended.console
    (printed,) = ended.of(Kind.LEFT, 3)
    assert printed["written"] > printed["left_out"] > 0
    assert "client 3: [... " in ended.console
    assert len(ended.of(Kind.SAID, 3)) < 700
    assert ended.of(Kind.LEFT, 4)["unlogged"][0] > 0
    assert len(ended.of(Kind.POLL, 4)) < 2000
    assert all(len(ended.of(Kind.POLL, client)) == 1 for client in (5, 6, 7))
    stopped = ended.log.kind(Kind.EXIT)
    assert set(stopped["client"][stopped["sent_by_agent"] == 1]) == {2, 3, 4, 5, 6, 7}


def test_a_program_that_said_too_much_is_heard_again_beside_one_that_talks_on(runs: Runs) -> None:
    ended = runs(program("chats"), program("bursts"), seconds=4, hog=False)
    said = ended.of(Kind.SAID, 1)
    later = take(said, said["text"] == b"now and then")["time_ns"].astype("i8")
    assert len(later) > 25, ended.console[-2000:]
    assert 0.05e9 < np.diff(later).min() <= np.diff(later).max() < 0.5e9


def test_a_program_that_never_looks_is_stopped_and_noted(runs: Runs) -> None:
    ended = runs(program("loops", "count = 2"), seconds=1, hog=False)
    assert ended.result.outcome.ok
    assert ended.result.outcome.detail == "; ".join(
        f"client {client} (loops.c) was not seen to open the device" for client in (0, 1)
    )


def test_a_stop_kills_what_a_program_has_started(runs: Runs) -> None:
    """Children that ended their session and have another parent still belong to the user."""
    text = program("forks") + ' }\n[[scenario.mine.step]]\nat_s = 2\nstop = "clients"\n'
    text += '[[scenario.mine.step]]\nat_s = 2.5\nclients = { kind = "poll", count = 1'
    ended = runs(text, seconds=4, hog=False)
    assert ended.result.outcome.ok
    (left,) = ended.of(Kind.LEFT, 0)
    assert left["processes"] == 61
    runnable = ended.log.kind(Kind.PAGING)
    assert runnable["runnable"].max() < 20


def test_the_compiled_program_is_what_its_source_gives(runs: Runs) -> None:
    path = runs.folder / "mine.toml"
    (runs.folder / "polls.c").write_text(PROGRAMS["polls"])
    text = HEAD.format(base=runs.base, arch=runs.arch, seconds=2)
    path.write_text(text + STEP.format(at=0, action=f"clients = {{ {program('polls')} }}"))
    (client,) = load_campaign(path).programs["mine"]
    fresh = Store(runs.folder / "store")
    fresh.folder(".").joinpath("zig-cache").symlink_to(runs.store.folder("zig-cache"))
    built = [
        ensure_client(client, runs.arch, store=store, log=CommandLog())
        for store in (runs.store, fresh)
    ]
    assert built[0] == built[1]
