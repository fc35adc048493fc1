"""The input and output of a revision's checks, and the tolerances that they grant a log.

Plain values and functions: how a revision stores its promises is of no concern here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

TICK_NS = 10_000_000
"""The longest timer tick of a kernel here (HZ = 100): mem_notify counts in ticks."""

FASTEST_TICK_NS = 1_000_000
"""The shortest timer tick (HZ = 1000)."""

RUN_NS = 20_000_000
"""The time to read a sample, and for a client that need not wait to return from poll()."""

QUEUE_NS = 100_000_000
"""A client that enters poll() this much later than another is behind it in the queue."""

LATE_NS = 100_000_000
"""The time within which the first client that a notification wakes logs its wakeup."""

HELD_UP_NS = 500_000_000
"""The same for the last client, in a calm guest: its pages may have to be swapped in first."""

CALM_TASKS = 10
"""A guest with more runnable tasks is not calm: a woken client may take seconds to log it."""


class Invariant(StrEnum):
    """What is checked. docs/reference/invariants.md has the source of each, and how it is found."""

    DEVICE = "device"
    SILENCE = "silence"
    GUARD = "guard"
    RATE = "rate"
    ONCE = "once"
    THROTTLE = "throttle"
    SWAP = "swap"
    BATCH = "batch"
    ORDER = "order"
    SIGNALS = "signals"
    POLLIN = "pollin"
    GATE = "gate"
    CLEARS = "clears"
    SMALL_ZONES = "small-zones"


class PromiseVerdict(StrEnum):
    """The result of a check. KEPT: exercised and not broken."""

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
    """How often a log exercised an invariant, and where it breaks it."""

    invariant: Invariant
    tested: int
    breaks: tuple[Break, ...] = ()

    @property
    def verdict(self) -> PromiseVerdict:
        if self.breaks:
            return PromiseVerdict.BROKEN
        return PromiseVerdict.KEPT if self.tested else PromiseVerdict.NOT_EXERCISED


class Status(StrEnum):
    """What poll() calls the status; patches/README.md explains each."""

    ZONE = "zone"
    TAKEN = "taken"
    UNREAD = "unread"
    SWAPPED = "swapped"


class Asks(StrEnum):
    """What poll() asks before it gives POLLIN."""

    STATUS = "status"
    GATE = "gate"
    BOTH = "status and gate"
    EITHER = "status or gate"


class Wakes(StrEnum):
    """Which clients a notification wakes. FIFO: those that have waited longest."""

    NOBODY = "none"
    EVERYONE = "all"
    FIFO = "fifo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Memory is low at or below `factor` * (watermark `mark` + lowmem_reserve[MAX_NR_ZONES-1]).

    This is in pages of one zone, or with `sum` of all zones; high memory counts only with
    `highmem`. With `strict`, memory is low only below that.
    """

    factor: int = 2
    mark: str = "high"
    sum: bool = False
    strict: bool = False
    highmem: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """A revision's promises.

    `device` is (major, minor, mode) of the node `path`. poll() tests `gate` if `asks` says so;
    otherwise a notification does. `status` is None if poll() does not test one; `look_ns` is the
    period of the timer of SWAPPED. `rate_ns` is the least time between notifications in the whole
    system or, with `rate_of_cpu`, on one CPU; None: no limit. `guard_s` takes the number of
    watchers; None: there is no guard. `shares` takes the number of watchers and how many of them
    have FASYNC set, and returns how many of them one FIFO notification signals and wakes.
    `throttled`: one poll() per tick gets as far as the gate.
    """

    device: tuple[int, int, int]
    gate: Gate
    asks: Asks
    status: Status | None
    wakes: Wakes
    rate_ns: int | None = None
    rate_of_cpu: bool = False
    look_ns: int | None = None
    guard_s: Callable[[int], float] | None = None
    shares: Callable[[int, int], tuple[int, int]] | None = None
    path: str = "/dev/mem_notify"
    fasync: bool = False
    throttled: bool = False
    small_zone_divisor: int | None = None
