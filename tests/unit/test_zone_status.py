"""How the status of zones changed, from made-up samples."""

from __future__ import annotations

import numpy as np
import pytest
from memnotify.check.zone_status import ZoneStatus, gates, zone_status
from memnotify.records.layout import Kind

from tests.support.logs import log_of, rows

MS = 1_000_000
GATE = 100


def samples(*zones: tuple[list[int], list[int]]) -> ZoneStatus:
    """Return the figures of samples every 100 ms; each zone has its status and free pages."""
    made = [
        (at * 100 * MS, zone, pages, on)
        for zone, (status, free) in enumerate(zones)
        for at, (on, pages) in enumerate(zip(status, free, strict=True))
    ]
    times, numbers, free, status = np.array(sorted(made), dtype=np.int64).reshape(-1, 4).T
    names = [f"zone {number}".encode() for number in numbers]
    zone = {"free": free, "high": GATE // 2 - 5, "reserve": 5, "status": status}
    return zone_status(log_of(rows(Kind.ZONE, times, name=names, **zone)))


def test_nothing_happened() -> None:
    nothing = ZoneStatus(rises=0, stuck_s=0.0, rises_apart_ms=None)
    assert samples() == nothing
    assert samples(([0, 0], [50, 150]), ([-(2**31)] * 2, [50, 150])) == nothing


def test_a_status_that_stays_while_there_is_memory_is_stuck() -> None:
    found = samples(([0, 1, 1, 1, 1, 1, 0], [50, 50, 150, 150, 50, 150, 150]))
    assert (found.rises, found.stuck_s) == (1, 0.1)
    found = samples(([0, 1, 1, 1, 1, 1, 1], [50, 50, 150, 150, 100, 101, 150]))
    assert found.stuck_s == 0.1
    assert samples(([1, 1, 1, 1], [150, 150, 150, 150])).stuck_s == pytest.approx(0.3)


def test_rises_of_two_zones_and_not_of_one() -> None:
    low = [50] * 6
    assert samples(([0, 1, 0, 1, 0, 0], low)).rises_apart_ms is None
    both = samples(([0, 1, 0, 1, 0, 0], low), ([0, 0, 0, 0, 0, 1], low))
    assert (both.rises, both.rises_apart_ms) == (3, 200)
    assert samples(([0, 1, 1, 1, 1, 1], low), ([0, 1, 0, 0, 0, 1], low)).rises_apart_ms == 0


def test_times_are_rounded_to_what_is_said() -> None:
    times = [0, 100_456_789, 200_567_891]
    stuck = rows(Kind.ZONE, times, name=b"DMA", free=GATE, high=10, status=1)
    later = rows(Kind.ZONE, times, name=b"Normal", free=0, status=[0, 0, 1])
    sooner = rows(Kind.ZONE, times, name=b"HighMem", free=0, status=[0, 1, 1])
    found = zone_status(log_of(stuck, later, sooner))
    assert (found.stuck_s, found.rises_apart_ms) == (0.201, 100.111)


def test_a_name_that_is_no_text_has_a_gate() -> None:
    assert gates(log_of(rows(Kind.ZONE, 0, name=b"DMA\xff", high=3))) == {"DMA\ufffd": 6}
