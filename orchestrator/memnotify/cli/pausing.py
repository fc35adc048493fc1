"""`memnotify run --pause-on`: tells how to look at a guest that is held, and when it may go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from memnotify.cli.dump import openers
from memnotify.errors import InputError, MemnotifyError
from memnotify.guest.held import Held, Holder
from memnotify.guest.symbols import write_symbols
from memnotify.kernel.dwarf import VMLINUX, kept_dwarf
from memnotify.records.log import RecordLog
from memnotify.report.board import Board
from memnotify.results.promises import Checker
from memnotify.results.summary import Job
from memnotify.run.vmcore import refuse_unwritable, write_memory
from memnotify.store import Artifact, Store
from memnotify.text import counted, message, printable

_HELP = "Enter: it goes on. dump FILE: write its memory. Ctrl-C: end the run."
_END_HELP = "Enter: the run goes on. dump FILE: write its memory. Ctrl-C: end the run."


def refuse_without_terminal(option: str) -> None:
    """Raise InputError if nobody can be asked, as this option of the command line wants."""
    why = None
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        why = "CI is set in the environment, so nobody would answer"
    elif not (sys.stdin.isatty() and sys.stderr.isatty()):
        why = "standard input and standard error must be a terminal"
    if why is not None:
        raise InputError(
            f"{option} stops guests until somebody presses Enter: {why}",
            hint="run without it, and look with memnotify gdb or dump, which run a cell again",
        )


class Pauses:
    """Asks at the terminal, for one guest at a time; others that show a finding wait, stopped."""

    def __init__(self, board: Board, store: Store) -> None:
        self._board = board
        self._store = store
        self._turn = asyncio.Lock()

    def holder_of(self, job: Job) -> Holder:
        """Return who holds the guest of a job."""
        return Holder(hold=partial(self._hold, job), more=partial(_broken, job))

    async def _hold(self, job: Job, held: Held) -> None:
        began = time.monotonic()
        async with self._turn:
            with self._board.aside(), tempfile.TemporaryDirectory(prefix="memnotify-") as folder:
                dwarf = kept_dwarf(job.kernel, store=self._store)
                for line in _told(job, held, _symbols(job, dwarf, Path(folder))):
                    _say(line)
                while (word := await _line()) and not await _done(word, job, held, dwarf):
                    pass
        self._board.held(job.name, time.monotonic() - began)


def _broken(job: Job, log: RecordLog) -> list[str]:
    """Return the broken promises of a cell's revision."""
    series = str(job.cell.request.series)
    return [
        f"promise broken {counted(len(found.breaks), 'time')}: {found.invariant}, first at record "
        f"{min(found.breaks[0].records, default=0)}: {found.breaks[0].seen}"
        for found in Checker().answers(series, log)
        if found.breaks
    ]


def _symbols(job: Job, dwarf: Artifact | None, folder: Path) -> Path:
    if dwarf is not None:
        return dwarf.file(VMLINUX)
    path = folder / "symbols"
    write_symbols(job.kernel.file("System.map"), path, arch=job.cell.request.arch)
    return path


def _told(job: Job, held: Held, symbols: Path) -> list[str]:
    where = f"at {held.seconds:.3f} s, {counted(held.record + 1, 'record')}"
    how = "has ended, and stands where it ended" if held.ended else "is stopped"
    lines = [f"{job.name} {how}: {where}", *(f"  {reason}" for reason in held.reasons)]
    if held.gdb is None:
        lines.append("  QEMU does not answer, so gdb cannot look at it")
    else:
        target = shlex.quote(f"target remote {held.gdb.path}")
        lines.append(f"  gdb -q {shlex.quote(str(symbols))} -ex {target}")
    lines.append("Its time stands still, and guests beside it run on.")
    return [*lines, _END_HELP if held.ended else _HELP]


async def _done(word: str, job: Job, held: Held, dwarf: Artifact | None) -> bool:
    """Do what a line asks for; return whether the guest may go on."""
    command, _, name = word.strip().partition(" ")
    if not command:
        if held.gdb is None or not held.gdb.is_used:
            return True
        _say("gdb is still connected: end it first")
    elif command == "dump" and name.strip():
        try:
            file = _writable(name.strip())
            await write_memory(job, held.monitor, file)
        except (MemnotifyError, OSError) as error:
            _say(message(str(error)))
            return False
        for line in _written(file, dwarf, job):
            _say(line)
    else:
        _say(_END_HELP if held.ended else _HELP)
    return False


def _writable(name: str) -> Path:
    file = Path(name).expanduser()
    refuse_unwritable(file)
    return file


def _written(file: Path, dwarf: Artifact | None, job: Job) -> list[str]:
    size = file.stat().st_size / (1 << 20)
    commands = openers(file, dwarf, job.cell.request.arch)
    return [f"{file} has its memory ({size:.0f} MiB)", *(f"  {line}" for line in commands)]


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


async def _line() -> str:
    """Return a line from the terminal with its end, or "" at the end of the file."""
    loop = asyncio.get_running_loop()
    terminal = sys.stdin.fileno()
    ready: asyncio.Future[None] = loop.create_future()

    def typed() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(terminal, typed)
    try:
        await ready
    finally:
        loop.remove_reader(terminal)
    with contextlib.suppress(OSError):  # the terminal has been closed
        return os.read(terminal, 4096).decode(errors="replace")
    return ""
