"""Figures from made-up logs with known answers."""

from __future__ import annotations

import itertools
import signal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.check.metrics import (
    BATCH_DISTANCE_NS,
    BATCH_PAUSE_NS,
    WakeupsEach,
    find_batches,
    measure,
    wakeups_each,
)
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog

from tests.support.logs import log_of, rows

MS = 1_000_000
S = 1_000_000_000


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


TIMES = np.arange(100, 130, dtype=np.int64) * 100 * MS


def guest(**changes: Any) -> RecordLog:
    """Return samples every 100 ms from 10 s on; below the gate of 200 pages from 10.5 s on."""
    made = {
        "start_ns": 10 * S,
        "wakeup_ns": ints(),
        "wakeup_client": ints(),
        "zone_ns": TIMES,
        "zone_free": np.where(TIMES >= 10 * S + 500 * MS, 200, 201),
        "reclaim_ns": TIMES,
        "reclaim_pswpout": np.arange(TIMES.size, dtype=np.int64) * 10 + 7,
        "reclaim_oom_kill": 0,
        "killed": 0,
        **changes,
    }
    swapped, kills = made["reclaim_pswpout"], made["reclaim_oom_kill"]
    woken = {"client": made["wakeup_client"], "revents": 1, "result": 1}
    return log_of(
        rows(Kind.START, 0, start_ns=made["start_ns"]),
        rows(
            Kind.ZONE, made["zone_ns"], name=b"DMA32", free=made["zone_free"], high=90, reserve=10
        ),
        rows(Kind.RECLAIM, made["reclaim_ns"], pswpout=swapped, oom_kill=kills),
        rows(Kind.WAKEUP, made["wakeup_ns"], **woken),
        rows(Kind.EXIT, np.full(made["killed"], 13 * S), signal=signal.SIGKILL),
    )


def test_a_guest_without_wakeups() -> None:
    figures = measure(guest())
    assert (figures.wakeups, figures.clients_woken, figures.max_batch) == (0, 0, 0)
    assert figures.first_wakeup_ms is None
    assert figures.swapped_out_before_first is None
    assert figures.swapped_out == 290
    assert figures.batches == ()


def test_first_wakeup_counts_from_the_sample_that_shows_the_gate() -> None:
    figures = measure(guest(wakeup_ns=ints(10 * S + 730 * MS), wakeup_client=ints(3)))
    assert figures.first_wakeup_ms == 230.0
    # The sample before the wakeup, at 10.7 s, minus the one at the start.
    assert figures.swapped_out_before_first == 70


def test_a_wakeup_just_before_the_sample_that_shows_the_gate_is_zero() -> None:
    figures = measure(guest(wakeup_ns=ints(10 * S + 450 * MS), wakeup_client=ints(0)))
    assert figures.first_wakeup_ms == 0.0


def test_a_wakeup_long_before_the_gate_has_no_such_time() -> None:
    figures = measure(guest(wakeup_ns=ints(10 * S + 150 * MS), wakeup_client=ints(0)))
    assert figures.first_wakeup_ms is None


def test_a_crossing_before_the_start_does_not_count() -> None:
    early = guest(
        zone_ns=TIMES - 5 * S,
        zone_free=0,
        wakeup_ns=ints(14 * S),
        wakeup_client=ints(0),
    )
    assert measure(early).first_wakeup_ms is None


def test_batches_of_a_guarded_herd() -> None:
    start = 11 * S
    first = start + np.arange(100, dtype=np.int64) * MS // 10
    times = np.concatenate([first, first + 200 * MS, first + 10 * S])
    clients = np.concatenate([np.arange(100), np.arange(100, 200), np.arange(100)])
    figures = measure(guest(wakeup_ns=times, wakeup_client=clients))
    assert [batch.wakeups for batch in figures.batches] == [100, 100, 100]
    assert [batch.after_ms for batch in figures.batches] == [None, 200.0, 9800.0]
    assert figures.batches[0].at_s == 1.0
    assert figures.batches[0].spread_ms == 9.9
    assert (figures.wakeups, figures.clients_woken, figures.max_batch) == (300, 200, 100)


def test_oom_kills_from_the_counter_or_from_lost_children() -> None:
    counter = np.zeros(30, dtype=np.int64)
    counter[20:] = 2
    assert measure(guest(reclaim_oom_kill=counter, killed=1)).oom_kills == 2
    assert measure(guest(killed=3)).oom_kills == 3


def test_an_empty_log() -> None:
    empty = dict.fromkeys(("zone_ns", "zone_free", "reclaim_ns", "reclaim_pswpout"), ints())
    assert measure(guest(**empty)).swapped_out == 0
    woken = measure(guest(**empty, wakeup_ns=ints(S), wakeup_client=ints(0)))
    assert (woken.wakeups, woken.first_wakeup_ms, woken.swapped_out_before_first) == (1, None, 0)


def test_a_batch_that_lost_the_cpu_is_one() -> None:
    late = S + 100 * MS
    times = np.concatenate([np.full(90, S), np.full(10, late), np.full(7, late + 101 * MS)])
    batches = find_batches(times, np.arange(107), 0)
    assert [(batch.wakeups, batch.after_ms) for batch in batches] == [(100, None), (7, 201.0)]
    assert batches[0].spread_ms == 100.0


