"""How long each cell took the last time, by name, over all runs of this user."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from statistics import mean

from memnotify.files import replace_text
from memnotify.jsontext import dump, parse
from memnotify.results.summary import Job
from memnotify.store import Store

_EVERY_S = 5.0


class Durations:
    """Wall seconds in one file of the store. They only order work, so a damaged file is ignored."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file = store.folder("durations") / "seconds.json"
        self._noted: dict[str, float] = {}
        self._written = -math.inf

    def note(self, name: str, seconds: float) -> None:
        """Note how long a cell took, and write it now and then: the file may be long."""
        self._noted[name] = round(seconds, 3)
        if time.monotonic() - self._written > _EVERY_S:
            self.write()

    def write(self) -> None:
        """Store what was noted, if that can be written."""
        if not self._noted:
            return
        with contextlib.suppress(OSError), self._store.lock("durations"):
            known = self.known() | self._noted
            # On one line: Python's own encoder is in C, but only without indentation.
            replace_text(self._file, dump(known, indent=None))
            self._noted = {}
        self._written = time.monotonic()

    def longest_first(self, jobs: Sequence[Job]) -> list[Job]:
        """Return jobs in an order that leaves no long one to run alone at the end.

        An unknown duration counts as the mean of the known ones. Among equals, the job with more
        clients, then with more memory, goes first.
        """
        known = self.known()
        seconds = [known[job.name] for job in jobs if job.name in known]
        usual = mean(seconds) if seconds else 0.0
        return sorted(
            jobs,
            key=lambda job: (
                -known.get(job.name, usual),
                -job.cell.clients,
                -job.cell.memory_mib,
            ),
        )

    def known(self) -> dict[str, float]:
        """Return the wall seconds of each cell that has run, by its name."""
        try:
            return {
                str(name): float(s)
                for name, s in parse(self._file.read_text(encoding="utf-8")).items()
            }
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}
