"""Checks a run's logs against the promises of their revisions: the data of `memnotify check`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from memnotify.axes import Value
from memnotify.check.exercise import needed, without_series
from memnotify.check.invariants import check
from memnotify.check.promises import (
    Answer,
    Asks,
    Gate,
    Promises,
    PromiseVerdict,
    Status,
    Wakes,
)
from memnotify.errors import InputError
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.looked import Looked
from memnotify.results.verdict import Verdict
from memnotify.series.quilt import MEM_NOTIFY, NONE, is_known, revisions
from memnotify.series.revision import Revision, load_revision
from memnotify.units import NS_PER_MS


def promises_of(revision: Revision) -> Promises:
    """Return a revision's promises in the form that the checks take."""
    device, rate, gate, status = revision.device, revision.rate, revision.gate, revision.status
    return Promises(
        device=(device.major, device.minor, device.mode),
        path=device.path,
        gate=Gate(
            factor=gate.factor,
            mark=gate.mark,
            sum=gate.of == "sum",
            strict=gate.strict,
            highmem=gate.highmem,
        ),
        asks=Asks(revision.pollin),
        status=None if revision.pollin == "gate" else Status(status.kind),
        wakes=Wakes(revision.batch.order),
        rate_ns=None if rate is None else rate.ms * NS_PER_MS,
        rate_of_cpu=rate is not None and rate.of == "cpu",
        look_ns=None if status.ms is None else status.ms * NS_PER_MS,
        guard_s=revision.guard_s if revision.guard else None,
        shares=revision.shares if revision.batch.order == "fifo" else None,
        fasync=revision.fasync is not None,
        throttled=revision.throttle is not None,
        small_zone_divisor=revision.small_zone_divisor,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result of one invariant for one cell's log.

    A cell gets a single one without an `answer` if its revision has no promises on file, or no
    longer exists. `lost_records` and `torn_records` are those of the log. `promised_by` is the
    series whose promises these are. `needs` says what would exercise a promise that was not.
    """

    cell: str
    name: str
    point: Mapping[str, Value]
    lost_records: int
    torn_records: int
    answer: Answer | None
    promised_by: str | None = None
    needs: str | None = None

    @property
    def broken(self) -> bool:
        return self.answer is not None and bool(self.answer.breaks)

    def to_json(self) -> dict[str, Any]:
        return {
            "cell": self.cell,
            "name": self.name,
            **self.point,
            "lost_records": self.lost_records,
            "torn_records": self.torn_records,
            "promised_by": self.promised_by,
            "needs": self.needs,
            **(_NOT_PROMISED if self.answer is None else _row(self.answer)),
        }


_NOT_PROMISED: Mapping[str, Any] = MappingProxyType(
    {"invariant": None, "tested": 0, "broken": 0, "verdict": None}
)


def check_run(
    run: RunFolder,
    *,
    root: Path = MEM_NOTIFY,
    against: str | None = None,
    looked: Looked | None = None,
) -> Iterator[Checked]:
    """Check each cell that has a log against each invariant of its revision.

    `looked` is what the run has, if that is known. With `against`, the promises are those of that
    revision, except for kernels without a series.
    Raises InputError if the folder is not a run's, a log cannot be read, or a revision is invalid.
    """
    checker = Checker(root=root, against=against)
    looked = looked or Looked.at(run)
    for cell_id, folder in looked.whole.items():
        verdict, file = looked.verdict(cell_id), folder / RECORDS
        if file.exists():  # else the testbed failed
            yield from checker.check(verdict, read_records(file))


class Checker:
    """Checks one log after another; it reads each revision once."""

    def __init__(self, *, root: Path = MEM_NOTIFY, against: str | None = None) -> None:
        """`against` is as for `check_run`, and so are the errors."""
        self._root, self._against = root, against
        self._promised = functools.cache(self._load)
        if against is not None and self._promised(against) is None:
            if against != NONE:
                load_revision(against, root=root)  # says so if there is none of this name
            raise InputError(
                f"--against {against}: no promises of {against} are on file",
                hint=f"those of {', '.join(_with_promises(root))} are",
            )

    def _load(self, series: str) -> Revision | None:
        there = is_known(series, root=self._root)
        return load_revision(series, root=self._root) if there else None

    def answers(self, series: str, log: RecordLog) -> Sequence[Answer]:
        """Return what a log answers to the promises of a series; none are on file for some."""
        revision = self._promised(series)
        if revision is None and series != NONE:
            return []
        return check(log, None if revision is None else promises_of(revision))

    def check(self, verdict: Verdict, log: RecordLog) -> Iterator[Checked]:
        """Check the log of a cell against each invariant of its revision."""
        series = str(verdict.point["series"])
        by = series if self._against is None or series == NONE else self._against
        revision = self._promised(by)
        checked = Checked(
            cell=verdict.id,
            name=verdict.name,
            point=verdict.point,
            lost_records=log.lost,
            torn_records=log.torn,
            answer=None,
        )
        if revision is None and series != NONE:
            yield checked
            return
        promises = None if revision is None else promises_of(revision)
        for answer in check(log, promises):
            needs = None
            if answer.verdict is PromiseVerdict.NOT_EXERCISED:
                clients = int(verdict.point["clients"])
                needs = without_series(answer.invariant)
                if promises is not None:
                    needs = needed(answer.invariant, promises, clients)
            yield dataclasses.replace(checked, answer=answer, promised_by=by, needs=needs)


def _with_promises(root: Path) -> list[str]:
    return [name for name in revisions(root) if load_revision(name, root=root) is not None]


def _row(answer: Answer) -> dict[str, Any]:
    return {
        "invariant": answer.invariant,
        "tested": answer.tested,
        "broken": len(answer.breaks),
        "verdict": answer.verdict,
        "records": sorted({index for found in answer.breaks for index in found.records}),
        "breaks": [
            {
                "records": list(found.records),
                "time_ns": found.time_ns,
                "client": found.client,
                "promised": found.promised,
                "seen": found.seen,
            }
            for found in answer.breaks
        ],
    }
