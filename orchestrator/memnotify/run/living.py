"""A process of this machine, and whether it still runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this machine, and when it began, as another may have its number later."""

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> Self:
        return cls(pid, _began(pid) or 0)

    def runs(self) -> bool:
        return self.began != 0 and _began(self.pid) == self.began


NOBODY = Process(0, 0)
"""A process that does not run."""


def _began(pid: int) -> int | None:
    """Return when a process began, in ticks since boot; None if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # from the third on
    return None if fields[0] in "ZX" else int(fields[19])
