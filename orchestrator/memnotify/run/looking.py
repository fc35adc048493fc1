"""Looks into the guest of a finished cell: runs it again up to one of its records."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from memnotify.errors import InputError
from memnotify.guest.backing import Parts, new_parts
from memnotify.guest.stopped import Stopped, stop_at, window_of
from memnotify.guest.template import Template
from memnotify.guest.view import Watcher
from memnotify.model import Cell
from memnotify.records.compare import Comparison, compare
from memnotify.records.log import VIEWS, RecordLog, Records
from memnotify.records.parquet import read_records
from memnotify.results.cell import Finished
from memnotify.run.replay import Again
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


def moment(finished: Finished, *, number: int | None, at: float | None) -> Moment:
    """Return the moment of a record, or that of the first record at or after `at` seconds.

    Without either it is the last record. Raises InputError if the cell has no such record.
    """
    log = read_records(finished.records)
    numbers, times = log.records["commit"], log.records["time_ns"]
    name = finished.job.name
    if not len(numbers):
        raise InputError(f"{name} has no records")
    last = int(numbers[-1]) - 1
    seconds = (times.astype("i8") - log.start_ns) / NS_PER_S
    if number is None and at is None:
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
    place = min(int(numbers.searchsorted(number + 1)), len(numbers) - 1)
    return Moment(finished=finished, number=number, seconds=float(seconds[place]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A guest at a moment. `comparison` compares its records up to there with those of the run."""

    guest: Stopped
    moment: Moment
    comparison: Comparison


async def look(
    moment: Moment,
    again: Again,
    then: Callable[[Reached], Awaitable[T]],
) -> T:
    """Run a cell's guest again to a moment, and return what `then` returns there.

    It starts as it did in the run, from the same template. Raises what `guest.stopped.stop_at` and
    `Again.claim` raise.
    """
    finished = moment.finished
    job, guests = finished.job, again.guests
    recorded = read_records(finished.records)

    async def reached(guest: Stopped) -> T:
        log = guest.region.records()
        compared = compare(_until(recorded, moment.number), _until(log, moment.number), VIEWS)
        return await then(Reached(guest=guest, moment=moment, comparison=compared))

    async with again.claim(job.cell):
        template: Template | None = None
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
            with _parts(job.cell, folder, template) as parts:
                return await stop_at(
                    job.cell,
                    files=job.boot_files,
                    folder=folder,
                    parts=parts,
                    start=template,
                    window=window_of(job.image.file("agent"), guests.log),
                    number=moment.number,
                    then=reached,
                    watcher=Watcher(on_stage=again.on_stage, on_view=again.on_view),
                    log=guests.log,
                )


def _parts(cell: Cell, folder: Path, start: Template | None) -> AbstractContextManager[Parts]:
    return new_parts(cell, folder) if start is None else start.parts(cell, folder)


def _until(log: RecordLog, number: int) -> Records:
    return log.records[log.records["commit"] <= number + 1]
