"""`run --pause-on finding`: who may ask for it, and what is asked at the terminal."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from memnotify.cli import pausing
from memnotify.cli.main import main
from memnotify.guest.gdb_relay import GdbRelay
from memnotify.guest.held import Held
from memnotify.guest.qmp import Monitor
from memnotify.model import Arch
from memnotify.report.board import QuietBoard
from memnotify.results.summary import Job
from memnotify.store import Store

from tests.support.compared_runs import made_up_log

Capture = pytest.CaptureFixture[str]

JOB = SimpleNamespace(
    name="a cell",
    kernel=None,
    cell=SimpleNamespace(request=SimpleNamespace(series="v4", arch=Arch.X86_64)),
)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make standard input a terminal, and return what types there."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r", closefd=True) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Let a guest's memory and symbols be made up; return the files that were written."""
    written: list[Path] = []

    async def write_memory(job: Job, monitor: Monitor, file: Path) -> None:
        os.truncate(os.open(file, os.O_CREAT | os.O_WRONLY), 1 << 20)
        written.append(file)

    monkeypatch.setattr(pausing, "write_memory", write_memory)
    monkeypatch.setattr(pausing, "kept_dwarf", lambda *_, **__: None)
    monkeypatch.setattr(pausing, "_symbols", lambda *_: tmp_path / "symbols")
    monkeypatch.setattr(pausing, "openers", lambda *_: ["drgn"])
    return written


class Gdb:
    """A relay that gdb is connected to for as long as these answers are true."""

    path = Path("/tmp/x/gdb")

    def __init__(self, *answers: bool) -> None:
        self._answers = list(answers)

    @property
    def is_used(self) -> bool:
        return bool(self._answers) and self._answers.pop(0)


def held(*attached: bool, ended: bool = False) -> Held:
    return Held(
        reasons=("client: client 0 was killed",),
        seconds=2.5,
        record=159,
        ended=ended,
        monitor=cast(Monitor, None),
        gdb=cast(GdbRelay, Gdb(*attached)),
    )


@pytest.mark.parametrize(
    ("said", "handed_on", "answered"),
    [
        ([b"+$qSupported:x#00", b"+$D;1#b0"], b"+$qSupported:x#00+", b"+$OK#9a"),
        ([b"$D#4", b"4"], b"", b"+$OK#9a"),
        ([b"$k#6b"], b"", b"+$OK#9a"),
        ([b"$m0,4#fd+$vKill;1#6e"], b"$m0,4#fd+", b"+$OK#9a"),
        ([b"$Dx#44", b"\x03"], b"$Dx#44\x03", b""),
    ],
)
def test_gdb_can_look_but_neither_detach_nor_kill(
    said: list[bytes], handed_on: bytes, answered: bytes, tmp_path: Path
) -> None:
    async def talk() -> tuple[bytes, bytes]:
        ours, theirs = socket.socketpair()
        with theirs:
            async with GdbRelay(tmp_path / "gdb", ours) as relay:
                reader, writer = await asyncio.open_unix_connection(relay.path)
                for part in said:
                    writer.write(part)
                    await asyncio.sleep(0.05)
                assert relay.is_used
                other, _ = await asyncio.open_unix_connection(relay.path)
                assert await other.read() == b""  # one at a time
                writer.write_eof()
                heard = await reader.read()
                assert not relay.is_used
            return theirs.recv(4096), heard

    got, heard = asyncio.run(talk())
    assert (got, heard) == (handed_on + b"\x03", answered)


def hold(*guests: Held, tmp_path: Path, **names: Any) -> None:
    async def all_of_them() -> None:
        pauses = pausing.Pauses(QuietBoard(), Store(tmp_path))
        job = cast(Job, SimpleNamespace(**{**vars(JOB), **names}))
        await asyncio.gather(*(pauses.holder_of(job).hold(guest) for guest in guests))

    asyncio.run(asyncio.wait_for(all_of_them(), 20))


def test_it_says_how_to_look_and_goes_on_at_enter(
    terminal: int, tmp_path: Path, capsys: Capture
) -> None:
    os.write(terminal, b"\n")
    hold(held(), tmp_path=tmp_path)
    err = capsys.readouterr().err.splitlines()
    assert err == [
        "a cell is stopped: at 2.500 s, 160 records",
        "  client: client 0 was killed",
        f"  gdb -q {tmp_path}/symbols -ex 'target remote /tmp/x/gdb'",
        "Its time stands still, and guests beside it run on.",
        "Enter: it goes on. dump FILE: write its memory. Ctrl-C: end the run.",
    ]


def test_a_guest_writes_its_memory_and_waits_for_gdb(
    terminal: int, tmp_path: Path, made_up: list[Path], capsys: Capture
) -> None:
    core = tmp_path / "core"
    os.write(terminal, f"dump {core}\ndump {tmp_path}\nwhat\n\n\n".encode())
    hold(held(True, False), tmp_path=tmp_path)
    err = capsys.readouterr().err
    assert made_up == [core]
    assert f"{core} has its memory (1 MiB)\n  drgn\n" in err
    assert f"{tmp_path}: this is a folder" in err
    assert err.count("Enter: it goes on.") == 2
    assert err.endswith("gdb is still connected: end it first\n")


def test_a_second_guest_waits_for_its_turn_and_no_terminal_means_go_on(
    terminal: int, tmp_path: Path, capsys: Capture
) -> None:
    os.write(terminal, b"\n\x04")  # the end of the file
    hold(held(), held(ended=True), tmp_path=tmp_path, name="\x1b[2J")
    first, second = capsys.readouterr().err.split("Ctrl-C: end the run.\n")[:2]
    assert first.startswith("\\x1b[2J is stopped")
    assert second.startswith("\\x1b[2J has ended, and stands where it ended: at 2.500 s")


def test_broken_promises_are_a_reason_to_look(tmp_path: Path) -> None:
    request = SimpleNamespace(series="none", arch=Arch.X86_64)
    job = cast(Job, SimpleNamespace(**{**vars(JOB), "cell": SimpleNamespace(request=request)}))
    holder = pausing.Pauses(QuietBoard(), Store(tmp_path)).holder_of(job)
    assert holder.more(made_up_log(3, 250)) == [
        "promise broken 3 times: silence, first at record 18: POLLIN"
    ]
    assert holder.more(made_up_log(0, 250)) == []


@pytest.mark.parametrize(
    ("more", "ci", "words"),
    [
        ((), "", "standard input and standard error must be a terminal"),
        ((), "true", "CI is set in the environment"),
        (("--json-lines",), "", "cannot be combined with --json-lines"),
        (("--plan",), "", "cannot be combined with --plan, which runs no guest"),
        (("--prepare", "kernels"), "", "cannot be combined with --prepare"),
        (("--scheduler", "tcp://127.0.0.1:1"), "", "for guests on this host"),
    ],
)
def test_it_is_refused_where_nobody_can_be_asked(
    more: tuple[str, ...],
    ci: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", ci)
    status = main(["run", "campaigns/demo.toml", "--pause-on", "finding", *more])
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert list(tmp_path.iterdir()) == []
