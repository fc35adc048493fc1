"""What the ZONE records of a log say: which zone each is of, and how far it is from its gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from memnotify.records.log import Flags, Ints, Records, ints


def gate_of(zones: Any, *, factor: int = 2, mark: str = "high") -> Ints:
    """Return the gate of each ZONE record: with more free pages, a zone is not low.

    v4's unless told: `(pages_high + pages_reserve) * 2` in `memory_pressure_notify()`, which
    patches/mem_notify/v4/*/0003-add-dev-mem_notify-device.patch adds, with `pages_reserve` being
    `zone->lowmem_reserve[MAX_NR_ZONES-1]`. In pages of the guest, 4 KiB each, as all of a ZONE
    record is. `zones` may be a data frame.
    """
    return factor * (ints(zones[mark]) + ints(zones["reserve"]))


def above_gate(zones: Records) -> Ints:
    """Return how many pages each ZONE record has above v4's gate: 0 or less if it lets pass."""
    return ints(zones["free"]) - gate_of(zones)


def zone_numbers(zones: Records) -> Ints:
    """Return a number for each ZONE record, the same for all of one zone: its name on its node.

    They count from 0, by node and then by name.
    """
    names = np.ascontiguousarray(zones["name"]).view(">u8").astype(np.uint64)  # in order of bytes
    name = np.unique(names, return_inverse=True)[1]
    zone = ints(zones["node"]) * (name.max(initial=0) + 1) + name
    return ints(np.unique(zone, return_inverse=True)[1])


def each_zone(zones: Records) -> Iterator[Flags]:
    """Yield for each zone which of these ZONE records are of it, in the order of its number."""
    numbers = zone_numbers(zones)
    for number in range(int(numbers.max(initial=-1)) + 1):
        yield numbers == number
