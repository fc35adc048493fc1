"""Writes the memory of a finished cell's guest at one of its records."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO

from memnotify.errors import InputError
from memnotify.files import refuse_special, replacing
from memnotify.guest.dump import add_note, dump_memory, vmcoreinfo
from memnotify.guest.qmp import Monitor
from memnotify.guest.symbols import read_symbols
from memnotify.model import Arch
from memnotify.records.compare import Comparison
from memnotify.results.summary import Job
from memnotify.run.looking import Moment, Reached, look
from memnotify.run.replay import Again


def refuse_unwritable(file: Path) -> None:
    """Raise InputError if a file of this name cannot be written, before the guest is run for it."""
    refuse_special(file)
    if file.is_dir():
        raise InputError("this is a folder", file=file)
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=file) from error


async def write_vmcore(moment: Moment, again: Again, file: Path) -> Comparison:
    """Run a cell's guest again to a moment, and write its memory; return how it compares there.

    A file of that name is replaced once the new one is complete. Raises InputError and
    InfrastructureError as `look` does, and OSError.
    """
    job = moment.finished.job

    with replacing(file) as draft, draft.open("w+b") as out:

        async def reached(there: Reached) -> Comparison:
            again.on_stage("dump")
            await _write(out, there.guest.monitor, job)
            return there.comparison

        return await look(moment, again, reached)


async def write_memory(job: Job, monitor: Monitor, file: Path) -> None:
    """Write the memory of a job's guest that is stopped. Raises InfrastructureError and OSError.

    A file of that name is replaced once the new one is complete.
    """
    with replacing(file) as draft, draft.open("w+b") as out:
        await _write(out, monitor, job)


async def _write(out: IO[bytes], monitor: Monitor, job: Job) -> None:
    arch = job.cell.request.arch
    await dump_memory(monitor, out, arch=arch)
    if arch is not Arch.I386:
        rows = read_symbols(job.kernel.file("System.map"))
        symbols = {name: address for address, _, name in rows}
        add_note(out, vmcoreinfo(symbols, release=str(job.kernel.facts["version"])))
