"""Where the guests of two series part: the first wakeup that one has and the other has not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from memnotify.errors import InputError
from memnotify.records.clients import notified
from memnotify.records.log import Ints, RecordLog, Records, indexes, ints
from memnotify.records.parquet import read_records
from memnotify.results.comparison import COMPARED
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.series.own import is_word, means
from memnotify.text import counted, known_names
from memnotify.units import NS_PER_S

NEAR_NS = 100_000_000
"""Wakeups of a client that are no further apart than this count as the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Where two cells part. `cells` are their ids, and `setting` what they have in common."""

    cells: tuple[str, str]
    setting: str
    text: str

    def line(self) -> str:
        return f"{self.setting} ({self.cells[0]}, {self.cells[1]}): {self.text}"


def partings(path: Path, old: str, new: str) -> Iterator[Parting]:
    """Yield where the cells of two series of a run part, for each setting that both have.

    The series are named as in a campaign. Raises InputError if the run lacks cells of one.
    """
    run = RunFolder(path)
    whole, _ = run.results()
    rows = [row for row in run.plan() if row.id in whole and (whole[row.id] / RECORDS).exists()]
    there = list(dict.fromkeys(str(row.value("series")) for row in rows))
    names = [_named(word, there, path) for word in (old, new)]
    cells = [
        {
            tuple(row.value(axis) for axis in COMPARED if axis != "series"): row.id
            for row in rows
            if row.value("series") == name
        }
        for name in names
    ]
    axes = [axis for axis in COMPARED if axis != "series"]
    both = [point for point in cells[0] if point in cells[1]]
    differ = [n for n in range(len(axes)) if len({point[n] for point in both}) > 1]
    for point in both:
        one, other = cells[0][point], cells[1][point]
        logs = [read_records(whole[cell] / RECORDS) for cell in (one, other)]
        where = ", ".join(f"{axes[n]} {point[n]}" for n in differ) or str(point[axes.index("base")])
        text = parting(logs[0], logs[1], names)
        yield Parting(cells=(one, other), setting=where, text=text)


def _named(word: str, there: Sequence[str], path: Path) -> str:
    """Return the series of a run that a word means; one such as v4/6.1 also names a base."""
    bare = word if is_word(word) else word.partition("/")[0]
    found = [name for name in there if means(bare, name)]
    if len(found) > 1:
        raise InputError(f"{path} has several states of {word}: {', '.join(found)}")
    if not found:
        raise InputError(f"{path} has no results of {word}", hint=known_names(bare, there))
    return found[0]


def parting(one: RecordLog, other: RecordLog, names: Sequence[str]) -> str:
    """Return which wakeups two guests have in common, and what each did where they part."""
    if np.array_equal(one.records, other.records):
        return "the records are identical"
    mine, theirs = notified(one), notified(other)
    common = _common(mine, theirs, one.start_ns, other.start_ns)
    if common == len(mine) == len(theirs):
        some = counted(common, "wakeup")
        return f"the same {some}, at most 0.1 s apart" if common else "nobody is woken"
    sides = (_next(one, mine, common, names[0]), _next(other, theirs, common, names[1]))
    begin = f"the same {counted(common, 'wakeup')}; then" if common else "no common wakeup:"
    return f"{begin} {sides[0]}, and {sides[1]}"


def _common(mine: Records, theirs: Records, start: int, their_start: int) -> int:
    """Return how many wakeups are the same from the first on: of the same clients, in order.

    Clients that are woken together may log it in another order.
    """
    least = min(len(mine), len(theirs))
    a, b = _places(mine, start)[:least], _places(theirs, their_start)[:least]
    apart = np.flatnonzero(np.abs(a[:, 1] - b[:, 1]) > NEAR_NS)
    end = int(apart[0]) if apart.size else least
    for count in range(end, 0, -1):
        if sorted(a[:count, 0].tolist()) == sorted(b[:count, 0].tolist()):
            return count
    return 0


def _places(wakeups: Records, start: int) -> Ints:
    return np.stack([ints(wakeups["client"]), ints(wakeups["time_ns"]) - start], axis=1)


def _next(log: RecordLog, wakeups: Records, common: int, name: str) -> str:
    if common >= len(wakeups):
        return f"{name} wakes nobody any more"
    row = wakeups[common : common + 1]
    when = (int(row["time_ns"][0]) - log.start_ns) / NS_PER_S
    return f"{name} wakes client {int(row['client'][0])} at {when:.3f} s (record {indexes(row)[0]})"
