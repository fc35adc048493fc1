"""How the clients of one guest reacted to pressure: the figures that revisions are compared by.

docs/comparing.md explains each. Works on plain arrays, as `metrics` does; all times are guest time,
CLOCK_MONOTONIC in nanoseconds, and what is sampled is no finer than the interval of the samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from memnotify.check.metrics import Ints, Trace, measure

HERD_NS = 200_000_000
"""The gate's interval: what wakes within it was woken by one notification, or by none."""

_PAGES_PER_MIB = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What the figures are made from, beside a trace; the arrays of a group have one length.

    `zone_number` tells the zones of `trace.zone_*` apart. `wait_*`: a client goes to wait.
    `runnable_*`: runnable tasks, one element a sample. `relief_ns` are steps after which memory may
    come free that no client gave (the balloon moves, processes are killed). `client_cpu_ns`: the
    CPU time of all clients; 0 if it was not kept.
    """

    trace: Trace
    zone_number: Ints
    wait_ns: Ints
    wait_client: Ints
    runnable_ns: Ints
    runnable: Ints
    relief_ns: Ints
    client_cpu_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """The figures of a guest. None: it has no such figure, for example no wakeup."""

    gate_to_first_ms: float | None
    gate_to_last_ms: float | None
    wakeups: int
    batch_median: float | None
    batch_max: int
    herd: int
    peak_runnable: int | None
    over_freed_mib: float | None
    swapped_before_first: int | None
    swapped_out: int
    missed_clients: int | None
    oom_kills: int
    client_cpu_ms: float | None


UNITS: Mapping[str, str] = MappingProxyType(
    {
        "gate_to_first_ms": "ms",
        "gate_to_last_ms": "ms",
        "wakeups": "wakeups",
        "batch_median": "wakeups",
        "batch_max": "wakeups",
        "herd": "clients",
        "peak_runnable": "tasks",
        "over_freed_mib": "MiB",
        "swapped_before_first": "pages",
        "swapped_out": "pages",
        "missed_clients": "clients",
        "oom_kills": "kills",
        "client_cpu_ms": "ms",
    }
)
"""Every figure with its unit, in the order of the table."""


def react(story: Story) -> Reaction:
    """Return the figures of one guest."""
    trace = story.trace
    figures = measure(trace)
    first = _first_wakeups(trace)
    crossing = gate_crossing(story)
    latencies: tuple[float | None, float | None] = (None, None)
    if first.size and crossing is not None:
        latencies = (int(first.min()) - crossing) / 1e6, (int(first.max()) - crossing) / 1e6
    since = story.runnable[story.runnable_ns >= trace.start_ns]
    sizes = [batch.wakeups for batch in figures.batches]
    return Reaction(
        gate_to_first_ms=latencies[0],
        gate_to_last_ms=latencies[1],
        wakeups=figures.wakeups,
        batch_median=float(np.median(sizes)) if sizes else None,
        batch_max=figures.max_batch,
        herd=_herd(trace),
        peak_runnable=int(since.max()) if since.size else None,
        over_freed_mib=_over_freed_mib(story),
        swapped_before_first=figures.swapped_out_before_first,
        swapped_out=figures.swapped_out,
        missed_clients=_missed(story),
        oom_kills=figures.oom_kills,
        client_cpu_ms=story.client_cpu_ns / 1e6 if story.client_cpu_ns else None,
    )


def gate_crossing(story: Story) -> float | None:
    """Return when the first zone came down to the gate's threshold, in ns.

    Between the last sample above it and the first at or below, free pages are taken to fall evenly:
    off by less than the time from one sample to the next. None if no zone did, or if one was there
    in its first sample already, so that nobody knows since when.
    """
    trace = story.trace
    crossings = []
    for number in np.unique(story.zone_number):
        rows = (story.zone_number == number) & (trace.zone_ns >= trace.start_ns)
        above = trace.zone_free[rows] - trace.zone_gate[rows]
        reached = np.flatnonzero(above <= 0)
        if not reached.size:
            continue
        b = int(reached[0])
        if b == 0:
            return None
        a, times = b - 1, trace.zone_ns[rows]
        part = above[a] / (above[a] - above[b])
        crossings.append(float(times[a] + part * (times[b] - times[a])))
    return min(crossings, default=None)


def _first_wakeups(trace: Trace) -> Ints:
    _, first = np.unique(trace.wakeup_client, return_index=True)
    return trace.wakeup_ns[first]


def _herd(trace: Trace) -> int:
    """Return how many clients woke within HERD_NS, at most; one that wakes twice counts once."""
    order = np.argsort(trace.wakeup_ns, kind="stable")
    times, clients = trace.wakeup_ns[order], trace.wakeup_client[order]
    # A wakeup counts until its client's next one takes its place, or it is HERD_NS old.
    by_client = np.argsort(clients, kind="stable")
    again = np.flatnonzero(clients[by_client[1:]] == clients[by_client[:-1]])
    end = np.searchsorted(times, times + HERD_NS, side="right")
    following = by_client[again + 1]
    end[by_client[again]] = np.minimum(end[by_client[again]], following)
    ended = np.bincount(end, minlength=times.size + 1)[: times.size]
    return int(np.cumsum(1 - ended).max(initial=0))


def _over_freed_mib(story: Story) -> float | None:
    """Return by how much memory above the gate grew after the first wakeup, at most.

    Of each sample, the free pages of every zone beyond its threshold are added up. The last sample
    up to the first wakeup is compared with those after it, up to the first step of `relief_ns`.
    """
    trace = story.trace
    if not trace.wakeup_ns.size:
        return None
    first = int(trace.wakeup_ns[0])
    end = min(story.relief_ns[story.relief_ns > first].tolist(), default=None)
    times, sample = np.unique(trace.zone_ns, return_inverse=True)
    beyond = np.bincount(sample, np.maximum(0, trace.zone_free - trace.zone_gate))
    before = int(np.searchsorted(times, first, side="right")) - 1
    after = beyond[before + 1 : None if end is None else int(np.searchsorted(times, end))]
    if before < 0 or not after.size:
        return None
    return max(0.0, float(after.max() - beyond[before])) / _PAGES_PER_MIB


def _missed(story: Story) -> int | None:
    """Return how many clients waited while a zone was at or below the gate and were never woken.

    None if none waited, or no zone was.
    """
    trace = story.trace
    low = trace.zone_ns[(trace.zone_ns >= trace.start_ns) & (trace.zone_free <= trace.zone_gate)]
    if not low.size or not story.wait_client.size:
        return None
    # A wakeup that is under way in the last such sample counts; so it ends with the one after.
    later = trace.zone_ns[trace.zone_ns > low.max()]
    end = later.min() if later.size else np.iinfo(np.int64).max
    waiting = np.unique(story.wait_client[story.wait_ns <= low.max()])
    woken = np.unique(trace.wakeup_client[trace.wakeup_ns <= end])
    return int(np.setdiff1d(waiting, woken, assume_unique=True).size)
