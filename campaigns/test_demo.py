"""What to expect of demo.toml.

pytest --memnotify campaigns/demo.toml campaigns/test_demo.py
"""

from __future__ import annotations

import pytest
from memnotify.results.frames import CellResults

GUARD_NS = 10 * 10**9  # v4: PROC_WAKEUP_GUARD
LATE_NS = 5 * 10**8  # how late a client may log its wakeup: docs/reference/invariants.md
BATCH = 100  # v4: at least this many watchers are woken at a time


@pytest.mark.cells(series="none")
def test_nobody_wakes_without_the_series(cell: CellResults) -> None:
    assert not cell.which(cell.wakeups)


@pytest.mark.cells(series="v4")
def test_the_guard_of_each_file_holds(cell: CellResults) -> None:
    since_last = cell.wakeups.groupby("client").time_ns.diff()
    assert not cell.which(since_last < GUARD_NS - LATE_NS)


@pytest.mark.cells(series="v4")
def test_as_many_wake_at_a_time_as_v4_says(cell: CellResults) -> None:
    assert cell.figures["max_batch"] == min(cell.parameters["clients"], BATCH)


@pytest.mark.cells(series="v4")
def test_v4_speaks_before_anything_is_swapped_out(cell: CellResults) -> None:
    assert cell.which(cell.wakeups)
    first = cell.wakeups.t.min()
    before = cell.samples[cell.samples.t.between(0, first)]
    assert not cell.which(before.pswpout > before.pswpout.iloc[0])


def test_the_guest_had_what_the_balloon_left_it(cell: CellResults) -> None:
    assert set(cell.balloon.phase) == {"requested", "reached"}
