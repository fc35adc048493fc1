"""The figures by which revisions are compared, from made-up guests with known answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.check.reaction import KINDS, UNITS, Reaction, gate_crossing, react
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.scenario import Op

from tests.support.logs import log_of, rows

MS = 1_000_000
S = 1_000_000_000
START = 10 * S
TIMES = START + np.arange(30, dtype=np.int64) * 100 * MS


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def at(*ms: float) -> np.ndarray:
    return START + np.array([round(value * MS) for value in ms], dtype=np.int64)


GATE = 200
FALLING = np.maximum(
    0, 400 - 30 * np.arange(30, dtype=np.int64)
)  # at the gate of 200 between 0.6 and 0.7 s
PLENTY = np.full(30, 1000, dtype=np.int64)


def guest(*free: np.ndarray, waits: tuple[int, ...] = (0, 1, 2), **changes: Any) -> RecordLog:
    """Return samples of one zone after the other, as in a log: by time, then zone."""
    free = free or (FALLING,)
    made = {
        "wakeup_ns": ints(),
        "wakeup_client": ints(),
        "sampled": TIMES,
        "wait_ns": np.full(len(waits), START),
        "runnable": 1,
        "relief_ns": ints(),
        "client_cpu_ns": 0,
        "oom_kill": 0,
        **changes,
    }
    sampled = made["sampled"]
    zones = {
        "name": np.tile([f"zone {n}".encode() for n in range(len(free))], sampled.size),
        "free": np.stack(free, axis=1).reshape(-1)[: sampled.size * len(free)],
    }
    relief = [Op.BALLOON, Op.STOP] * made["relief_ns"].size
    return log_of(
        rows(Kind.START, 0, start_ns=START),
        rows(Kind.STEP, START, op=Op.HOG),
        rows(Kind.ZONE, np.repeat(sampled, len(free)), high=GATE // 2, **zones),
        rows(Kind.RECLAIM, sampled, pswpout=np.arange(sampled.size), oom_kill=made["oom_kill"]),
        rows(Kind.PAGING, sampled, runnable=made["runnable"]),
        rows(Kind.POLL, made["wait_ns"], client=ints(*waits)),
        rows(Kind.WAKEUP, made["wakeup_ns"], client=made["wakeup_client"], revents=1, result=1),
        rows(Kind.STEP, np.repeat(made["relief_ns"], 2), op=relief),
        rows(Kind.EXIT, START + 4 * S, op=Op.CLIENTS, cpu_ns=made["client_cpu_ns"]),
        rows(Kind.EXIT, START + 4 * S, op=Op.HOG, cpu_ns=S),
    )


def figures(*free: np.ndarray, **changes: Any) -> Reaction:
    return react(guest(*free, **changes))


def test_the_kinds_that_the_figures_need_are_all_that_they_ask_for() -> None:
    asked: set[Kind] = set()

    class Asked(RecordLog):
        def kind(self, kind: Kind) -> np.ndarray:
            asked.add(kind)
            return super().kind(kind)

    log = guest(wakeup_ns=at(700, 900), wakeup_client=ints(0, 1), relief_ns=at(1500))
    react(Asked(log.records, lost=0, torn=0))
    assert asked == KINDS


def test_every_figure_has_a_unit() -> None:
    assert [field.name for field in dataclasses.fields(Reaction)] == list(UNITS)


def test_the_crossing_is_taken_from_the_line_between_two_samples() -> None:
    # 220 free pages at 0.6 s and 190 at 0.7 s: two thirds of the way.
    crossing = gate_crossing(guest())
    assert crossing == pytest.approx(START + 600 * MS + 100 * MS * 2 / 3)


def test_the_first_zone_to_cross_counts() -> None:
    sooner = FALLING - 100
    assert gate_crossing(guest(FALLING, sooner)) == gate_crossing(guest(sooner, FALLING))
    assert gate_crossing(guest(FALLING, sooner)) == pytest.approx(START + 333.3 * MS, abs=MS)


def test_nobody_knows_when_a_zone_crossed_that_was_low_from_the_first_sample_on() -> None:
    low = np.full(30, 100, dtype=np.int64)
    assert gate_crossing(guest(FALLING, low)) is None
    assert figures(FALLING, low, wakeup_ns=at(900), wakeup_client=ints(0)).gate_to_first_ms is None


def test_a_zone_crosses_when_it_has_as_many_free_pages_as_the_gate() -> None:
    at_gate = np.where(TIMES < START + 100 * MS, 400, GATE)
    assert gate_crossing(guest(at_gate)) == START + 100 * MS
    assert gate_crossing(guest(np.maximum(at_gate, GATE + 1))) is None


def test_a_zone_that_does_not_cross_hides_no_other() -> None:
    assert gate_crossing(guest(PLENTY, FALLING)) == gate_crossing(guest(FALLING))


def test_a_crossing_before_the_start_is_unknown() -> None:
    assert gate_crossing(guest(sampled=TIMES - S)) is None


def test_a_zone_that_is_low_as_it_starts_crossed_before() -> None:
    twice = np.where(TIMES == START, 0, FALLING)
    assert gate_crossing(guest(twice)) is None


def test_latencies_run_to_the_first_client_and_to_the_last_that_was_woken() -> None:
    found = figures(wakeup_ns=at(700, 900, 2000), wakeup_client=ints(0, 1, 0))
    assert found.gate_to_first_ms == pytest.approx(100 / 3)
    assert found.gate_to_last_ms == pytest.approx(900 - 2000 / 3)  # client 0 wakes again later


def test_a_wakeup_before_the_gate_has_a_negative_latency() -> None:
    assert figures(wakeup_ns=at(100), wakeup_client=ints(0)).gate_to_first_ms == pytest.approx(
        100 - 2000 / 3
    )


def test_without_pressure_there_is_neither_latency_nor_anybody_missed() -> None:
    found = figures(PLENTY, wakeup_ns=at(100), wakeup_client=ints(0))
    assert (found.gate_to_first_ms, found.gate_to_last_ms, found.missed_clients) == (None,) * 3


def test_a_herd_is_counted_by_client() -> None:
    times = at(700, 750, 800, 850, 901, 1500)
    found = figures(wakeup_ns=times, wakeup_client=ints(0, 1, 0, 2, 3, 0))
    # From 750 to 901 ms all four, 0 for the second time; the first 200 ms also have it twice.
    assert (found.herd, found.wakeups) == (4, 6)
    assert figures().herd == 0


@pytest.mark.parametrize(("later_ns", "herd"), [(200 * MS, 2), (200 * MS + 1, 1)])
def test_a_herd_wakes_within_the_interval_of_the_gate(later_ns: int, herd: int) -> None:
    times = at(700) + np.array([0, later_ns])
    assert figures(wakeup_ns=times, wakeup_client=ints(0, 1)).herd == herd


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 5)), min_size=1))
def test_a_herd_is_the_most_clients_of_any_200_ms(woken: list[tuple[int, int]]) -> None:
    times, clients = zip(*sorted(woken), strict=True)
    most = max(len({c for t, c in woken if end - 200 <= t <= end}) for end in times)
    assert figures(wakeup_ns=at(*times), wakeup_client=ints(*clients)).herd == most


def test_who_wakes_over_and_over_stays_one_of_the_herd() -> None:
    """20 clients start one second apart; from then on, each wakes every 50 ms."""
    woken = sorted((1000 * client + 50 * k, client) for client in range(20) for k in range(400))
    times, clients = zip(*woken, strict=True)
    assert figures(wakeup_ns=at(*times), wakeup_client=ints(*clients)).herd == 20


def test_batches() -> None:
    times = at(700, 701, 702, 1200, 1700, 1701)
    found = figures(wakeup_ns=times, wakeup_client=ints(0, 1, 2, 0, 1, 2))
    assert (found.batch_median, found.batch_max) == (2, 3)
    assert figures().batch_median is None


def test_over_freed_memory_is_what_comes_above_the_gate_after_the_first_wakeup() -> None:
    free = np.where(TIMES < START + 2 * S, FALLING, 200 + 256 * 3)  # 3 MiB above, from 2 s on
    woken = {"wakeup_ns": at(1990), "wakeup_client": ints(0)}
    assert figures(free, **woken).over_freed_mib == 3
    # Memory that was above before does not count, and zones are counted separately.
    assert figures(free, PLENTY, **woken).over_freed_mib == 3
    # The balloon released it, not the clients.
    assert figures(free, **woken, relief_ns=at(1995)).over_freed_mib is None
    assert figures(free, **woken, relief_ns=at(2050)).over_freed_mib == 3
    assert figures(free).over_freed_mib is None


def test_what_was_freed_up_to_the_first_wakeup_is_not_over_freed() -> None:
    free = np.where(TIMES < START + 2 * S, FALLING, 200 + 256 * 3)
    assert figures(free, wakeup_ns=at(2000), wakeup_client=ints(0)).over_freed_mib == 0
    assert figures(wakeup_ns=at(50), wakeup_client=ints(0)).over_freed_mib == 0
    # Without a sample up to the wakeup, the free memory is unknown.
    assert figures(free, wakeup_ns=at(-50), wakeup_client=ints(0)).over_freed_mib is None


@pytest.mark.parametrize("ms", [1000, 1990])
def test_a_balloon_that_moved_before_took_nothing_from_the_clients(ms: int) -> None:
    free = np.where(TIMES < START + 2 * S, FALLING, 200 + 256 * 3)
    woken = {"wakeup_ns": at(1990), "wakeup_client": ints(0)}
    assert figures(free, **woken, relief_ns=at(ms)).over_freed_mib == 3


def test_who_waits_and_is_not_woken_while_memory_is_low_is_missed() -> None:
    free = np.where(TIMES < START + S, FALLING, PLENTY)  # low from 0.7 s to 0.9 s
    assert figures(free).missed_clients == 3
    assert figures(free, wakeup_ns=at(800), wakeup_client=ints(1)).missed_clients == 2
    # Under way in the last sample that is low, and too late for it.
    assert figures(free, wakeup_ns=at(950), wakeup_client=ints(1)).missed_clients == 2
    assert figures(free, wakeup_ns=at(1050), wakeup_client=ints(1)).missed_clients == 3
    # A client that comes when it is over has missed nothing; nobody waits without a device.
    assert figures(free, wait_ns=at(0, 0, 1500)).missed_clients == 2
    assert figures(free, waits=()).missed_clients is None
    # Just in time, for the pressure and for the wakeup.
    assert figures(free, wait_ns=at(0, 0, 900)).missed_clients == 3
    assert figures(free, wakeup_ns=at(1000), wakeup_client=ints(1)).missed_clients == 2


def test_memory_that_stays_low_is_a_reason_to_be_woken_at_any_time() -> None:
    assert figures(wakeup_ns=at(9000), wakeup_client=ints(1)).missed_clients == 2


def test_memory_is_low_for_the_missed_from_the_gate_on_and_from_the_start_on() -> None:
    once = np.where(TIMES == START, GATE, PLENTY)
    assert figures(once).missed_clients == 3
    assert figures(once + (once == GATE)).missed_clients is None
    assert figures(np.where(TIMES == START, 0, PLENTY), sampled=TIMES - 1).missed_clients is None


def test_peak_runnable_and_cpu_time() -> None:
    runnable = np.where(TIMES[7] == TIMES, 42, 1)
    found = figures(runnable=runnable, client_cpu_ns=1_500_000)
    assert (found.peak_runnable, found.client_cpu_ms) == (42, 1.5)
    # A sample before the start is not part of the scenario; one at the start is.
    early = np.select([TIMES == START, TIMES == START + S], [99, 42], 1)
    assert figures(sampled=TIMES - S, runnable=early).peak_runnable == 42
    # A log from before EXIT records had it.
    assert figures().client_cpu_ms is None


def test_swapped_pages_and_kills_are_those_of_the_cell() -> None:
    found = figures(wakeup_ns=at(750), wakeup_client=ints(0), oom_kill=3)
    assert (found.swapped_before_first, found.swapped_out, found.oom_kills) == (7, 29, 3)
    nobody = figures()
    assert (nobody.swapped_before_first, nobody.oom_kills) == (None, 0)


def test_a_guest_that_never_started() -> None:
    found = figures(waits=(), sampled=ints())
    assert (found.wakeups, found.swapped_out, found.herd, found.peak_runnable) == (0, 0, 0, None)
