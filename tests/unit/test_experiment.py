"""The figures of an experiment, from made-up courses whose answers are known."""

from __future__ import annotations

import dataclasses

import numpy as np
from memnotify.check.experiment import Course, figures

S = 1_000_000_000
MIB = 1024


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


COURSE = Course(
    sample_ns=ints(10, 11, 12, 13, 16) * S,
    total_kib=ints(64, 63, 63, 63, 63) * MIB,
    free_kib=ints(40, 20, 5, 30, 10) * MIB,
    cache_kib=ints(1, 20, 12, 2, 3) * MIB,
    anon_kib=ints(2, 9, 17, 8, 7) * MIB,
    swapped_kib=ints(1, 1, 2, 9, 4) * MIB,
    runnable=ints(1, 2, 41, 3, 1),
    wakeup_ns=ints(12 * S + S // 2, 13 * S + 1, 15 * S),
    wakeup_client=ints(4, 2, 4),
    filled_kib=ints(100, 200) * MIB,
    finished_kib=ints(90, 200) * MIB,
    client_ns=ints(13, 11) * S + 1,
    console_ns=ints(10, 11, 15, 16) * S,
    console_runnable=ints(0, 33, 2, 1),
    seen_free_kib=ints(7, 4, 5) * MIB,
    oom_kills=1,
)


def test_each_figure() -> None:
    assert dataclasses.asdict(figures(COURSE)) == {
        "total_kib": 63 * MIB,
        "wakeups": 3,
        "clients_woken": 2,
        "told_at_mib": 90,
        "filled_mib_at_first_wakeup": 100,
        "cache_mib_at_first_wakeup": 12,
        "free_mib_at_first_wakeup": 5,
        "swapped_mib_at_first_wakeup": 2,
        "anon_mib_at_first_wakeup": 17,
        "free_mib_at_start": 20,
        "cache_lost_mib": 17,
        "least_free_mib_after": 5,
        "greatest_free_mib_after": 30,
        "least_cache_mib": 2,
        "swap_grew_mib": 8,
        "freed_at_once_mib": 25,
        "run_queue": 40,
        "longest_silence_s": 3,
        "console_run_queue": 33,
        "console_gap_s": 4,
        "round_s": 1.25,
        "free_mib_given_back": 5,
        "most_anon_mib": 17,
        "oom_kills": 1,
    }


def test_a_guest_in_which_nobody_was_woken() -> None:
    none = dataclasses.replace(
        COURSE,
        wakeup_ns=ints(),
        wakeup_client=ints(),
        filled_kib=ints(),
        finished_kib=ints(),
        oom_kills=0,
    )
    found = dataclasses.asdict(figures(none))
    missing = {name for name, value in found.items() if value is None}
    told = ("first_wakeup", "after", "told_at_mib", "round_s")
    assert missing == {name for name in found if name.endswith(told)}
    assert found["wakeups"] == found["oom_kills"] == 0


def test_an_empty_log() -> None:
    empty = {field.name: ints() for field in dataclasses.fields(Course)} | {"oom_kills": 0}
    found = dataclasses.asdict(figures(Course(**empty)))  # type: ignore[arg-type]
    assert {value for value in found.values() if value is not None} == {0}


def test_memory_freed_slowly_is_not_freed_at_once() -> None:
    slow = dataclasses.replace(COURSE, sample_ns=ints(10, 20, 30, 40, 50) * S)
    assert figures(slow).freed_at_once_mib == 0


def test_a_client_that_was_there_before_the_first_sample_has_no_start() -> None:
    early = dataclasses.replace(COURSE, client_ns=ints(9) * S)
    assert figures(early).free_mib_at_start is None
    assert figures(early).cache_lost_mib is None
