"""The recordings of a run's cells: made once, kept beside the results, and bound to one QEMU.

<run>/recordings/<cell id>/{events.bin,snapshots.qcow2,recording.json,records.parquet,...}
"""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from pathlib import Path
from typing import Any

from memnotify.errors import InfrastructureError, InputError
from memnotify.files import draft_folder
from memnotify.guest import qemu
from memnotify.guest.debug import DebugFiles, debug_cell, need_gdb
from memnotify.guest.recording import new_tape, why_no_tape
from memnotify.guest.session import run_cell
from memnotify.model import Cell, CellResult
from memnotify.process import CommandLog
from memnotify.records.compare import Agreement, compare
from memnotify.records.log import VIEWS
from memnotify.records.parquet import read_records
from memnotify.results.cell import Finished
from memnotify.results.folder import RECORDS, RunFolder, read_json, to_json, without_links
from memnotify.run.replay import Again, Replay, replay_into

_ABOUT = "recording.json"


def find_tape(run: RunFolder, finished: Finished) -> qemu.Tape | None:
    """Return the recording of a cell, to be replayed.

    None if there is none, or if it was made with another QEMU or another machine. Raises InputError
    if there are links among the recordings.
    """
    folder = _place(run, finished)
    without_links(folder.parent)
    if not (folder / _ABOUT).exists() or read_json(folder / _ABOUT) != _about(finished.job.cell):
        return None
    return qemu.Tape(folder, play=True)


async def record(run: RunFolder, finished: Finished, again: Again) -> Replay:
    """Run a finished cell again and keep the recording, replacing an existing one.

    It is replayed once as a check. Returns how the recorded run compares with the cell's.

    Raises InputError if such a cell cannot be recorded, and InfrastructureError if QEMU failed or
    cannot replay its recording.
    """
    job = finished.job
    if (why := why_no_tape(job.cell)) is not None:
        raise InputError(f"{job.name} cannot be recorded: {why}")
    place = _place(run, finished)
    place.parent.mkdir(exist_ok=True)
    with draft_folder(place.parent, private=True) as draft:
        made, played = draft / "recording", draft / "played"
        done = await replay_into(made, finished, _with_tape(again, made, play=False))
        await _with_tape(again, made, play=True).run(finished, played)
        first, second = (read_records(folder / RECORDS).records for folder in (made, played))
        if compare(first, second, VIEWS).agreement is not Agreement.EXACT:
            raise InfrastructureError("recording", f"{job.name}: QEMU replays a run that differs")
        (made / _ABOUT).write_text(to_json(_about(job.cell)), encoding="utf-8")
        if place.exists():
            shutil.rmtree(place)
        made.rename(place)
    return done


def _place(run: RunFolder, finished: Finished) -> Path:
    return run.path / "recordings" / finished.job.id


def _about(cell: Cell) -> dict[str, Any]:
    """Return what a tape depends on besides the cell's own digest."""
    return {"hardware": qemu.hardware_digest(cell, cell.accel)}


def _with_tape(again: Again, folder: Path, *, play: bool) -> Again:
    """Return a runner of cells that uses the tape in a folder. QEMU only records from power-on."""

    async def run(cell: Cell, *, log: CommandLog | None, **given: Any) -> CellResult:
        if play:
            tape = qemu.Tape(folder, play=True)
        else:
            tape = await asyncio.to_thread(new_tape, folder, log=log or CommandLog())
        return await run_cell(cell, **{**given, "start": tape}, log=log)

    guests = dataclasses.replace(again.guests, templates=None, runner=run)
    return dataclasses.replace(again, guests=guests)


async def debug(
    run: RunFolder,
    finished: Finished,
    again: Again,
    *,
    number: int | None,
    script: Path | None,
    vmlinux: Path | None = None,
) -> int:
    """Run gdb on a cell's guest, at record `number` if given; return gdb's exit status.

    gdb reads the symbols of `vmlinux`, which is the guest's kernel, or those of its System.map.

    The guest is replayed from the cell's recording, which is made first if necessary. A cell that
    cannot be recorded is run again instead. Raises InputError if the cell has no such record;
    otherwise, raises what `record` and `debug_cell` do.
    """
    job = finished.job
    if number is not None:
        _check_number(number, finished)
    need_gdb()
    if (why := why_no_tape(job.cell)) is not None:
        tape = None
        again.on_stage(f"no recording, so gdb cannot go backward: {why}")
    else:
        tape = find_tape(run, finished)
        if tape is None:
            again.on_stage("recording the cell")
            await record(run, finished, again)
            tape = find_tape(run, finished)
    # An interactive session may last for hours, in which others should have the cores.
    async with again.claim(job.cell, still=script is None):
        return await debug_cell(
            job.cell,
            DebugFiles(
                boot=job.boot_files,
                system_map=job.kernel.file("System.map"),
                agent=job.image.file("agent"),
                vmlinux=vmlinux,
            ),
            tape=tape,
            record=number,
            script=script,
            log=again.guests.log,
        )


def _check_number(number: int, finished: Finished) -> None:
    numbers = read_records(finished.records).records["commit"]
    # If the cell is not exact, another run may get further; only the end of this one is known.
    if not len(numbers) or number >= int(numbers[-1]):
        has = f"records 0 to {int(numbers[-1]) - 1}" if len(numbers) else "no records"
        raise InputError(f"there is no record {number}: {finished.job.name} has {has}")
