"""The figures in which the experiments of 2008 were reported, from a guest's log.

All times are guest time, CLOCK_MONOTONIC in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memnotify.check.metrics import measure
from memnotify.records.clients import notified
from memnotify.records.layout import NO_CLIENT, Kind
from memnotify.records.log import Ints, RecordLog, ints
from memnotify.units import KIB_PER_MIB, NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of an experiment. None: there is no sample, or nobody was woken.

    "At the first wakeup" is the last sample before it; "after" is every sample from then on; "at
    the start" is the last sample before a client opened the file that it watches.
    """

    total_kib: float | None  # minimum of MemTotal, so with the balloon if the scenario has one
    wakeups: float
    clients_woken: float
    told_at_mib: float | None  # whole steps that a client had finished at its first wakeup
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
    swap_grew_mib: float | None  # from the first sample to the most swap in use
    freed_at_once_mib: float | None  # greatest growth of free memory within a second
    run_queue: float | None  # greatest number of runnable tasks, without the one that samples
    longest_silence_s: float | None  # between two samples
    console_run_queue: float | None  # the greatest number that the console showed
    console_gap_s: float | None  # the longest time between two rounds of the console
    round_s: float | None  # median time from one wakeup to the next
    free_mib_given_back: float | None  # median of what clients saw after giving memory back
    most_anon_mib: float | None
    oom_kills: float


def figures(log: RecordLog) -> Figures:
    """Return the figures of one guest."""
    memory, wakeups = log.kind(Kind.MEMINFO), notified(log)
    times, woken_ns = ints(memory["time_ns"]), ints(wakeups["time_ns"])
    free, anon = ints(memory["free"]), ints(memory["anon"])
    cache = ints(memory["cached"]) + ints(memory["buffers"])
    swapped = ints(memory["swap_total"]) - ints(memory["swap_free"])
    runnable = ints(log.kind(Kind.PAGING)["runnable"])
    opened = ints(log.kind(Kind.CLIENT)["time_ns"])
    # What a client that allocates had filled at each of its wakeups, and how many whole steps.
    filled = log.kind(Kind.HOG)
    filled = filled[filled["client"] != NO_CLIENT]
    console = log.kind(Kind.CONSOLE)  # its times are those that it showed
    rounds, shown = np.sort(ints(console["time_ns"])), console["runnable"][console["error"] == 0]

    woken = woken_ns.size > 0
    first = int(woken_ns[0]) if woken else 0
    before = max(0, int(np.searchsorted(times, first, side="right")) - 1)
    after = free[before:]
    start = int(np.searchsorted(times, int(opened.min()))) - 1 if opened.size else -1
    at_start = slice(start, start + 1)  # of nothing if it is -1

    def at_first(column: Ints) -> float | None:
        return float(column[before]) / KIB_PER_MIB if woken and column.size else None

    return Figures(
        total_kib=_least(ints(memory["total"])),
        wakeups=woken_ns.size,
        clients_woken=np.unique(wakeups["client"]).size,
        told_at_mib=_mib(ints(filled["finished_kib"])[:1]),
        filled_mib_at_first_wakeup=_mib(ints(filled["touched_kib"])[:1]),
        cache_mib_at_first_wakeup=at_first(cache),
        free_mib_at_first_wakeup=at_first(free),
        swapped_mib_at_first_wakeup=at_first(swapped),
        anon_mib_at_first_wakeup=at_first(anon),
        free_mib_at_start=_mib(free[at_start]),
        cache_lost_mib=_mib(cache[at_start] - cache[-1:]),
        least_free_mib_after=_mib(np.sort(after)[:1]) if woken else None,
        greatest_free_mib_after=_mib(np.sort(after)[-1:]) if woken else None,
        least_cache_mib=_mib(np.sort(cache[_largest(cache) :])[:1]),
        swap_grew_mib=_mib(np.sort(swapped - swapped[:1])[-1:]),
        freed_at_once_mib=_grew_within(times, free, NS_PER_S),
        run_queue=float(runnable.max()) - 1 if runnable.size else None,
        longest_silence_s=_longest(times),
        console_run_queue=_most(ints(shown)),
        console_gap_s=_longest(rounds),
        round_s=_median(np.diff(woken_ns) / NS_PER_S),
        free_mib_given_back=_median(ints(log.kind(Kind.SEEN)["free"]) / KIB_PER_MIB),
        most_anon_mib=_mib(np.sort(anon)[-1:]),
        oom_kills=measure(log).oom_kills,
    )


def _least(column: Ints) -> float | None:
    return float(column.min()) if column.size else None


def _most(column: Ints) -> float | None:
    return float(column.max()) if column.size else None


def _median(column: NDArray[np.float64]) -> float | None:
    return float(np.median(column)) if column.size else None


def _mib(one: Ints) -> float | None:
    return float(one[0]) / KIB_PER_MIB if one.size else None


def _largest(column: Ints) -> int:
    return int(column.argmax()) if column.size else 0


def _grew_within(times: Ints, kib: Ints, window_ns: int) -> float | None:
    """Return the greatest growth in MiB from one sample to another within a window."""
    if not times.size:
        return None
    ends = np.searchsorted(times, times + window_ns, side="right")
    return max(int(kib[a:b].max() - kib[a]) for a, b in enumerate(ends.tolist())) / KIB_PER_MIB


def _longest(times: Ints) -> float | None:
    return float(np.diff(times).max()) / NS_PER_S if times.size > 1 else None
