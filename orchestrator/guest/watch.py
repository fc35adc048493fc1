"""Is the guest getting on? Told by the log and by the CPU time that QEMU takes."""

from __future__ import annotations

import asyncio
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InfrastructureError
from orchestrator.guest.qmp import Monitor
from orchestrator.guest.region import Region
from orchestrator.guest.rendezvous import End
from orchestrator.model import Finding, Scenario

_PERIOD_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to give up.

    A guest hangs if there was no new record and no rendezvous while QEMU took `hang_cpu_seconds`
    of CPU time, so that a busy host does not make a guest hang; or for `idle_wall_seconds` in which
    QEMU took none; or if it goes on `overdue_guest_seconds` of guest time after the scenario's end.
    `qmp_seconds` is for the answer to one QMP command.
    """

    hang_cpu_seconds: float = 60.0
    idle_wall_seconds: float = 120.0
    overdue_guest_seconds: float = 120.0
    qmp_seconds: float = 20.0


class CpuClock:
    """CPU seconds that one process has taken, remembered when it is gone."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._seconds = 0.0

    def read(self) -> float:
        try:
            words = self._stat.read_text().rpartition(")")[2].split()
            self._seconds = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass  # reaped
        return self._seconds


async def watch(
    *, region: Region, cpu: CpuClock, monitor: Monitor, scenario: Scenario, limits: Limits
) -> End:
    """Return when the guest hangs, with the evidence.

    It also hangs if its clients write records for ever, but its init is stuck. All that is looked
    at is memory and /proc: a QMP command to a running guest would cost its repeatability.

    Raises InfrastructureError if QEMU does not answer when asked for the evidence, unless it is the
    guest that keeps it busy.
    """
    end_ns = scenario.start_ns + scenario.duration_ns
    seen = region.progress()
    burnt = idle = 0.0
    cpu_then, wall_then = cpu.read(), time.monotonic()
    while True:
        await asyncio.sleep(_PERIOD_SECONDS)
        cpu_now, wall_now = cpu.read(), time.monotonic()
        if cpu_now > cpu_then:
            burnt += cpu_now - cpu_then
        else:
            idle += wall_now - wall_then
        cpu_then, wall_then = cpu_now, wall_now
        newest_ns = region.newest_ns()
        if newest_ns > end_ns + limits.overdue_guest_seconds * 1e9:
            where = await _registers(monitor)
            return End(
                Finding.HANG,
                f"at {newest_ns / 1e9:.0f} s the guest has not ended its scenario "
                f"of {end_ns / 1e9:.0f} s; {where}",
            )
        if (progress := region.progress()) != seen:
            seen, burnt, idle = progress, 0.0, 0.0
        elif burnt >= limits.hang_cpu_seconds or idle >= limits.idle_wall_seconds:
            try:
                where = await _registers(monitor)
            except InfrastructureError as error:
                # One that spins with interrupts off keeps the main loop waiting until its turn
                # ends, which may be seconds of guest time.
                if error.kind != "qmp-timeout" or burnt < limits.hang_cpu_seconds:
                    raise
                where = str(error)
            return End(
                Finding.HANG,
                f"no record and no rendezvous for {burnt:.0f} CPU seconds of QEMU "
                f"and {idle:.0f} s without any; {where}",
            )


async def _registers(monitor: Monitor) -> str:
    """Stop the guest and have its registers written into the transcript; return the main ones."""
    await monitor.execute("stop")
    await monitor.execute("query-cpus-fast")
    arguments = {"command-line": "info registers -a"}
    text = str(await monitor.execute("human-monitor-command", **arguments))
    words = re.findall(r"\b(?:[ER]IP|[ER]FL|HLT)=\w+", text)
    return " ".join(words) + "; all registers are in qmp.jsonl"