def test_the_figures_of_a_batch_are_rounded() -> None:
    first = 5_000_123_456_789
    times = ints(*(first + at * MS for at in range(0, 1080, 90)), first + 1_080_000_457)
    times = np.append(times, first + 2_000_000_457)
    one, two = find_batches(times, ints(*range(4), *range(4), *range(5), 9), 0)
    assert (one.at_s, one.spread_ms, one.clients) == (5000.123457, 1080.0, 5)
    assert (two.after_ms, two.clients) == (2000.0, 1)


def test_the_first_wakeup_is_rounded_to_a_microsecond() -> None:
    woken = ints(10 * S + 730_456_700)
    assert measure(guest(wakeup_ns=woken, wakeup_client=ints(3))).first_wakeup_ms == 230.457


def test_a_sample_at_the_moment_of_the_wakeup_is_the_last_that_counts() -> None:
    woken = guest(wakeup_ns=ints(10 * S + 400 * MS), wakeup_client=ints(0))
    assert measure(woken).first_wakeup_ms is None


def test_a_sample_at_the_start_counts() -> None:
    low = guest(zone_free=0, wakeup_ns=ints(10 * S + 350 * MS), wakeup_client=ints(0))
    assert measure(low).first_wakeup_ms == 350.0


@pytest.mark.parametrize(
    ("at_ms", "sizes"),
    [
        ((0, 95, 195), [3]),  # 100 ms is not a pause
        ((0, 95, 195.000001), [2, 1]),
        ((0, 190), [1, 1]),  # one that starts 190 ms after the first is another
        ((0, 189.999999), [2]),
    ],
)
def test_where_a_batch_ends(at_ms: tuple[float, ...], sizes: list[int]) -> None:
    times = ints(*(S + round(at * MS) for at in at_ms))
    assert [batch.wakeups for batch in find_batches(times, np.zeros_like(times), 0)] == sizes


@given(st.lists(st.integers(0, 6 * S), max_size=60))
def test_batches_hold_all_wakeups_and_pauses_part_them(values: list[int]) -> None:
    times = np.sort(np.array(values, dtype=np.int64))
    batches = find_batches(times, np.zeros_like(times), 0)
    assert sum(batch.wakeups for batch in batches) == times.size
    for one, two in itertools.pairwise(batches):
        assert two.after_ms is not None
        assert two.after_ms - one.spread_ms > BATCH_PAUSE_NS / MS - 0.01


def test_what_one_notification_woke_late_is_no_batch_of_its_own() -> None:
    # Seen in a guest that was reclaiming: 17 clients, a pause of 120 ms, then the other 83.
    times = np.concatenate([np.full(17, 0), np.full(83, 120 * MS), np.full(5, 330 * MS)])
    batches = find_batches(times, np.arange(times.size), 0)
    assert [(batch.wakeups, batch.after_ms) for batch in batches] == [(100, None), (5, 330.0)]


def test_batches_begin_just_there() -> None:
    """After a pause longer than BATCH_PAUSE_NS, and BATCH_DISTANCE_NS after the previous batch."""
    for times, sizes in (
        ([0, BATCH_DISTANCE_NS - 1], [2]),
        ([0, BATCH_DISTANCE_NS], [1, 1]),
        ([0, 100 * MS, 100 * MS + BATCH_PAUSE_NS], [3]),
        ([0, 100 * MS, 101 * MS + BATCH_PAUSE_NS], [2, 1]),
    ):
        batches = find_batches(ints(*times), ints(*range(len(times))), 0)
        assert [batch.wakeups for batch in batches] == sizes


def test_a_counter_is_what_the_sample_at_that_very_time_says() -> None:
    figures = measure(guest(wakeup_ns=ints(10 * S + 700 * MS), wakeup_client=ints(3)))
    assert figures.swapped_out_before_first == 70
    assert figures.first_wakeup_ms == 200.0
    at_start = measure(guest(wakeup_ns=ints(10 * S), wakeup_client=ints(3), start_ns=10 * S))
    assert at_start.swapped_out_before_first == 0


@pytest.mark.parametrize(
    ("woken", "clients", "least", "most", "nearest_ms"),
    [
        ([], 2, 0, 0, None),
        ([1, 1, 1], 2, 0, 3, 100),
        ([0, 1, 1], 2, 1, 2, 100),
        ([0, 1, 2, 0, 1], 3, 1, 2, 300),
        ([5], 1, 1, 1, None),
        ([5], 0, 0, 1, None),
        ([0, 1, 2] * 50, 3, 50, 50, 300),  # so many that a sort may mix up those of one client
    ],
)
def test_how_often_each_client_was_woken(
    woken: list[int], clients: int, least: int, most: int, nearest_ms: float | None
) -> None:
    times = np.arange(len(woken), dtype=np.int64) * 100 * MS
    log = log_of(rows(Kind.WAKEUP, times, client=woken, revents=1, result=1))
    each = wakeups_each(log, clients)
    assert each == WakeupsEach(least=least, most=most, nearest_ms=nearest_ms)


def test_the_time_between_two_wakeups_of_a_client_is_rounded_to_a_microsecond() -> None:
    log = log_of(rows(Kind.WAKEUP, [0, 100_001_457], client=3, revents=1, result=1))
    assert wakeups_each(log, 1).nearest_ms == 100.001
