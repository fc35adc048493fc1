"""What can be seen of a guest while it runs, from the memory that it shares with the host.

Looking costs the guest nothing, and the host little: each look copies only the records that are
new. Nobody has to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memnotify.guest.console import KernelConsole
from memnotify.guest.held import Holder
from memnotify.guest.own_clients import expected_statuses
from memnotify.guest.region import Region
from memnotify.model import Finding
from memnotify.records.clients import was_notified
from memnotify.records.exits import failed_exits, killed_exits, unexpected_exits
from memnotify.records.layout import BalloonPhase, CheckResult, Kind
from memnotify.records.log import RecordLog, Records, take
from memnotify.scenario import Program, Scenario
from memnotify.units import NS_PER_S

_AT_ONCE = 1 << 14
"""Records in one copy, which is 1 MiB."""

_MOST_UNFINISHED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Glimpse:
    """A guest at one moment.

    `guest_s` of the scenario's `of_s` seconds are over; `wakeups` are notifications, as in the
    figures of a run. `findings` are those that its log or its console show so far.
    """

    guest_s: float
    of_s: float
    wakeups: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """What follows a guest: `on_stage` gets its stages, `on_view` a view once it runs.

    With a `holder`, the guest is stopped when it shows a finding, and held.
    """

    on_stage: Callable[[str], None] = lambda stage: None
    on_view: Callable[[View], None] = lambda view: None
    holder: Holder | None = None


UNWATCHED = Watcher()


class View:
    """One guest's memory and console, for one reader, who may be in another thread.

    `programs` are those of the user's own that clients of the scenario run.
    """

    def __init__(
        self,
        region: Region,
        console: KernelConsole,
        scenario: Scenario,
        programs: Sequence[Program] = (),
    ) -> None:
        self._region = region
        self._console = console
        self._start_ns = scenario.start_ns
        self._duration_ns = scenario.duration_ns
        self._programs = programs
        self._statuses: dict[int, int] = {}  # which clients of the user's own may end with
        self._seen = 0
        self._unfinished: list[int] = []
        self._wakeups = 0
        self._findings: dict[Finding, int | None] = {}

    def look(self) -> Glimpse | None:
        """Return what can be seen; None once the guest and its memory are gone."""
        try:
            newest_ns = self._region.newest_ns()
            self._read_on(self._region.claimed())
        except ValueError:
            return None  # the memory was unmapped, perhaps at this moment
        if self._console.panic is not None:
            self._findings.setdefault(Finding.PANIC, None)
        if self._console.oom is not None:
            self._findings.setdefault(Finding.OOM_KILL, None)
        over_ns = max(0, min(newest_ns - self._start_ns, self._duration_ns))
        return Glimpse(
            guest_s=over_ns / NS_PER_S,
            of_s=self._duration_ns / NS_PER_S,
            wakeups=self._wakeups,
            findings=tuple(finding for finding in Finding if finding in self._findings),
        )

    def first_of(self, finding: Finding) -> int | None:
        """Return the number, from 0, of the first record that shows a finding, if one does."""
        return self._findings.get(finding)

    def _note(self, finding: Finding, rows: Records) -> None:
        if len(rows):
            self._findings.setdefault(finding, int(rows["commit"][0]) - 1)

    def _read_on(self, claimed: int) -> None:
        late, self._unfinished = self._unfinished, []
        for index in late:
            self._count(index, self._region.some(index, index + 1))
        while self._seen < claimed:
            end = min(claimed, self._seen + _AT_ONCE)
            self._count(self._seen, self._region.some(self._seen, end))
            self._seen = end

    def _count(self, first: int, records: Records) -> None:
        """Count these records; `first` is the number of the first, from 0."""
        numbers: NDArray[np.uint32] = np.arange(first + 1, first + 1 + len(records), dtype="<u4")
        there = records["commit"] == numbers
        if not there.all():
            # Being written just now, or torn. A guest cannot make this list long.
            waiting = np.flatnonzero(records["commit"] == 0) + first
            self._unfinished += waiting[: _MOST_UNFINISHED - len(self._unfinished)].tolist()
            records = take(records, there)
        log = RecordLog(records, lost=0, torn=0)
        self._wakeups += int(was_notified(log.kind(Kind.WAKEUP)).sum())
        samples, exits = log.kind(Kind.RECLAIM), failed_exits(log)
        if self._programs:
            self._statuses |= expected_statuses(log.kind(Kind.PROGRAM), self._programs)
        checks, moves = log.kind(Kind.SELF_CHECK), log.kind(Kind.BALLOON)
        self._note(Finding.OOM_KILL, take(samples, samples["oom_kill"] != 0))
        self._note(Finding.OOM_KILL, killed_exits(log))
        self._note(Finding.CLIENT, unexpected_exits(log, self._statuses))
        own = np.isin(exits["client"], list(self._statuses))
        self._note(Finding.AGENT, take(exits, ~own))
        self._note(Finding.SELF_CHECK, take(checks, checks["result"] == CheckResult.FAILED))
        self._note(Finding.BALLOON, take(moves, moves["phase"] == BalloonPhase.MISSED))
