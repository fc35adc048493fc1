"""The figures of one cell, from the columns of its log.

Works on plain arrays, so that it can be tried on made-up ones and knows nothing of the log's
layout. All times are guest time, CLOCK_MONOTONIC in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BATCH_PAUSE_NS = 100_000_000
"""A pause between wakeups that is longer than this starts a new batch.

The gate lets one notification through every 200 ms. The clients that it wakes log that as soon as
they get the CPU: within a few ms if it is idle, over 100 ms and more while the guest reclaims. Half
the gate keeps the former apart and the latter together.
"""

BATCH_DISTANCE_NS = 190_000_000
"""What starts sooner than this after a batch's first wakeup belongs to it, pause or no pause.

It is the gate's 200 ms less two jiffies and what the first client may be late: two notifications
cannot be nearer.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the figures are made from; the arrays of a group have one length.

    `wakeup_*`: poll() returned POLLIN, sorted by time. `zone_*`: one element a zone and sample;
    `zone_gate` is 2 * (high watermark + lowmem_reserve[MAX_NR_ZONES - 1]) pages, the most free
    pages with which the gate opens. `reclaim_*`: one element a sample, counters since boot, sorted
    by time. `killed` counts processes that ended by a SIGKILL the scenario did not ask for.
    """

    start_ns: int
    wakeup_ns: Ints
    wakeup_client: Ints
    zone_ns: Ints
    zone_free: Ints
    zone_gate: Ints
    reclaim_ns: Ints
    reclaim_pswpout: Ints
    reclaim_oom_kill: Ints
    killed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Wakeups that belong together. `at_s` counts from the scenario's start."""

    at_s: float
    wakeups: int
    clients: int
    spread_ms: float  # from the first to the last
    after_ms: float | None  # since the first wakeup of the batch before


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The figures of a cell. Pages are counted from the scenario's start.

    `first_wakeup_ms` runs from the first sample that shows a zone at or below the gate to the first
    wakeup, so it is no finer than the interval of the samples: 0 when that sample came after the
    wakeup; None without a wakeup, or if no sample up to the one after it shows such a zone.
    """

    wakeups: int
    clients_woken: int
    max_batch: int
    first_wakeup_ms: float | None
    swapped_out_before_first: int | None  # None without a wakeup
    swapped_out: int
    oom_kills: int
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeupsEach:
    """How often the client that was woken least, and most, was woken; and the least time between
    two wakeups of one client, None if nobody was woken twice."""

    least: int
    most: int
    nearest_ms: float | None


def wakeups_each(times: Ints, woken: Ints, clients: int) -> WakeupsEach:
    """Count the wakeups of each of so many clients. `times` are sorted; `woken` says whose."""
    counts = np.unique(woken, return_counts=True)[1]
    by_client = np.argsort(woken, kind="stable")
    apart = np.diff(times[by_client])[np.diff(woken[by_client]) == 0]
    return WakeupsEach(
        least=int(counts.min(initial=woken.size)) if counts.size >= clients > 0 else 0,
        most=int(counts.max(initial=0)),
        nearest_ms=round(int(apart.min()) / 1e6, 3) if apart.size else None,
    )


def measure(trace: Trace) -> Metrics:
    """Return the figures of one cell."""
    times, clients = trace.wakeup_ns, trace.wakeup_client
    batches = find_batches(times, clients, trace.start_ns)
    swap_start = _counter_at(trace.reclaim_ns, trace.reclaim_pswpout, trace.start_ns)
    before_first = None
    if times.size:
        at_first = _counter_at(trace.reclaim_ns, trace.reclaim_pswpout, int(times[0]))
        before_first = at_first - swap_start
    return Metrics(
        wakeups=int(times.size),
        clients_woken=int(np.unique(clients).size),
        max_batch=max((batch.wakeups for batch in batches), default=0),
        first_wakeup_ms=_first_wakeup_ms(trace),
        swapped_out_before_first=before_first,
        swapped_out=_last(trace.reclaim_pswpout) - swap_start,
        # Old kernels have no counter; the kills of init's own children show in either way.
        oom_kills=max(_last(trace.reclaim_oom_kill), trace.killed),
        batches=batches,
    )


def find_batches(times: Ints, clients: Ints, start_ns: int) -> tuple[Batch, ...]:
    """Split sorted wakeups by BATCH_PAUSE_NS and BATCH_DISTANCE_NS."""
    if not times.size:
        return ()
    each = times.tolist()  # a guest's rubbish may be too far apart for numpy's numbers
    first = [0]
    for start in (np.flatnonzero(np.diff(times) > BATCH_PAUSE_NS) + 1).tolist():
        if each[start] - each[first[-1]] >= BATCH_DISTANCE_NS:
            first.append(start)
    after: list[float | None] = [None, *(np.diff(times[first]) / 1e6).round(3).tolist()]
    return tuple(
        Batch(
            at_s=round((each[a] - start_ns) / 1e9, 6),
            wakeups=b - a,
            clients=int(np.unique(clients[a:b]).size),
            spread_ms=round((each[b - 1] - each[a]) / 1e6, 3),
            after_ms=distance,
        )
        for a, b, distance in zip(first, [*first[1:], times.size], after, strict=True)
    )


def _first_wakeup_ms(trace: Trace) -> float | None:
    if not trace.wakeup_ns.size:
        return None
    first = int(trace.wakeup_ns[0])
    later = trace.zone_ns[trace.zone_ns >= first]
    horizon = int(later.min()) if later.size else first
    shown = trace.zone_ns[
        (trace.zone_ns >= trace.start_ns)
        & (trace.zone_ns <= horizon)
        & (trace.zone_free <= trace.zone_gate)
    ]
    if not shown.size:
        return None
    return round(max(0, first - int(shown.min())) / 1e6, 3)


def _counter_at(times: Ints, counter: Ints, when: int) -> int:
    """Return a counter's value in the last sample up to a time, or in the first there is."""
    if not times.size:
        return 0
    return int(counter[max(0, int(np.searchsorted(times, when, side="right")) - 1)])


def _last(counter: Ints) -> int:
    return int(counter[-1]) if counter.size else 0
