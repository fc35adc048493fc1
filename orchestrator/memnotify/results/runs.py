"""The runs below a folder, at a glance: nothing is checked against its digest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memnotify import toml
from memnotify.errors import InputError
from memnotify.model import Ending
from memnotify.results.folder import CAMPAIGN, PLAN, VERDICT, RunFolder, read_verdict

_DEEPEST = 4
"""Folders below the given one in which runs are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run: how many of its cells have results, and with which outcomes.

    `wrong` says what cannot be read. `changed` is when its last result was written, in seconds
    since 1970, `size` in bytes.
    """

    run: str
    campaign: str | None
    cells: int
    done: int
    ok: int
    findings: int
    failures: int
    changed: float
    size: int
    wrong: str | None = None

    @property
    def date(self) -> str:
        """The time of the last result, in UTC."""
        return datetime.fromtimestamp(self.changed, UTC).strftime("%Y-%m-%d %H:%M")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"changed": self.date}


def runs_below(root: Path) -> Iterator[RunSummary]:
    """Yield the runs in a folder and below it, sorted by path. Raises InputError without any."""
    found = False
    for path in run_folders(root):
        found = True
        yield _summary(path)
    if not found:
        raise InputError(f"no run is below {root}", hint="name the folder that holds your runs")


def run_folders(root: Path) -> Iterator[Path]:
    """Yield the folders of runs in a folder and below it, sorted; links are not followed."""
    yield from _folders(root, _DEEPEST)


def _folders(root: Path, depth: int) -> Iterator[Path]:
    if (root / PLAN).is_file():
        yield root
        return
    try:
        below = sorted(Path(entry) for entry in os.scandir(root) if entry.is_dir())
    except OSError as error:
        if depth == _DEEPEST:
            raise InputError(f"cannot be read: {error.strerror}", file=root) from error
        return
    for path in below if depth else ():
        if not path.is_symlink() and not path.name.startswith("."):
            yield from _folders(path, depth - 1)


def _summary(path: Path) -> RunSummary:
    run, campaign, wrong = RunFolder(path), None, None
    count: Counter[Ending] = Counter()
    changed, planned = (path / PLAN).stat().st_mtime, 0
    try:
        plan = run.plan()
        planned = len(plan)
        value, _ = toml.read(path / CAMPAIGN)
        campaign = str(value.get("name", path.name))
        for row in plan:
            folder = run.cells / row.id
            if (folder / VERDICT).is_file():
                count[read_verdict(folder).outcome.ending] += 1
                changed = max(changed, (folder / VERDICT).stat().st_mtime)
    except InputError as error:
        wrong = str(error)
    return RunSummary(
        run=str(path),
        campaign=campaign,
        cells=planned,
        done=count.total(),
        ok=count[Ending.OK],
        findings=count[Ending.FINDING],
        failures=count[Ending.INFRASTRUCTURE],
        changed=changed,
        size=sum(_size(Path(folder, name)) for folder, _, files in os.walk(path) for name in files),
        wrong=wrong,
    )


def _size(file: Path) -> int:
    try:
        return file.lstat().st_blocks * 512
    except OSError:
        return 0  # removed meanwhile
