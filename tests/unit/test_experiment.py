"""The figures of an experiment, for made-up logs with known answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from memnotify.check.experiment import figures
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog

from tests.support.logs import log_of, rows

S = 1_000_000_000
MIB = 1024


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def guest(**changes: Any) -> RecordLog:
    """Return five samples, three wakeups of clients, one that allocates, and a console."""
    made = {
        "sample_ns": ints(10, 11, 12, 13, 16) * S,
        "wakeup_ns": ints(12 * S + S // 2, 13 * S + 1, 15 * S),
        "wakeup_client": ints(4, 2, 4),
        "filled_kib": ints(100, 200) * MIB,
        "finished_kib": ints(90, 200) * MIB,
        "client_ns": ints(13, 11) * S + 1,
        "oom_kills": 1,
        **changes,
    }
    memory = {
        "total": ints(64, 63, 63, 63, 63) * MIB,
        "free": ints(40, 20, 5, 30, 10) * MIB,
        "cached": ints(1, 13, 12, 2, 1) * MIB,
        "buffers": ints(0, 7, 0, 0, 2) * MIB,
        "anon": ints(2, 9, 17, 8, 7) * MIB,
        "swap_total": 32 * MIB,
        "swap_free": 32 * MIB - ints(1, 1, 2, 9, 4) * MIB,
    }
    filled = {"touched_kib": made["filled_kib"], "finished_kib": made["finished_kib"]}
    return log_of(
        rows(Kind.MEMINFO, made["sample_ns"], **memory),
        rows(Kind.RECLAIM, made["sample_ns"], oom_kill=made["oom_kills"]),
        rows(Kind.PAGING, made["sample_ns"], runnable=ints(1, 2, 41, 3, 1)),
        rows(Kind.WAKEUP, made["wakeup_ns"], client=made["wakeup_client"], revents=1, result=1),
        rows(Kind.HOG, 12 * S, touched_kib=MIB, ceiling_kib=MIB),  # a step's, not a client's
        rows(Kind.HOG, np.full(made["filled_kib"].size, 13 * S), client=4, **filled),
        rows(Kind.CLIENT, made["client_ns"], client=ints(4, 2)[: made["client_ns"].size]),
        rows(Kind.CONSOLE, ints(10, 15, 11, 16) * S, runnable=ints(0, 2, 33, 1)),
        rows(Kind.CONSOLE, 15 * S, runnable=99, error=5),
        rows(Kind.SEEN, ints(14, 15, 16) * S, free=ints(7, 4, 5) * MIB),
    )


def test_each_figure() -> None:
    assert dataclasses.asdict(figures(guest())) == {
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
    none = guest(
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
    found = dataclasses.asdict(figures(log_of()))
    assert {value for value in found.values() if value is not None} == {0}


def test_memory_freed_slowly_is_not_freed_at_once() -> None:
    slow = guest(sample_ns=ints(10, 20, 30, 40, 50) * S)
    assert figures(slow).freed_at_once_mib == 0


def test_a_client_that_was_there_before_the_first_sample_has_no_start() -> None:
    early = guest(client_ns=ints(9) * S)
    assert figures(early).free_mib_at_start is None
    assert figures(early).cache_lost_mib is None


def test_a_client_that_came_after_the_first_sample_has_that_as_its_start() -> None:
    found = figures(guest(client_ns=ints(10) * S + 1))
    assert (found.free_mib_at_start, found.cache_lost_mib) == (40, -2)


def test_a_sample_at_the_moment_a_client_came_is_too_late_for_its_start() -> None:
    assert figures(guest(client_ns=ints(11) * S)).free_mib_at_start == 40


def test_a_guest_without_clients_has_no_start() -> None:
    nobody = figures(guest(client_ns=ints()))
    assert (nobody.free_mib_at_start, nobody.cache_lost_mib) == (None, None)


def test_a_sample_at_the_moment_of_the_first_wakeup_is_of_it() -> None:
    found = figures(guest(wakeup_ns=ints(13, 14, 15) * S))
    assert (found.free_mib_at_first_wakeup, found.least_free_mib_after) == (30, 10)


def test_a_wakeup_before_all_samples_goes_by_the_first() -> None:
    assert figures(guest(wakeup_ns=ints(1, 14, 15) * S)).free_mib_at_first_wakeup == 40


def test_wakeups_without_samples_have_no_memory() -> None:
    found = figures(log_of(rows(Kind.WAKEUP, S, client=1, revents=1, result=1)))
    assert (found.wakeups, found.free_mib_at_first_wakeup) == (1, None)


def test_a_silence_lies_between_two_samples() -> None:
    assert figures(log_of(rows(Kind.MEMINFO, S))).longest_silence_s is None
    assert figures(log_of(rows(Kind.MEMINFO, [S, 3 * S]))).longest_silence_s == 2
