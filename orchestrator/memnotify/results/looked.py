"""A run's folder, looked at once: which cells have results, and what a command needs of each.

Of a large run it comes from the dataset (dataset.py), and from the folder of a cell only if that
lacks it. So a command looks at the files of each cell once, however often it needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from memnotify.digest import digest_value
from memnotify.jsontext import parse
from memnotify.results.dataset import Noted
from memnotify.results.folder import RECORDS, RunFolder, noted_verdict, read_manifest, read_verdict
from memnotify.results.manifest import Manifest
from memnotify.results.reaction import Reacted, reacted_as_noted, reacted_in
from memnotify.results.verdict import Verdict


class Looked:
    """What a run had when it was looked at.

    `whole` and `damaged` are as `RunFolder.results` returns them.
    """

    def __init__(
        self, run: RunFolder, whole: Mapping[str, Path], damaged: list[str], noted: Noted
    ) -> None:
        self.run = run
        self.whole = whole
        self.damaged = damaged
        self._noted = noted
        self._overviews: dict[str, Manifest | None] = {}

    @classmethod
    def at(cls, run: RunFolder) -> Self:
        """Look at a run. Raises as `RunFolder.results`."""
        return cls(run, *run.found())

    def verdict(self, cell_id: str) -> Verdict:
        """Return the verdict of a cell with results. Raises InputError if it is damaged."""
        folder = self.whole[cell_id]
        return noted_verdict(self._noted, folder) or read_verdict(folder)

    def verdicts(self) -> Iterator[Verdict]:
        """Yield all verdicts, in the order of the plan. Raises as `verdict`."""
        return map(self.verdict, self.whole)

    def overview(self, cell_id: str) -> Manifest:
        """Return a manifest that has what `Manifest.overview` has. Raises InputError."""
        text = self._noted.text(cell_id, "origin")
        if text is not None and text not in self._overviews:
            self._overviews[text] = _overview(text)
        found = None if text is None else self._overviews[text]
        return found or Manifest.from_overview(read_manifest(self.whole[cell_id]).overview())

    def reaction(self, cell_id: str) -> Reacted | None:
        """Return what `memnotify compare` needs of a cell's log; None without a log.

        Raises InputError if the log has to be read, and cannot.
        """
        folder = self.whole[cell_id]
        noted = reacted_as_noted(self._noted.text(cell_id, "reaction"))
        if noted is not None and (folder / RECORDS).exists():
            return noted
        return reacted_in(folder)


def _overview(text: str) -> Manifest | None:
    try:
        found = parse(text)
        return Manifest.from_overview(found) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None  # the cell's own manifest says the same


class Digests:
    """Digests of values that many cells share, such as their scenario: each is made once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str]] = {}  # by id(); the value is kept, and so its id

    def of(self, value: Any) -> str:
        """Return the digest of a JSON value that does not change."""
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = value, digest_value(value)
        return known[1]
