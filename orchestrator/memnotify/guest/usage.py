"""The host memory that one QEMU takes, and whether the host's OOM killer killed it."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from memnotify import host
from memnotify.errors import InfrastructureError

HOST_OOM = "host-oom"
"""The failure kind of a QEMU that the OOM killer killed."""

_LATELY_S = 60.0
"""A QEMU with 16 GiB takes seconds to exit, and we only learn of it then."""

_SELDOM_S = 10.0
"""The interval of samples: the counts are in a dozen files."""

_OWN = re.compile(r"^(?:RssAnon|RssFile):\s+(\d+) kB", re.MULTILINE)


class MemoryMeter:
    """The highest private memory of one process among all samples taken.

    Memory that it shares with us through a file is not counted here; the file shows its size.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.peak_bytes = 0

    def look(self) -> None:
        try:
            text = self._status.read_text(encoding="utf-8")
        except OSError:
            return  # reaped
        self.peak_bytes = max(self.peak_bytes, sum(map(int, _OWN.findall(text))) << 10)


class OomWatch:
    """Tells whether the host's or our groups' OOM killer struck in the last minute or so."""

    def __init__(self, count: Callable[[], host.OomKills] = host.oom_kills) -> None:
        self._count = count
        self._seen = deque([(time.monotonic(), count())])

    def look(self) -> None:
        """Sample the counts if it is time. Call this regularly: old kills do not count."""
        now = time.monotonic()
        if now - self._seen[-1][0] < _SELDOM_S:
            return
        self._seen.append((now, self._count()))
        while len(self._seen) > 1 and self._seen[1][0] < now - _LATELY_S:
            self._seen.popleft()

    def failure(self, *, had_mib: int) -> InfrastructureError | None:
        """Return a failure if the OOM killer may have killed this QEMU, which had `had_mib` MiB."""
        before, now = self._seen[0][1], self._count()
        if (now.machine, now.group) == (before.machine, before.group):
            return None
        whose = "the host's OOM killer"
        # A kill because the whole machine lacks memory also counts in the group of the victim.
        if now.group != before.group and now.at_limit != before.at_limit:
            whose = "the OOM killer of our control group"
        # Only the kernel's log names the victim, and we may not read that.
        return InfrastructureError(
            HOST_OOM,
            f"QEMU was killed by {whose}; it had {had_mib} MiB, and the host has "
            f"{host.memory_mib()} MiB for all programs",
            hint="run fewer guests in parallel with -j, use a smaller memory_mib, or stop other "
            "programs that use memory",
        )
