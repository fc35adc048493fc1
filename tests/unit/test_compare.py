"""Logs that differ in known places."""

from __future__ import annotations

import numpy as np
import pytest
from memnotify.records import layout
from memnotify.records.compare import Agreement, Comparison, Difference, compare
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS

COUNT = 100


def log() -> np.ndarray:
    records = np.zeros(COUNT, layout.RECORD)
    records["commit"] = np.arange(1, COUNT + 1)
    records["kind"] = np.resize(list(Kind), COUNT)
    records["time_ns"] = np.arange(COUNT) * 1000
    records["value"] = np.arange(COUNT * 5).reshape(COUNT, 5)
    return records


def at(kind: Kind, *, after: int = 0) -> int:
    """Return the index of a record of that kind."""
    return int(np.flatnonzero(log()["kind"][after:] == kind)[0]) + after


def against(changed: np.ndarray) -> Comparison:
    return compare(log(), changed, VIEWS)


def test_the_same_log() -> None:
    found = against(log())
    assert found == Comparison(records=(COUNT, COUNT))
    assert found.agreement is Agreement.EXACT


def test_no_log_at_all() -> None:
    assert compare(log()[:0], log()[:0], VIEWS).agreement is Agreement.EXACT


@pytest.mark.parametrize("by", [1, 700])
def test_times_may_differ_either_way_also_those_within_a_record(by: int) -> None:
    second = log()
    late, poll = at(Kind.MEMINFO, after=40), at(Kind.WAKEUP, after=60)
    second["time_ns"][late] -= np.uint64(by)
    second["value"][poll][layout.VALUE_NAMES[Kind.WAKEUP].index("since_ns")] += np.uint64(by - 1)
    found = against(second)
    assert found.agreement is Agreement.TIMES
    assert (found.late, found.differing, found.greatest_ns) == (1 + (by > 1), 0, by)
    kind = int(Kind.MEMINFO)
    time = late * 1000
    assert found.first == Difference(
        index=late, kinds=(kind, kind), fields=(("time_ns", time, time - by),)
    )
    assert found.first_differing is None


def test_a_great_difference_of_times_is_exact() -> None:
    by = 2**53 + 1  # not representable as a float64
    second = log()
    second["time_ns"][at(Kind.MEMINFO, after=40)] += np.uint64(by)
    assert against(second).greatest_ns == by


def test_a_negative_time_is_near_to_zero() -> None:
    first, second = log(), log()
    place = at(Kind.STEP), layout.VALUE_NAMES[Kind.STEP].index("late_ns")
    first["value"][place], second["value"][place] = 3, 2**64 - 4
    assert compare(first, second, VIEWS).greatest_ns == 7


def test_a_field_that_differs_ends_the_comparison_of_times() -> None:
    second = log()
    zone = at(Kind.ZONE)
    second["time_ns"][:5] += np.uint64(2)
    second["time_ns"][zone:] += np.uint64(9_000_000)
    second[zone : zone + 1].view(VIEWS[Kind.ZONE])["free"] = 77
    found = against(second)
    assert found.agreement is Agreement.DIFFERS
    assert (found.differing, found.late) == (1, 5 + COUNT - zone - 1)
    assert found.greatest_ns == 2
    assert found.first is not None and found.first.index == 0
    assert found.first_differing is not None
    assert found.first_differing.index == zone
    assert [name for name, *_ in found.first_differing.fields] == ["time_ns", "free"]


def test_another_kind_of_record() -> None:
    second = log()
    second["kind"][30] = Kind.END
    found = against(second)
    assert found.first_differing is not None
    assert found.first_differing.kinds == (int(log()["kind"][30]), int(Kind.END))


def test_a_log_that_ends_before() -> None:
    found = against(log()[:98])
    assert (found.records, found.differing) == ((COUNT, 98), 2)
    assert found.first_differing == Difference(index=98, kinds=(int(log()["kind"][98]), None))


def test_words_that_the_kind_does_not_name_count_too() -> None:
    second = log()
    end = at(Kind.END)
    second["value"][end, 4] = 1
    found = against(second)
    assert found.agreement is Agreement.DIFFERS
    assert found.first is not None
    assert [name for name, *_ in found.first.fields] == ["value"]
