"""What the zones' mem_notify_status did in one cell, as far as samples show it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneStatus:
    """`rises`: how often a status became 1.

    `stuck_s`: the longest time in which all samples of a zone show status 1 with more free pages
    than the gate lets through. `rises_apart_ms`: the least time between the rises of two zones;
    None if there were not two. Neither is finer than the interval of the samples.
    """

    rises: int
    stuck_s: float
    rises_apart_ms: float | None


def zone_status(times: Ints, zones: Ints, free: Ints, gate: Ints, status: Ints) -> ZoneStatus:
    """Return the figures of samples, one element a zone and sample, sorted by time.

    `zones` numbers the zones; `gate` is as in `memnotify.check.metrics.Trace`.
    """
    stuck, rises = 0, []
    for zone in np.unique(zones):
        of_zone = zones == zone
        when, on = times[of_zone], status[of_zone] == 1
        rose = when[1:][on[1:] & ~on[:-1]]
        rises += [(int(at), int(zone)) for at in rose]
        stuck = max(stuck, _longest(when, on & (free[of_zone] > gate[of_zone])))
    rises.sort()
    pairs = itertools.pairwise(rises)
    apart = [b - a for (a, first), (b, other) in pairs if first != other]
    return ZoneStatus(
        rises=len(rises),
        stuck_s=round(stuck / 1e9, 3),
        rises_apart_ms=round(min(apart) / 1e6, 3) if apart else None,
    )


def _longest(times: Ints, flags: NDArray[np.bool_]) -> int:
    """Return the longest time from the first to the last of successive samples with the flag."""
    longest, since = 0, None
    for time, flag in zip(times.tolist(), flags.tolist(), strict=True):
        since = (since if since is not None else time) if flag else None
        longest = max(longest, time - since if since is not None else 0)
    return longest
