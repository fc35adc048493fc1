"""The log of a real guest, 6.1 x86_64 with v4 and 200 clients, kept by v4 and broken by mutations.

It is the cell with 200 clients of campaigns/revisions.toml: 100 are woken at 22.60 s of guest time,
the others at 26.72 s, and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memnotify.check.invariants import check
from memnotify.check.promises import Answer, Invariant, Verdict
from memnotify.records.decode import VIEWS, RecordLog, Records, read_records
from memnotify.records.layout import Kind
from memnotify.results.promises import log_of, promises_of
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
    return {answer.invariant: answer for answer in check(log_of(log), promises_of(revision))}


def rows(log: RecordLog, kind: Kind) -> tuple[Records, np.ndarray]:
    """Return the log as records of a kind, to write to, and which of them are."""
    return log.records.view(VIEWS[kind]), np.flatnonzero(log.records["kind"] == kind)


def starts(log: RecordLog) -> list[int]:
    """Return when the batches began."""
    times = np.sort(log.kind(Kind.WAKEUP)["time_ns"].astype(np.int64))
    return [int(time) for time in times[np.flatnonzero(np.diff(times, prepend=0) > 500 * MS)]]


def move(log: RecordLog, first: int, last: int, by: int) -> None:
    """Move what clients log between two times."""
    times, kinds = log.records["time_ns"], log.records["kind"]
    chosen = np.isin(kinds, [Kind.WAKEUP, Kind.POLL]) & (times >= first) & (times < last)
    times[chosen] = (times[chosen].astype(np.int64) + by).astype(np.uint64)


def other_mode(log: RecordLog) -> None:
    view, found = rows(log, Kind.DEVICE)
    view["mode"][found] = 0o666


def again_too_soon(log: RecordLog) -> None:
    """Wake a client of the first batch again with the second."""
    view, found = rows(log, Kind.WAKEUP)
    woken = found[view["client"][found] == 0]
    view["time_ns"][woken[1]] = starts(log)[1] + 150 * MS


def two_notifications(log: RecordLog) -> None:
    first, second, *_ = starts(log)
    move(log, second, second + S, first + 40 * MS - second)


def one_for_all(log: RecordLog) -> None:
    first, second, *_ = starts(log)
    move(log, second, second + S, first + 5 * MS - second)


def newest_first(log: RecordLog) -> None:
    """Let the clients of the first two batches change places."""
    records = log.records
    chosen = np.isin(records["kind"], [Kind.WAKEUP, Kind.POLL])
    chosen &= records["time_ns"] >= starts(log)[0]
    records["client"][chosen] = (records["client"][chosen] + 100) % 200


def only_some(log: RecordLog) -> None:
    """Take most of the first batch out of the log, and all that these clients do later."""
    first = starts(log)[0]
    records = log.records
    late = np.isin(records["kind"], [Kind.WAKEUP, Kind.POLL]) & (records["time_ns"] >= first)
    records["kind"][late & (records["client"] >= 12) & (records["client"] < 100)] = Kind.END


def plenty(log: RecordLog) -> None:
    view, found = rows(log, Kind.ZONE)
    first = starts(log)[0]
    near = found[np.abs(view["time_ns"][found].astype(np.int64) - first) < S]
    view["free"][near], view["status"][near] = 10**6, 0


def stuck(log: RecordLog) -> None:
    view, found = rows(log, Kind.ZONE)
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
        # Those who are left out are in front of those who are woken next.
        (only_some, {Invariant.BATCH, Invariant.ORDER}),
        (plenty, {Invariant.GATE, Invariant.POLLIN}),
        (stuck, {Invariant.CLEARS}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_mutation_of_the_log_is_caught(
    log: RecordLog, mutate: Callable[[RecordLog], None], caught: set[Invariant]
) -> None:
    mutate(log)
    found = answers(log)
    assert {name for name in found if found[name].verdict is Verdict.BROKEN} == caught
    for name in caught:
        records = {index for place in found[name].breaks for index in place.records}
        assert records <= set((log.records["commit"] - 1).tolist())
