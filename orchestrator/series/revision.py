"""What a revision of the series promises, as data: patches/mem_notify/<revision>/revision.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from orchestrator import toml
from orchestrator.series.quilt import MEM_NOTIFY, NONE, bases_of
from orchestrator.series.registered import revision_of

FILE = "revision.toml"

_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]


class Device(toml.Table):
    """The character device; `mode` is that of its node."""

    path: Annotated[str, toml.spelled(r"/dev/\S+", "a path below /dev/")]
    major: _Count
    minor: _Count
    mode: Annotated[int, Field(ge=0, le=0o777)]


class Gate(toml.Table):
    """Memory is low at or below factor * (high watermark + lowmem_reserve[MAX_NR_ZONES-1]) pages.

    `of` one zone: the gate of a notification. Of the `sum` of all zones that are not highmem: asked
    by poll(), which gives POLLIN strictly below it.
    """

    factor: Annotated[int, Field(ge=1)]
    of: Literal["zone", "sum"]


class Rate(toml.Table):
    """No two notifications within `ms` milliseconds, in the whole system or on one CPU."""

    ms: Annotated[int, Field(ge=1)]
    of: Literal["system", "cpu"]


class ConstantGuard(toml.Table):
    """An open file gets no second POLLIN within `seconds`."""

    kind: Literal["constant"]
    seconds: _Seconds

    def seconds_for(self, watchers: int) -> float:
        """Return the seconds; the number of watchers is all the same."""
        return self.seconds


class PerWatcherGuard(toml.Table):
    """As ConstantGuard, but min(seconds * watchers, at_most_s)."""

    kind: Literal["per_watcher"]
    seconds: _Seconds
    at_most_s: _Seconds

    def seconds_for(self, watchers: int) -> float:
        """Return the seconds with so many files open on the device."""
        return min(self.seconds * watchers, self.at_most_s)


class Batch(toml.Table):
    """Whom a notification wakes.

    `all`: everyone. `fifo`: of the watchers who have waited longest
    clamp((watchers >> shift) + plus, at_least, at_most).
    """

    order: Literal["all", "fifo"]
    shift: _Count | None = None
    plus: _Count = 0
    at_least: _Count = 0
    at_most: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _formula(self) -> Self:
        if self.order == "fifo" and self.shift is None:
            raise ValueError('order = "fifo" needs shift')
        given = self.model_fields_set & {"shift", "plus", "at_least", "at_most"}
        if self.order == "all" and given:
            raise ValueError(f'order = "all" has no {", ".join(sorted(given))}')
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError("at_most is less than at_least")
        return self

    def limit(self, watchers: int) -> int:
        """Return the most that one notification wakes with so many files open on the device."""
        if self.shift is None:
            return watchers
        nr = max((watchers >> self.shift) + self.plus, self.at_least)
        return nr if self.at_most is None else min(nr, self.at_most)


class Revision(toml.Table):
    """The whole file; what a revision does not have is left out of it.

    `pollin` is what poll() asks: if some zone's status is 1, or if the sum of the gate is low.
    `small_zone_divisor`: a zone with less than this part of its node's pages has the status -1 and
    is ignored. `fasync`: how the share of a batch that gets SIGIO is rounded. `zoneinfo`: where
    mem_notify_status stands in /proc/zoneinfo.
    """

    device: Device
    gate: Gate
    rate: Rate
    batch: Batch
    pollin: Literal["status", "sum"]
    guard: Annotated[ConstantGuard | PerWatcherGuard, Field(discriminator="kind")] | None = None
    small_zone_divisor: Annotated[int, Field(ge=2)] | None = None
    fasync: Literal["truncate", "ceil"] | None = None
    zoneinfo: Literal["before_start_pfn", "after_start_pfn"] | None = None

    def guard_s(self, watchers: int) -> float:
        """Return the seconds within which no file gets a second POLLIN; 0 without a guard."""
        return self.guard.seconds_for(watchers) if self.guard else 0.0

    def shares(self, watchers: int, fasync: int) -> tuple[int, int]:
        """Return how many of a batch get SIGIO and how many pollers wake, at the most.

        `fasync` of the `watchers` have FASYNC set. Raises ZeroDivisionError where the kernel
        divides by zero, too.
        """
        nr = self.batch.limit(watchers)
        if self.fasync is None:
            return 0, nr
        if self.fasync == "truncate":
            signals = nr * fasync // watchers
            return signals, nr - signals
        if not watchers:
            return 0, 0
        signals, polls = (min(-(-nr * n // watchers), n) for n in (fasync, watchers - fasync))
        return signals, polls


def load_revision(revision: str, *, root: Path = MEM_NOTIFY) -> Revision | None:
    """Return what a revision promises; None if no promises of it are on file.

    The originals of a revision, which a user has registered, promise what it promises. Raises
    InputError if there is no such revision, or if its file is wrong.
    """
    if revision != NONE:
        bases_of(revision, root=root)
    path = root / revision / FILE
    if root == MEM_NOTIFY and not path.exists():
        path = root / (revision_of(revision) or revision) / FILE
    return toml.load(path, Revision) if path.exists() else None
