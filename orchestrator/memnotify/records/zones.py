"""The ZONE records of a log: which zone each is of, and how far it is from its gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from memnotify.records.log import Flags, Ints, Records, ints


def gate_of(zones: Any, *, factor: int = 2, mark: str = "high") -> Ints:
    """Return the gate of each ZONE record: with more free pages, a zone is not low.

    The default is v4's: `(pages_high + pages_reserve) * 2` in `memory_pressure_notify()`, added by
    patches/mem_notify/v4/*/0003-add-dev-mem_notify-device.patch, with `pages_reserve` being
    `zone->lowmem_reserve[MAX_NR_ZONES-1]`. In the guest's pages of 4 KiB, like all of a ZONE
    record. `zones` may be a data frame.
    """
    return factor * (ints(zones[mark]) + ints(zones["reserve"]))


def above_gate(zones: Records) -> Ints:
    """Return how many pages each ZONE record has above v4's gate; the gate opens at 0 or less."""
    return ints(zones["free"]) - gate_of(zones)


def zone_numbers(zones: Records) -> Ints:
    """Return a number for each ZONE record that identifies its zone: its name on its node.

    Numbers count from 0, by node and then by name.
    """
    names = np.ascontiguousarray(zones["name"]).view(">u8").astype(np.uint64)  # in order of bytes
    name = np.unique(names, return_inverse=True)[1]
    zone = ints(zones["node"]) * (name.max(initial=0) + 1) + name
    return ints(np.unique(zone, return_inverse=True)[1])


def each_zone(zones: Records) -> Iterator[Flags]:
    """Yield for each zone, in the order of its number, which of these ZONE records are of it."""
    numbers = zone_numbers(zones)
    for number in range(int(numbers.max(initial=-1)) + 1):
        yield numbers == number
