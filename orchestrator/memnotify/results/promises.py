"""A run's logs against what their revisions promise: the data behind `memnotify check`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from memnotify.check.invariants import check
from memnotify.check.promises import Answer, Asks, Gate, Promises, Status, Wakes
from memnotify.check.story import Log
from memnotify.records.decode import RecordLog, Records, read_records
from memnotify.records.layout import Kind
from memnotify.report.cells import POINT
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.scenario import SUCCESSORS
from memnotify.series.quilt import MEM_NOTIFY, NONE, revisions
from memnotify.series.revision import Revision, load_revision

_MS = 1_000_000


def log_of(records: RecordLog) -> Log:
    """Return the records of a guest by kind, without clients that do not watch mem_notify."""
    clients = records.kind(Kind.CLIENT)
    others = np.isin(clients["client_kind"], list(SUCCESSORS))

    def of_watchers(kind: Kind) -> Records:
        rows = records.kind(kind)
        return rows[~np.isin(rows["client"], clients["client"][others])]

    booted, writers = records.kind(Kind.BOOT)["cpus"], records.records["cpu"]
    return Log(
        cpus=max(int(booted.max(initial=1)), int(writers.max(initial=0)) + 1),
        device=records.kind(Kind.DEVICE),
        steps=records.kind(Kind.STEP),
        clients=clients[~others],
        polls=of_watchers(Kind.POLL),
        wakeups=of_watchers(Kind.WAKEUP),
        reads=of_watchers(Kind.READ),
        exits=of_watchers(Kind.EXIT),
        samples=records.kind(Kind.MEMINFO),
        reclaim=records.kind(Kind.RECLAIM),
        paging=records.kind(Kind.PAGING),
        zones=records.kind(Kind.ZONE),
        end_ns=records.end_ns,
    )


def promises_of(revision: Revision) -> Promises:
    """Return a revision's promises as the checks take them."""
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
        rate_ns=None if rate is None else rate.ms * _MS,
        rate_of_cpu=rate is not None and rate.of == "cpu",
        look_ns=None if status.ms is None else status.ms * _MS,
        guard_s=revision.guard_s if revision.guard else None,
        shares=revision.shares if revision.batch.order == "fifo" else None,
        fasync=revision.fasync is not None,
        throttled=revision.throttle is not None,
        small_zone_divisor=revision.small_zone_divisor,
    )


def check_run(run: RunFolder, *, root: Path = MEM_NOTIFY) -> Iterator[dict[str, Any]]:
    """Yield a row for each cell with a log and each invariant of its revision.

    A cell whose revision has no promises on file, or is not there any more, has one row, with null
    in place of the invariant. `lost_records` and `torn_records` are those of the cell's log.
    Raises InputError if the folder is no run, a log cannot be read, or a revision is wrong.
    """

    @functools.cache
    def promised(series: str) -> Revision | None:
        there = series == NONE or series in revisions(root)
        return load_revision(series, root=root) if there else None

    for verdict in run.verdicts():
        file = run.cell(verdict["id"]) / RECORDS
        if not file.exists():
            continue  # the testbed failed
        revision = promised(verdict["series"])
        cell = {"cell": verdict["id"], "name": verdict["name"]}
        cell |= {axis: verdict[axis] for axis in POINT}
        records = read_records(file)
        cell |= {"lost_records": records.lost, "torn_records": records.torn}
        if revision is None and verdict["series"] != NONE:
            yield {**cell, "invariant": None, "tested": 0, "broken": 0, "verdict": None}
            continue
        log = log_of(records)
        for answer in check(log, None if revision is None else promises_of(revision)):
            yield {**cell, **_row(answer)}


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
