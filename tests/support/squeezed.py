"""Guests under pressure, and their wakeups: shared by the tests of all revisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Required, TypedDict, Unpack

import numpy as np
from memnotify.guest.watchdog import Limits
from memnotify.model import Arch, CellResult
from memnotify.records.log import RecordLog
from memnotify.scenario import Balloon, ClientKind, Clients, Hog, Scenario, Step

SECOND = 10**9
MIB = 1024  # KiB
JIFFY = SECOND // 250
MEM_NOTIFY_FREQ = SECOND // 5

# How long a woken client may take to log its wakeup: others run before it, and reclaim as well.
LATE = SECOND // 10


def squeeze(
    *,
    start_s: int,
    clients: int,
    fasync: int = 0,
    duration_s: int = 30,
    rate_mib_s: int = 3,
    spacing_ms: int = 0,
    kind: ClientKind = ClientKind.POLL,
) -> Scenario:
    """Return clients, then anonymous memory that grows beyond RAM, in a guest that shrinks.

    The clients are of one `kind`; `fasync` further ones do not poll but want SIGIO. They start
    `spacing_ms` apart.
    """
    spacing = spacing_ms * SECOND // 1000
    signalled = Step(at_ns=0, action=Clients(kind=ClientKind.FASYNC, count=fasync))
    return Scenario(
        name="test",
        start_ns=start_s * SECOND,
        duration_ns=duration_s * SECOND,
        sample_ns=SECOND // 10,
        steps=(
            Step(at_ns=0, action=Clients(kind=kind, count=clients, spacing_ns=spacing)),
            *([signalled] if fasync else []),
            Step(at_ns=SECOND, action=Hog(rate_kib_s=rate_mib_s * MIB, ceiling_kib=140 * MIB)),
            Step(at_ns=5 * SECOND, action=Balloon(target_kib=54 * MIB, settle_ns=2 * SECOND)),
        ),
    )


@dataclass(frozen=True)
class Guest:
    """A log and its wakeups: times in ns of guest time, and clients, in order of time."""

    base: str
    log: RecordLog
    times: np.ndarray
    clients: np.ndarray


class Host(TypedDict, total=False):
    """What a scenario runs on. The guest has 64 MiB and is a `pc-swap` if it is not said.

    `root` has the series.
    """

    base: Required[str]
    arch: Required[Arch]
    memory_mib: int
    machine: str
    root: Path


class Runner(Protocol):
    """Runs a scenario in a guest, which must end well."""

    def __call__(self, series: str, scenario: Scenario, **host: Unpack[Host]) -> Guest: ...


class Ending(Protocol):
    """Runs a scenario in a guest, however that ends. Returns the outcome, and its folder."""

    def __call__(
        self,
        series: str,
        scenario: Scenario,
        *,
        limits: Limits | None = None,
        **host: Unpack[Host],
    ) -> tuple[CellResult, Path]: ...


def notifications(times: np.ndarray) -> list[np.ndarray]:
    """Split wakeups where two of them are more than LATE apart."""
    return np.split(times, np.flatnonzero(np.diff(times) > LATE) + 1)
