"""Looks into the guest of a finished cell: runs it again up to one of its records."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from memnotify.errors import InputError
from memnotify.guest import snapshots
from memnotify.guest.backing import Parts, new_parts, parts_to_save
from memnotify.guest.stopped import Stopped, stop_at, window_of
from memnotify.guest.template import Template
from memnotify.guest.view import Watcher
from memnotify.model import Cell
from memnotify.process import CommandLog
from memnotify.records.compare import Comparison, compare
from memnotify.records.log import VIEWS, RecordLog, Records
from memnotify.records.parquet import read_records
from memnotify.results.cell import Finished
from memnotify.run.replay import Again
from memnotify.scenario import Scenario
from memnotify.units import NS_PER_S

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment of a finished cell: its record `number`, at `seconds` of its scenario."""

    finished: Finished
    number: int
    seconds: float

    @property
    def words(self) -> str:
        return f"record {self.number}, {self.seconds:.3f} s"


def moment(
    finished: Finished, *, number: int | None, at: float | None, before_end: bool = False
) -> Moment:
    """Return the moment of a record, or that of the first record at or after `at` seconds.

    Without either it is the last record; with `before_end`, the last one before the scenario's end,
    when its processes are ended. Raises InputError if the cell has no such record.
    """
    log = read_records(finished.records)
    numbers, times = log.records["commit"], log.records["time_ns"]
    name = finished.job.name
    if not len(numbers):
        raise InputError(f"{name} has no records")
    last = int(numbers[-1]) - 1
    asked = number is not None or at is not None
    seconds = (times.astype("i8") - log.start_ns) / NS_PER_S
    if not asked:
        number = last
    elif at is not None:
        later = (seconds >= at).nonzero()[0]
        if not len(later):
            raise InputError(f"{name} has no record after {float(seconds[-1]):.3f} s")
        number = int(numbers[later[0]]) - 1
    assert number is not None
    # If the cell is not exact, another run may get further; only the end of this one is known.
    if number > last:
        raise InputError(f"there is no record {number}: {name} has records 0 to {last}")
    end_s = finished.job.cell.scenario.duration_ns / NS_PER_S
    ended = (seconds >= end_s).nonzero()[0]
    if before_end and len(ended) and number > (last := int(numbers[ended[0]]) - 2):
        if asked:
            raise InputError(
                f"record {number} of {name} comes after the scenario's end, at {end_s:.3f} s, when "
                "its processes are ended",
                hint=f"the last one before it is record {last}",
            )
        number = last
    place = min(int(numbers.searchsorted(number + 1)), len(numbers) - 1)
    return Moment(finished=finished, number=number, seconds=float(seconds[place]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A guest at a moment. `comparison` compares its records up to there with those of the run.

    `restored` says whether it was loaded from a template, and did not boot.
    """

    guest: Stopped
    moment: Moment
    comparison: Comparison
    restored: bool


async def look(
    moment: Moment,
    again: Again,
    then: Callable[[Reached], Awaitable[T]],
    *,
    after: Callable[[T, Path], Awaitable[T]] | None = None,
    scenario: Scenario | None = None,
    still: bool = False,
) -> T:
    """Run a cell's guest again to a moment, and return what `then` returns there.

    It starts as it did in the run, from the same template. With `after`, its memories are files,
    and this returns what `after` makes of the result when QEMU has ended, while they are there, and
    of a folder for its own files. The other arguments are those of `guest.stopped.stop_at` and
    `Again.claim`. Raises what these raise.
    """
    finished = moment.finished
    job, guests = finished.job, again.guests
    recorded = read_records(finished.records)
    template: Template | None = None

    async def reached(guest: Stopped) -> T:
        log = guest.region.records()
        compared = compare(_until(recorded, moment.number), _until(log, moment.number), VIEWS)
        restored = template is not None
        there = Reached(guest=guest, moment=moment, comparison=compared, restored=restored)
        return await then(there)

    async with again.claim(job.cell, still=still):
        if finished.from_template and guests.templates is not None:
            template = await guests.templates.get(
                job.cell,
                files=job.boot_files,
                on_stage=again.on_stage,
                log=guests.log,
                boot=guests.ledger.boot,
            )
        if template is not None and template.records > moment.number:
            template = None  # the record is written before the guest is ready
        # A socket's path must be short, so it is not in the run's folder.
        with tempfile.TemporaryDirectory(prefix="memnotify-") as name:
            folder = Path(name)
            with _parts(
                job.cell, folder, template, kept=after is not None, log=guests.log
            ) as parts:
                result = await stop_at(
                    job.cell,
                    files=job.boot_files,
                    folder=folder,
                    parts=parts,
                    start=template,
                    window=window_of(job.image.file("agent"), guests.log),
                    number=moment.number,
                    then=reached,
                    scenario=scenario,
                    watcher=Watcher(on_stage=again.on_stage, on_view=again.on_view),
                    log=guests.log,
                )
                if after is None:
                    return result
                with tempfile.TemporaryDirectory(prefix="memnotify-") as other:
                    return await after(result, Path(other))


@contextmanager
def _parts(
    cell: Cell, folder: Path, start: Template | None, *, kept: bool, log: CommandLog
) -> Iterator[Parts]:
    if start is not None:
        with start.parts(cell, folder) as parts:
            yield parts
    elif kept:
        state = folder / "state.qcow2"
        snapshots.create(state, log=log)
        with parts_to_save(cell, folder, state=state.read_bytes()) as parts:
            yield parts
    else:
        with new_parts(cell, folder) as parts:
            yield parts


def _until(log: RecordLog, number: int) -> Records:
    return log.records[log.records["commit"] <= number + 1]
