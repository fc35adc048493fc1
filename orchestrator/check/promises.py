"""What the checks of a revision are given, what they answer, and what is granted to a log.

Plain values and functions: where a revision keeps its promises is no business of this room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

TICK_NS = 10_000_000
"""The longest timer tick of a kernel here (HZ = 100): mem_notify counts in ticks."""

RUN_NS = 20_000_000
"""Within this a sample is read, and a client that has nothing to wait for is through poll()."""

QUEUE_NS = 100_000_000
"""Who goes into poll() this much later than another stands behind it in the queue."""

LATE_NS = 100_000_000
"""Of the clients that a notification wakes the first logs it within this."""

HELD_UP_NS = 500_000_000
"""And the last, in a calm guest: it may have to wait until its own pages are swapped in."""

CALM_TASKS = 10
"""A guest with more runnable tasks is not calm: there who was woken may take seconds to log it."""


class Invariant(StrEnum):
    """What is checked. docs/invariants.md has the source of each, and how it is decided."""

    DEVICE = "device"
    SILENCE = "silence"
    GUARD = "guard"
    RATE = "rate"
    BATCH = "batch"
    ORDER = "order"
    SIGNALS = "signals"
    POLLIN = "pollin"
    GATE = "gate"
    CLEARS = "clears"
    SMALL_ZONES = "small-zones"


class Verdict(StrEnum):
    """KEPT: put to the test and not broken."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_EXERCISED = "not exercised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One place where a promise is broken. `records` are indexes in the log, in its order."""

    records: tuple[int, ...]
    time_ns: int
    promised: str
    seen: str
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How often an invariant was put to the test in a log, and where it is broken."""

    invariant: Invariant
    tested: int
    breaks: tuple[Break, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if self.breaks:
            return Verdict.BROKEN
        return Verdict.KEPT if self.tested else Verdict.NOT_EXERCISED


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """A revision's promises.

    `device` is (major, minor, mode). Memory is low at or below `gate_factor` * (high watermark +
    lowmem_reserve[MAX_NR_ZONES-1]) pages of a zone, or, with `gate_sum`, below that sum over all
    zones but highmem. `rate_ns` is from one notification to the next in the whole system; None
    where each CPU has its own. `guard_s` takes the number of watchers; None: there is no guard.
    `shares` takes the watchers and how many of them have FASYNC set, and returns how many of them
    one notification signals and wakes; None: it wakes everyone. `pollin_status`: poll() asks
    whether some zone's status is 1, else whether memory is low.
    """

    device: tuple[int, int, int]
    gate_factor: int
    gate_sum: bool
    rate_ns: int | None
    guard_s: Callable[[int], float] | None
    shares: Callable[[int, int], tuple[int, int]] | None
    fasync: bool
    pollin_status: bool
    small_zone_divisor: int | None
