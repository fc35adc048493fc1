"""What one QEMU takes of the host's memory, and whether the host's OOM killer took it away."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from memnotify import host
from memnotify.errors import InfrastructureError

HOST_OOM = "host-oom"
"""The kind of failure of a QEMU that the OOM killer took."""

_LATELY_S = 60.0
"""An exit of 16 GiB takes seconds, and only then do we hear of it."""

_OWN = re.compile(r"^(?:RssAnon|RssFile):\s+(\d+) kB", re.MULTILINE)


class MemoryMeter:
    """The most that one process has had of its own, as far as it was looked at.

    Memory that it shares with us by a file is not counted: the file tells that.
    """

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.peak_bytes = 0

    def look(self) -> None:
        try:
            text = self._status.read_text()
        except OSError:
            return  # reaped
        self.peak_bytes = max(self.peak_bytes, sum(map(int, _OWN.findall(text))) << 10)


class OomWatch:
    """Tells whether the OOM killer struck within the last minute, of the host or of our groups."""

    def __init__(self, count: Callable[[], host.OomKills] = host.oom_kills) -> None:
        self._count = count
        self._seen = deque([(time.monotonic(), count())])

    def look(self) -> None:
        """To be called now and then: what was long before does not count."""
        now = time.monotonic()
        self._seen.append((now, self._count()))
        while len(self._seen) > 1 and self._seen[1][0] < now - _LATELY_S:
            self._seen.popleft()

    def failure(self, *, had_mib: int) -> InfrastructureError | None:
        """Return what to say of a QEMU that was killed and had so much, if it was for memory."""
        before, now = self._seen[0][1], self._count()
        if (now.machine, now.group) == (before.machine, before.group):
            return None
        whose = "the host's OOM killer"
        # A kill for want of memory in the whole machine counts in the group of the killed, too.
        if now.group != before.group and now.at_limit != before.at_limit:
            whose = "the OOM killer of our control group"
        # Whom it took only the kernel's log tells, which is not ours to read.
        return InfrastructureError(
            HOST_OOM,
            f"QEMU was killed by {whose}; it had {had_mib} MiB, and the host has "
            f"{host.memory_mib()} MiB for all programs",
            hint="run fewer guests in parallel with -j, use a smaller memory_mib, or stop other "
            "programs that use memory",
        )
