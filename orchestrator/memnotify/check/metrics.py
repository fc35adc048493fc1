"""The figures of one cell, from its log. All times are guest time, CLOCK_MONOTONIC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memnotify.records.clients import notified
from memnotify.records.exits import killed_exits
from memnotify.records.layout import Kind
from memnotify.records.log import ByKind, Ints, Records, ints
from memnotify.records.zones import above_gate
from memnotify.units import NS_PER_MS, NS_PER_S

BATCH_PAUSE_NS = 100_000_000
"""A longer pause between wakeups than this starts a new batch.

The gate lets one notification through every 200 ms. The clients that it wakes log it as soon as
they get the CPU: within a few ms if the CPU is idle, after 100 ms and more while the guest
reclaims. Half the gate's interval separates the batches in the first case and keeps one together in
the second.
"""

BATCH_DISTANCE_NS = 190_000_000
"""A wakeup sooner than this after a batch's first one belongs to the batch, whatever the pause.

It is the gate's 200 ms, less two jiffies and the possible delay of the first client: two
notifications cannot be closer.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeupBatch:
    """Wakeups that belong together. `at_s` counts from the scenario's start."""

    at_s: float
    wakeups: int
    clients: int
    spread_ms: float  # from the first to the last
    after_ms: float | None  # since the first wakeup of the previous batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The figures of a cell. Pages are counted from the scenario's start.

    `first_wakeup_ms` is the time from the first sample that shows a zone at or below the gate to
    the first wakeup, so its resolution is the sampling interval. It is 0 if that sample came after
    the wakeup; None without a wakeup, or if no sample up to the one after it shows such a zone.
    """

    wakeups: int
    clients_woken: int
    max_batch: int
    first_wakeup_ms: float | None
    swapped_out_before_first: int | None  # None without a wakeup
    swapped_out: int
    oom_kills: int
    batches: tuple[WakeupBatch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeupsEach:
    """How often the clients woken least and most often were woken, and the shortest time between
    two wakeups of one client: None if nobody was woken twice."""

    least: int
    most: int
    nearest_ms: float | None


def wakeups_each(log: ByKind, clients: int) -> WakeupsEach:
    """Count the wakeups of each of `clients` clients."""
    wakeups = notified(log)
    times, woken = ints(wakeups["time_ns"]), ints(wakeups["client"])
    counts = np.unique(woken, return_counts=True)[1]
    by_client = np.argsort(woken, kind="stable")
    apart = np.diff(times[by_client])[np.diff(woken[by_client]) == 0]
    return WakeupsEach(
        least=int(counts.min()) if counts.size >= clients > 0 else 0,
        most=int(counts.max(initial=0)),
        nearest_ms=round(int(apart.min()) / NS_PER_MS, 3) if apart.size else None,
    )


def measure(log: ByKind, woken: Records | None = None) -> Metrics:
    """Return the figures of one cell; `woken` is `notified(log)`, if it is known already."""
    wakeups, reclaim = notified(log) if woken is None else woken, log.kind(Kind.RECLAIM)
    times, clients = ints(wakeups["time_ns"]), ints(wakeups["client"])
    batches = find_batches(times, clients, log.start_ns)
    sampled, swapped = ints(reclaim["time_ns"]), ints(reclaim["pswpout"])
    swap_start = _counter_at(sampled, swapped, log.start_ns)
    before_first = None
    if times.size:
        before_first = _counter_at(sampled, swapped, int(times[0])) - swap_start
    return Metrics(
        wakeups=int(times.size),
        clients_woken=int(np.unique(clients).size),
        max_batch=max((batch.wakeups for batch in batches), default=0),
        first_wakeup_ms=_first_wakeup_ms(log, int(times[0])) if times.size else None,
        swapped_out_before_first=before_first,
        swapped_out=_last(swapped) - swap_start,
        # Old kernels have no counter, but kills of init's own children show either way.
        oom_kills=max(_last(ints(reclaim["oom_kill"])), len(killed_exits(log))),
        batches=batches,
    )


def find_batches(times: Ints, clients: Ints, start_ns: int) -> tuple[WakeupBatch, ...]:
    """Split sorted wakeups by BATCH_PAUSE_NS and BATCH_DISTANCE_NS."""
    if not times.size:
        return ()
    each = times.tolist()  # invalid times from a guest may overflow numpy's integers
    first = [0]
    for start in (np.flatnonzero(np.diff(times) > BATCH_PAUSE_NS) + 1).tolist():
        if each[start] - each[first[-1]] >= BATCH_DISTANCE_NS:
            first.append(start)
    ends = [*first[1:], times.size]
    # Each client once in each batch: all pairs of both numbers.
    batch = np.repeat(np.arange(len(first)), np.subtract(ends, first))
    different = np.bincount(np.unique((batch << 32) + clients) >> 32)
    after: list[float | None] = [None, *(np.diff(times[first]) / NS_PER_MS).round(3).tolist()]
    return tuple(
        WakeupBatch(
            at_s=round((each[a] - start_ns) / NS_PER_S, 6),
            wakeups=b - a,
            clients=count,
            spread_ms=round((each[b - 1] - each[a]) / NS_PER_MS, 3),
            after_ms=distance,
        )
        for a, b, count, distance in zip(first, ends, different.tolist(), after, strict=True)
    )


def _first_wakeup_ms(log: ByKind, first: int) -> float | None:
    zones = log.kind(Kind.ZONE)
    times = ints(zones["time_ns"])
    later = times[times >= first]
    horizon = int(later.min()) if later.size else first
    shown = times[(times >= log.start_ns) & (times <= horizon) & (above_gate(zones) <= 0)]
    return round(max(0, first - int(shown.min())) / NS_PER_MS, 3) if shown.size else None


def _counter_at(times: Ints, counter: Ints, when: int) -> int:
    """Return a counter's value in the last sample up to a time, or else in the first sample."""
    if not times.size:
        return 0
    return int(counter[max(0, int(np.searchsorted(times, when, side="right")) - 1)])


def _last(counter: Ints) -> int:
    return int(counter[-1]) if counter.size else 0
