"""How the zones' mem_notify_status changed in one cell, as far as samples show it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from memnotify.records.layout import Kind
from memnotify.records.log import Flags, Ints, RecordLog, ints
from memnotify.records.zones import above_gate, each_zone, gate_of
from memnotify.units import NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneStatus:
    """The figures of the status.

    `rises`: how often a status became 1. `stuck_s`: the longest time in which all samples of a zone
    show status 1 with more free pages than the gate lets through. `rises_apart_ms`: the least time
    between rises of two zones; None without two. The resolution is the sampling interval.
    """

    rises: int
    stuck_s: float
    rises_apart_ms: float | None


def zone_status(log: RecordLog) -> ZoneStatus:
    """Return the figures of a guest."""
    zones = log.kind(Kind.ZONE)
    times, free_beyond = ints(zones["time_ns"]), above_gate(zones) > 0
    stuck, rises = 0, []
    for number, of_zone in enumerate(each_zone(zones)):
        when, on = times[of_zone], zones["status"][of_zone] == 1
        rose = when[1:][on[1:] & ~on[:-1]]
        rises += [(at, number) for at in rose.tolist()]
        stuck = max(stuck, _longest(when, on & free_beyond[of_zone]))
    rises.sort()
    pairs = itertools.pairwise(rises)
    apart = [b - a for (a, first), (b, other) in pairs if first != other]
    return ZoneStatus(
        rises=len(rises),
        stuck_s=round(stuck / NS_PER_S, 3),
        rises_apart_ms=round(min(apart) / NS_PER_MS, 3) if apart else None,
    )


def gates(log: RecordLog) -> dict[str, int]:
    """Return the gate of each zone in pages, by name, according to the first sample.

    If several zones have one name, the last node's counts.
    """
    zones = log.kind(Kind.ZONE)
    first = zones[zones["time_ns"] == zones["time_ns"].min(initial=2**64 - 1)]
    names = (name.decode(errors="replace") for name in first["name"])
    return dict(zip(names, gate_of(first).tolist(), strict=True))


def _longest(times: Ints, flags: Flags) -> int:
    """Return the longest time from the first to the last of successive samples with the flag."""
    longest, since = 0, None
    for time, flag in zip(times.tolist(), flags.tolist(), strict=True):
        since = (since if since is not None else time) if flag else None
        longest = max(longest, time - since if since is not None else 0)
    return longest
