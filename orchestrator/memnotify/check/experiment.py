"""The figures that the experiments of 2008 were told in, from the columns of a guest's log.

Works on plain arrays. All times are guest time, CLOCK_MONOTONIC in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SECOND = 1_000_000_000
_MIB = 1024  # KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the figures are made from.

    `sample_*` and those named in KiB have one element a sample, sorted by time: `cache_kib` is page
    cache, buffers among it; `swapped_kib` is swap in use; `runnable` counts tasks. `wakeup_*`:
    poll() returned POLLIN, sorted by time. `filled_kib`: what a client that allocates had filled
    in all, each time that it was woken; `finished_kib`: what the steps come to that it had done.
    `client_ns`: when clients opened what they watch. `console_*` has one element a round of the
    console, by the time that it showed. `seen_free_kib`: free memory as a client read it after it
    gave some back. `oom_kills` as in `metrics.Metrics`.
    """

    sample_ns: Ints
    total_kib: Ints
    free_kib: Ints
    cache_kib: Ints
    anon_kib: Ints
    swapped_kib: Ints
    runnable: Ints
    wakeup_ns: Ints
    wakeup_client: Ints
    filled_kib: Ints
    finished_kib: Ints
    client_ns: Ints
    console_ns: Ints
    console_runnable: Ints
    seen_free_kib: Ints
    oom_kills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What an experiment gave. None: there is no sample, or nobody was woken.

    "At the first wakeup" is the last sample before it; "after" is every sample from then on; "at
    the start" is the last sample before a client opened what it watches.
    """

    total_kib: float | None  # MemTotal, the least: with the balloon where the scenario has it
    wakeups: float
    clients_woken: float
    told_at_mib: float | None  # steps that a client had finished when it was first woken
    filled_mib_at_first_wakeup: float | None
    cache_mib_at_first_wakeup: float | None
    free_mib_at_first_wakeup: float | None
    swapped_mib_at_first_wakeup: float | None
    anon_mib_at_first_wakeup: float | None
    free_mib_at_start: float | None
    cache_lost_mib: float | None  # from the start to the last sample
    least_free_mib_after: float | None
    greatest_free_mib_after: float | None
    least_cache_mib: float | None  # after the cache was largest
    swap_grew_mib: float | None  # from the start to the most that was in use
    freed_at_once_mib: float | None  # greatest growth of free memory within a second
    run_queue: float | None  # greatest number of runnable tasks, the one that samples left out
    longest_silence_s: float | None  # between two samples
    console_run_queue: float | None  # the greatest that the console showed
    console_gap_s: float | None  # the longest time between two of its rounds
    round_s: float | None  # from one wakeup to the next, the median
    free_mib_given_back: float | None  # as a client saw it after giving memory back, the median
    most_anon_mib: float | None
    oom_kills: float


def figures(course: Course) -> Figures:
    """Return the figures of one guest."""
    woken = course.wakeup_ns.size > 0
    first = int(course.wakeup_ns[0]) if woken else 0
    before = max(0, int(np.searchsorted(course.sample_ns, first, side="right")) - 1)
    after = course.free_kib[before:]
    opened = int(course.client_ns.min()) if course.client_ns.size else 0
    start = int(np.searchsorted(course.sample_ns, opened)) - 1
    started = course.client_ns.size > 0 and start >= 0

    def at_first(column: Ints) -> float | None:
        return float(column[before]) / _MIB if woken and column.size else None

    return Figures(
        total_kib=_least(course.total_kib),
        wakeups=course.wakeup_ns.size,
        clients_woken=np.unique(course.wakeup_client).size,
        told_at_mib=_mib(course.finished_kib[:1]),
        filled_mib_at_first_wakeup=_mib(course.filled_kib[:1]),
        cache_mib_at_first_wakeup=at_first(course.cache_kib),
        free_mib_at_first_wakeup=at_first(course.free_kib),
        swapped_mib_at_first_wakeup=at_first(course.swapped_kib),
        anon_mib_at_first_wakeup=at_first(course.anon_kib),
        free_mib_at_start=_mib(course.free_kib[start : start + 1]) if started else None,
        cache_lost_mib=_mib(course.cache_kib[start : start + 1] - course.cache_kib[-1:])
        if started
        else None,
        least_free_mib_after=_mib(np.sort(after)[:1]) if woken else None,
        greatest_free_mib_after=_mib(np.sort(after)[-1:]) if woken else None,
        least_cache_mib=_mib(np.sort(course.cache_kib[_largest(course.cache_kib) :])[:1]),
        swap_grew_mib=_mib(np.sort(course.swapped_kib - course.swapped_kib[:1])[-1:]),
        freed_at_once_mib=_grew_within(course.sample_ns, course.free_kib, SECOND),
        run_queue=float(course.runnable.max()) - 1 if course.runnable.size else None,
        longest_silence_s=_longest(course.sample_ns),
        console_run_queue=_most(course.console_runnable),
        console_gap_s=_longest(course.console_ns),
        round_s=_median(np.diff(course.wakeup_ns) / SECOND),
        free_mib_given_back=_median(course.seen_free_kib / _MIB),
        most_anon_mib=_mib(np.sort(course.anon_kib)[-1:]),
        oom_kills=course.oom_kills,
    )


def _least(column: Ints) -> float | None:
    return float(column.min()) if column.size else None


def _most(column: Ints) -> float | None:
    return float(column.max()) if column.size else None


def _median(column: NDArray[np.float64]) -> float | None:
    return float(np.median(column)) if column.size else None


def _mib(one: Ints) -> float | None:
    return float(one[0]) / _MIB if one.size else None


def _largest(column: Ints) -> int:
    return int(column.argmax()) if column.size else 0


def _grew_within(times: Ints, kib: Ints, window_ns: int) -> float | None:
    """Return by how many MiB a column grew at most from one sample to one within a window."""
    if not times.size:
        return None
    ends = np.searchsorted(times, times + window_ns, side="right")
    return max(int(kib[a:b].max() - kib[a]) for a, b in enumerate(ends.tolist())) / _MIB


def _longest(times: Ints) -> float | None:
    return float(np.diff(times).max()) / SECOND if times.size > 1 else None
