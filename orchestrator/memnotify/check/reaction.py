"""How one guest's clients reacted to pressure: the figures by which revisions are compared.

docs/howto/comparing.md explains each. All times are guest time, CLOCK_MONOTONIC in nanoseconds. The
resolution of sampled values is the sampling interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np

from memnotify.check.metrics import measure
from memnotify.records.clients import notified
from memnotify.records.layout import Kind
from memnotify.records.log import ByKind, Ints, Records, ints
from memnotify.records.zones import above_gate, each_zone
from memnotify.scenario import Op
from memnotify.units import NS_PER_MS, PAGES_PER_MIB

HERD_NS = 200_000_000
"""The interval of the gate: all wakeups within it come from at most one notification."""

_RELIEF = (Op.BALLOON, Op.STOP)
"""Steps that may free memory that no client released: balloon moves, exits."""


FIELDS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.START: ("start_ns",),
        Kind.STEP: ("op",),
        Kind.POLL: (),
        Kind.WAKEUP: ("revents", "result"),
        Kind.EXIT: ("signal", "sent_by_agent", "op", "cpu_ns"),
        Kind.RECLAIM: ("pswpout", "oom_kill"),
        Kind.PAGING: ("runnable",),
        Kind.ZONE: ("name", "node", "free", "high", "reserve"),
    }
)
"""What the figures are made from: of each kind of records these values, times and clients."""

KINDS = frozenset(FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """The figures of a guest. None: there is no such figure, for example without a wakeup."""

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
"""Every figure with its unit, in table order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wakeups:
    """When clients were notified, by time, and which clients; `by_client` sorts by these."""

    times: Ints
    clients: Ints
    by_client: Ints

    @classmethod
    def of(cls, found: Records) -> Self:
        clients = ints(found["client"])
        # numpy sorts integers of up to 16 bits much faster.
        small = clients.astype(np.min_scalar_type(clients.max(initial=0)))
        by_client = np.argsort(small, kind="stable")
        return cls(times=ints(found["time_ns"]), clients=clients, by_client=by_client)


def react(log: ByKind) -> Reaction:
    """Return the figures of one guest."""
    found = notified(log)
    figures, wakeups = measure(log, found), _Wakeups.of(found)
    first = _first_wakeups(wakeups)
    crossing = gate_crossing(log)
    latencies: tuple[float | None, float | None] = (None, None)
    if first.size and crossing is not None:
        latencies = (
            (int(first.min()) - crossing) / NS_PER_MS,
            (int(first.max()) - crossing) / NS_PER_MS,
        )
    paging = log.kind(Kind.PAGING)
    runnable = ints(paging["runnable"])[ints(paging["time_ns"]) >= log.start_ns]
    sizes = [batch.wakeups for batch in figures.batches]
    cpu_ns = _client_cpu_ns(log)
    return Reaction(
        gate_to_first_ms=latencies[0],
        gate_to_last_ms=latencies[1],
        wakeups=figures.wakeups,
        batch_median=float(np.median(sizes)) if sizes else None,
        batch_max=figures.max_batch,
        herd=_herd(wakeups),
        peak_runnable=int(runnable.max()) if runnable.size else None,
        over_freed_mib=_over_freed_mib(log, wakeups),
        swapped_before_first=figures.swapped_out_before_first,
        swapped_out=figures.swapped_out,
        missed_clients=_missed(log, wakeups),
        oom_kills=figures.oom_kills,
        client_cpu_ms=cpu_ns / NS_PER_MS if cpu_ns else None,
    )


def gate_crossing(log: ByKind) -> float | None:
    """Return when the first zone came down to the gate, in ns.

    Free pages are interpolated linearly between the last sample above the gate and the first at or
    below it, so the error is less than one sampling interval. None if no zone came down, or if one
    was already there in its first sample, so that the time is unknown.
    """
    zones = log.kind(Kind.ZONE)
    times, beyond = ints(zones["time_ns"]), above_gate(zones)
    since = times >= log.start_ns
    crossings = []
    for of_zone in each_zone(zones):
        rows = of_zone & since
        above, when = beyond[rows], times[rows]
        reached = np.flatnonzero(above <= 0)
        if not reached.size:
            continue
        b = int(reached[0])
        if b == 0:
            return None
        a = b - 1
        part = above[a] / (above[a] - above[b])
        crossings.append(float(when[a] + part * (when[b] - when[a])))
    return min(crossings, default=None)


def _client_cpu_ns(log: ByKind) -> int:
    """Return the CPU time of all clients; 0 if it was not kept."""
    exits = log.kind(Kind.EXIT)
    return int(exits["cpu_ns"][exits["op"] == Op.CLIENTS].sum())


def _first_wakeups(wakeups: _Wakeups) -> Ints:
    order = wakeups.by_client
    first: Ints = wakeups.times[order[np.diff(wakeups.clients[order], prepend=-1) != 0]]
    return first


def _herd(wakeups: _Wakeups) -> int:
    """Return the most clients that woke within HERD_NS; each counts once."""
    times, clients, by_client = wakeups.times, wakeups.clients, wakeups.by_client
    # A wakeup counts until its client wakes again, or until it is HERD_NS old.
    again = np.flatnonzero(clients[by_client[1:]] == clients[by_client[:-1]])
    end = np.searchsorted(times, times + HERD_NS, side="right")
    following = by_client[again + 1]
    end[by_client[again]] = np.minimum(end[by_client[again]], following)
    ended = np.bincount(end)[: times.size]  # the last wakeup ends after all others
    return int(np.cumsum(1 - ended).max(initial=0))


def _over_freed_mib(log: ByKind, wakeups: _Wakeups) -> float | None:
    """Return the greatest growth of memory above the gate after the first wakeup.

    For each sample, the free pages of every zone above its threshold are added up. The last sample
    up to the first wakeup is compared with those after it, up to the first step of _RELIEF.
    """
    if not wakeups.times.size:
        return None
    first = int(wakeups.times[0])
    steps, zones = log.kind(Kind.STEP), log.kind(Kind.ZONE)
    relief = ints(steps["time_ns"])[np.isin(steps["op"], _RELIEF)]
    end = min(relief[relief > first].tolist(), default=None)
    times, sample = np.unique(ints(zones["time_ns"]), return_inverse=True)
    beyond = np.bincount(sample, np.maximum(0, above_gate(zones)))
    before = int(np.searchsorted(times, first, side="right")) - 1
    after = beyond[before + 1 : None if end is None else int(np.searchsorted(times, end))]
    if before < 0 or not after.size:
        return None
    return max(0.0, float(after.max() - beyond[before])) / PAGES_PER_MIB


def _missed(log: ByKind, wakeups: _Wakeups) -> int | None:
    """Return how many clients waited while a zone was at or below the gate and were never woken.

    None if no client waited, or no zone was low.
    """
    waits, zones = log.kind(Kind.POLL), log.kind(Kind.ZONE)
    sampled = ints(zones["time_ns"])
    low = sampled[(sampled >= log.start_ns) & (above_gate(zones) <= 0)]
    if not low.size or not waits.size:
        return None
    # Wakeups under way at the last such sample count, so the time ends with the next sample.
    later = sampled[sampled > low.max()]
    end = later.min() if later.size else np.iinfo(np.int64).max
    waiting = np.unique(waits["client"][ints(waits["time_ns"]) <= low.max()])
    woken = np.unique(wakeups.clients[wakeups.times <= end])
    return int(np.setdiff1d(waiting, woken, assume_unique=True).size)
