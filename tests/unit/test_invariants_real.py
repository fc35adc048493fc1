"""The log of a real guest, 6.1 x86_64 with v4 and 200 clients, kept by v4 and broken by mutations.

It is from the cell with 200 clients of campaigns/revisions.toml: 100 are woken at 22.60 s of guest
time, the others at 26.72 s, and so on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memnotify.check.invariants import check
from memnotify.check.promises import Answer, Invariant, Verdict
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS, RecordLog, Records, indexes, ints
from memnotify.records.parquet import read_records
from memnotify.results.promises import promises_of
from memnotify.series.revision import load_revision

from tests.support.madeup import OF_V4

LOG = Path(__file__).parent / "logs/v4-6.1-x86_64-200-clients.parquet"
MS = 1_000_000
S = 1_000_000_000


@pytest.fixture
def log() -> RecordLog:
    return read_records(LOG)


def answers(log: RecordLog) -> dict[Invariant, Answer]:
    revision = load_revision("v4")
    assert revision is not None
    return {answer.invariant: answer for answer in check(log, promises_of(revision))}


def rows(records: Records, kind: Kind) -> tuple[Records, np.ndarray]:
    """Return a writable view of records as one kind, and the indexes of that kind."""
    return records.view(VIEWS[kind]), np.flatnonzero(records["kind"] == kind)


def starts(records: Records) -> list[int]:
    """Return when the batches began."""
    times = np.sort(ints(records["time_ns"][records["kind"] == Kind.WAKEUP]))
    return [int(time) for time in times[np.flatnonzero(np.diff(times, prepend=0) > 500 * MS)]]


def move(records: Records, first: int, last: int, by: int) -> None:
    """Shift the records of clients between two times."""
    times, kinds = records["time_ns"], records["kind"]
    chosen = np.isin(kinds, [Kind.WAKEUP, Kind.POLL]) & (times >= first) & (times < last)
    times[chosen] = (times[chosen].astype(np.int64) + by).astype(np.uint64)


def other_mode(records: Records) -> None:
    view, found = rows(records, Kind.DEVICE)
    view["mode"][found] = 0o666


def again_too_soon(records: Records) -> None:
    """Wake a client of the first batch again with the second."""
    view, found = rows(records, Kind.WAKEUP)
    woken = found[view["client"][found] == 0]
    view["time_ns"][woken[1]] = starts(records)[1] + 150 * MS


def two_notifications(records: Records) -> None:
    first, second, *_ = starts(records)
    move(records, second, second + S, first + 40 * MS - second)


def one_for_all(records: Records) -> None:
    first, second, *_ = starts(records)
    move(records, second, second + S, first + 5 * MS - second)


def newest_first(records: Records) -> None:
    """Swap the clients of the first two batches."""
    chosen = np.isin(records["kind"], [Kind.WAKEUP, Kind.POLL])
    chosen &= records["time_ns"] >= starts(records)[0]
    records["client"][chosen] = (records["client"][chosen] + 100) % 200


def only_some(records: Records) -> None:
    """Remove most of the first batch from the log, and everything these clients do later."""
    first = starts(records)[0]
    late = np.isin(records["kind"], [Kind.WAKEUP, Kind.POLL]) & (records["time_ns"] >= first)
    records["kind"][late & (records["client"] >= 12) & (records["client"] < 100)] = Kind.END


def plenty(records: Records) -> None:
    view, found = rows(records, Kind.ZONE)
    first = starts(records)[0]
    near = found[np.abs(view["time_ns"][found].astype(np.int64) - first) < S]
    view["free"][near], view["status"][near] = 10**6, 0


def stuck(records: Records) -> None:
    view, found = rows(records, Kind.ZONE)
    on = found[view["status"][found] == 1]
    view["free"][on[0]] = 10**6


def test_v4_keeps_every_promise_and_each_is_put_to_the_test(log: RecordLog) -> None:
    found = answers(log)
    assert {name: answer.verdict for name, answer in found.items()} == dict.fromkeys(
        OF_V4, Verdict.KEPT
    )


@pytest.mark.parametrize(
    ("mutate", "caught"),
    [
        (other_mode, {Invariant.DEVICE}),
        (again_too_soon, {Invariant.GUARD}),
        (two_notifications, {Invariant.RATE}),
        (one_for_all, {Invariant.BATCH}),
        (newest_first, {Invariant.ORDER}),
        # The skipped clients are ahead of those woken next.
        (only_some, {Invariant.BATCH, Invariant.ORDER}),
        (plenty, {Invariant.GATE, Invariant.POLLIN}),
        (stuck, {Invariant.CLEARS}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_mutation_of_the_log_is_caught(
    log: RecordLog, mutate: Callable[[Records], None], caught: set[Invariant]
) -> None:
    changed = log.records.copy()
    mutate(changed)
    found = answers(dataclasses.replace(log, records=changed))
    assert {name for name in found if found[name].verdict is Verdict.BROKEN} == caught
    for name in caught:
        records = {index for place in found[name].breaks for index in place.records}
        assert records <= set(indexes(changed).tolist())
