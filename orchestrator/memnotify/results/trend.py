"""Several runs of one campaign, oldest first: how each cell went, and whether its log changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from memnotify import toml
from memnotify.digest import digest_file
from memnotify.errors import InputError
from memnotify.files import resolved
from memnotify.records.compare import Agreement, compare
from memnotify.records.log import VIEWS
from memnotify.records.parquet import read_records
from memnotify.results.dates import Dates, dates_of
from memnotify.results.folder import CAMPAIGN, RECORDS, RunFolder, read_manifest, read_verdict
from memnotify.results.frames import CellResults


class Change(StrEnum):
    """How a cell compares with the run before in which it has results."""

    FIRST = "first"
    IDENTICAL = "identical"
    TIMES = "same records at other times"
    DIFFERENT = "different"
    UNKNOWN = "unknown: records were lost, or there is no log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One cell in one run. `inputs_changed`: it ran with another kernel, image or machine."""

    id: str
    outcome: str
    figures: Mapping[str, float | None]
    change: Change
    inputs_changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """`cells` has a point for each run, by the name of the cell; None: no results there."""

    runs: tuple[RunFolder, ...]
    dates: tuple[Dates, ...]
    cells: Mapping[str, tuple[Point | None, ...]]


def by_date(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return runs of one campaign, oldest first.

    Raises InputError if they are of several, or if one is named twice.
    """
    names: dict[str, RunFolder] = {}
    folders: dict[Path, RunFolder] = {}
    for run in runs:
        run.plan()
        if (other := folders.setdefault(resolved(run.path), run)) is not run:
            also = "" if other.path == run.path else f", also as {run.path}"
            raise InputError(
                f"{other.path} is named twice{also}",
                hint="a trend is of several runs; name each of them once",
            )
        value, _ = toml.read(run.path / CAMPAIGN)
        names.setdefault(str(value.get("name", run.path.name)), run)
    if len(names) > 1:
        (one, first), (another, second) = list(names.items())[:2]
        raise InputError(
            f"{first.path} is a run of campaign {one}, {second.path} one of {another}",
            hint="a trend is of several runs of one campaign",
        )
    # To date a run may take a look at each of its cells.
    return sorted(runs, key=lambda run: dates_of(run).ended) if len(runs) > 1 else list(runs)


def trend_of(runs: Sequence[RunFolder]) -> Trend:
    """Return the trend of runs, of which the oldest is the first."""
    names = dict.fromkeys(row.name for run in reversed(runs) for row in run.plan())
    cells: dict[str, list[Point | None]] = {name: [] for name in names}
    last: dict[str, Path] = {}
    for run in runs:
        whole, _ = run.results()
        found = {row.name: whole[row.id] for row in run.plan() if row.id in whole}
        for name, points in cells.items():
            folder = found.get(name)
            points.append(None if folder is None else _point(folder, last.get(name)))
            last |= {} if folder is None else {name: folder}
    return Trend(
        runs=tuple(runs),
        dates=tuple(map(dates_of, runs)),
        cells={name: tuple(points) for name, points in cells.items()},
    )


def _point(folder: Path, before: Path | None) -> Point:
    return Point(
        id=folder.name,
        outcome=str(read_verdict(folder).outcome),
        figures=CellResults(folder).reaction,
        change=Change.FIRST if before is None else _change(before, folder),
        inputs_changed=() if before is None else _other_inputs(before, folder),
    )


def _change(before: Path, now: Path) -> Change:
    files = [folder / RECORDS for folder in (before, now)]
    if not all(file.is_file() for file in files):
        return Change.UNKNOWN
    same = digest_file(files[0]) == digest_file(files[1])
    one = read_records(files[0])
    other = one if same else read_records(files[1])
    # The lost records may differ even if all others are the same.
    if one.lost or one.torn or other.lost or other.torn:
        return Change.UNKNOWN
    if same:
        return Change.IDENTICAL
    if one.records.dtype != other.records.dtype:
        return Change.DIFFERENT
    return _WORDS[compare(one.records, other.records, VIEWS).agreement]


_WORDS = {
    Agreement.EXACT: Change.IDENTICAL,
    Agreement.TIMES: Change.TIMES,
    Agreement.DIFFERS: Change.DIFFERENT,
}


def _other_inputs(before: Path, now: Path) -> tuple[str, ...]:
    one, other = (read_manifest(folder).digests for folder in (before, now))
    return tuple(name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name))
