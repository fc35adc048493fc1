"""Detects a hung guest from its log, its init's signs of life, and QEMU's CPU time."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from memnotify.errors import InfrastructureError
from memnotify.guest.qmp import Monitor
from memnotify.guest.region import Region
from memnotify.guest.rendezvous import End
from memnotify.model import Cell, Finding
from memnotify.scenario import Scenario
from memnotify.units import NS_PER_S

_PERIOD_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to give up on a guest.

    A guest hangs if it gives no sign of life while QEMU uses `hang_cpu_seconds` of CPU time, so
    that a busy host does not count as a hang; or for `idle_wall_seconds` in which QEMU uses none;
    or if its clients still write records `overdue_guest_seconds` of guest time after the
    scenario's end, but its init gives no sign of life for as long as above. Records written more
    than `teardown_guest_seconds` after the end are left out of the log, and nobody waits for them:
    thousands of processes that are swapped out take longer to end than the scenario took.
    `qmp_seconds` is the timeout for one QMP command.
    """

    hang_cpu_seconds: float = 60.0
    idle_wall_seconds: float = 120.0
    overdue_guest_seconds: float = 120.0
    teardown_guest_seconds: float = 60.0
    qmp_seconds: float = 20.0


_CPU_SECONDS_EACH_SECOND = 40.0
"""Allowance for a busy guest second. Seen, at 1 ns per instruction on a busy host: up to 23."""

_CPU_SECONDS_EACH_PROCESS = 0.01
"""Allowance for its exit: if all exit at once, the first to begin may be the last to finish."""


_CPU_SECONDS_EACH_GIB = 30.0
"""Allowance for one allocation that scans all memory before it finds a page, as in init's fork();
no sign of life comes meanwhile. Seen: 12 500 processes in 16 GiB, seconds of guest time.
"""


def cpu_patience(scenario: Scenario, memory_mib: int, limits: Limits) -> float:
    """Return how many CPU seconds without a sign of life make this scenario's guest count as hung.

    A slow guest is not a dead one: it need not give a sign of life between two samples, while
    thousands of its processes exit, or while it looks for a free page.
    """
    return (
        limits.hang_cpu_seconds
        + memory_mib / 1024 * _CPU_SECONDS_EACH_GIB
        + scenario.sample_ns / NS_PER_S * _CPU_SECONDS_EACH_SECOND
        + scenario.processes * _CPU_SECONDS_EACH_PROCESS
    )


class CpuClock:
    """The CPU seconds that one process has used, kept after it is gone."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._seconds = 0.0

    def read(self) -> float:
        try:
            words = self._stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            self._seconds = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass  # reaped
        return self._seconds


class _Since:
    """QEMU's CPU and idle time since something last changed."""

    def __init__(self, seen: object) -> None:
        self.cpu = self.idle = 0.0
        self._seen = seen

    def look(self, now: object, *, cpu: float, wall: float) -> None:
        if now != self._seen:
            self._seen, self.cpu, self.idle = now, 0.0, 0.0
        elif cpu > 0:
            self.cpu += cpu
        else:
            self.idle += wall

    def __str__(self) -> str:
        return f"for {self.cpu:.0f} CPU seconds of QEMU and {self.idle:.0f} s without any"


async def watch(
    *,
    region: Region,
    cpu: CpuClock,
    monitor: Monitor,
    cell: Cell,
    limits: Limits,
    is_held: Callable[[], bool] = lambda: False,
) -> End:
    """Return when the guest hangs, with the evidence, or takes too long to end its processes.

    It also hangs if its clients write records forever while its init is stuck. This only reads
    memory and /proc: a QMP command to a running guest would make it unrepeatable. Time in which the
    guest `is_held` does not count.

    Raises InfrastructureError if QEMU does not answer when asked for the evidence, unless the guest
    is what keeps it busy.
    """
    end_ns = cell.scenario.start_ns + cell.scenario.duration_ns
    patience = cpu_patience(cell.scenario, cell.memory_mib, limits)
    anyone, init = _Since(region.progress()), _Since(region.beats())
    cpu_then, wall_then = cpu.read(), time.monotonic()

    def over(since: _Since) -> bool:
        return since.cpu >= patience or since.idle >= limits.idle_wall_seconds

    while True:
        await asyncio.sleep(_PERIOD_SECONDS)
        cpu_now, wall_now = cpu.read(), time.monotonic()
        taken = {"cpu": cpu_now - cpu_then, "wall": wall_now - wall_then}
        cpu_then, wall_then = cpu_now, wall_now
        if is_held():
            continue
        init.look(region.beats(), **taken)
        anyone.look(region.progress(), **taken)
        newest_ns, ended_ns = region.newest_ns(), region.ended_ns()
        # One second more: another CPU may still be writing a record that it claimed before.
        last_ns = log_ends_ns(cell, ended_ns, limits)
        if last_ns is not None and newest_ns > last_ns + NS_PER_S:
            await monitor.execute("stop")
            return End(detail=_cut(limits))
        if over(anyone):
            try:
                where = await _registers(monitor)
            except InfrastructureError as error:
                # A guest that spins with interrupts off keeps the main loop waiting until its turn
                # ends, which may take seconds of guest time.
                if error.kind != "qmp-timeout" or anyone.cpu < patience:
                    raise
                where = str(error)
            return End(Finding.HANG, f"no record, no rendezvous, no sign of init {anyone}; {where}")
        if newest_ns > end_ns + limits.overdue_guest_seconds * NS_PER_S and over(init):
            where = await _registers(monitor)
            return End(
                Finding.HANG,
                f"at {newest_ns / NS_PER_S:.0f} s the guest has not ended its scenario "
                f"of {end_ns / NS_PER_S:.0f} s: records, but no sign of init {init}; {where}",
            )


def log_ends_ns(cell: Cell, ended_ns: int, limits: Limits) -> int | None:
    """Return the guest time after which records are not the cell's any more; None before its end.

    `ended_ns` is the guest's claim. A claim that comes too early is not believed.
    """
    if ended_ns < cell.scenario.start_ns + cell.scenario.duration_ns:
        return None
    return ended_ns + round(limits.teardown_guest_seconds * NS_PER_S)


def _cut(limits: Limits) -> str:
    seconds = limits.teardown_guest_seconds
    return f"its processes had not all ended {seconds:g} s after the scenario; the log ends there"


async def _registers(monitor: Monitor) -> str:
    """Stop the guest and write its registers to the transcript; return the main ones."""
    await monitor.execute("stop")
    await monitor.execute("query-cpus-fast")
    arguments = {"command-line": "info registers -a"}
    text = str(await monitor.execute("human-monitor-command", **arguments))
    words = re.findall(r"\b(?:[ER]IP|[ER]FL|HLT)=\w+", text)
    return " ".join(words) + "; all registers are in qmp.jsonl"
