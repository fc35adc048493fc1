"""The headline of a report: whether all is well, and otherwise what is not."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from memnotify.report.cells import CaseStatus, ExpectReport
from memnotify.report.page.gather import Gathered
from memnotify.series.quilt import is_known
from memnotify.series.revision import load_revision
from memnotify.text import counted


class Level(StrEnum):
    """FAILED: an expectation, a promise or the testbed; LOOK: a finding, or cells not run."""

    GOOD = "good"
    LOOK = "look"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One thing that went wrong: in which cell, if in one, what it is, and in detail."""

    cell: str | None
    name: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    level: Level
    text: str
    wrong: tuple[Wrong, ...]


_SEEDS = ("repeat", "seed")
_SIZES = ("clients", "memory_mib")
_WORDS = {Level.GOOD: "As promised", Level.LOOK: "Worth a look", Level.FAILED: "Failed"}
_NOTHING_PROMISED = "Nothing was promised"


def headline(cells: Sequence[Gathered], expected: Sequence[ExpectReport]) -> Headline:
    """Return the headline of a run."""
    count = Counter(cell.report.status for cell in cells)
    unmet = sum(one.status is CaseStatus.FAILED for one in expected)
    broken = [cell for cell in cells if cell.broken]
    parts, level = [], Level.GOOD
    if unmet:
        total = counted(len(expected), "expectation")
        parts.append(f"{unmet} of {total} not met")
    if broken:
        names = dict.fromkeys(
            str(one.invariant) for cell in broken for one in cell.promises if one.broken
        )
        what = f"{'promise' if len(names) == 1 else 'promises'} {', '.join(names)}"
        parts.append(f"{what} broken in {counted(len(broken), 'cell')}")
    if count[CaseStatus.ERROR]:
        parts.append(counted(count[CaseStatus.ERROR], "infrastructure failure"))
    if parts:
        level = Level.FAILED
    if count[CaseStatus.FAILED]:
        parts.append(counted(count[CaseStatus.FAILED], "finding"))
    if count[CaseStatus.SKIPPED]:
        parts.append(f"{counted(count[CaseStatus.SKIPPED], 'cell')} not run")
    if unchecked := sum(cell.unchecked for cell in cells):
        parts.append(f"promises not checked in {counted(unchecked, 'cell')}")
    if parts and level is Level.GOOD:
        level = Level.LOOK
    parts.append(f"{count[CaseStatus.PASSED]} of {counted(len(cells), 'cell')} ok")
    kept = sum(cell.kept for cell in cells)
    if kept and not broken:
        parts.append(f"{counted(kept, 'promise')} kept")
    met = sum(one.status is CaseStatus.PASSED for one in expected)
    if met and not unmet:
        parts.append(f"{counted(met, 'expectation')} met")
    word = _WORDS[level] if level is not Level.GOOD or kept or met else _NOTHING_PROMISED
    return Headline(
        level=level,
        text=f"{word}: {', '.join(parts)}",
        wrong=tuple(_wrong(cells, expected)),
    )


def _wrong(cells: Sequence[Gathered], expected: Sequence[ExpectReport]) -> list[Wrong]:
    """Return what went wrong, what matters most first."""
    found = [
        Wrong(cell=None, name=one.says, what="expectation", detail=f"{one.what}: {one.result}")
        for one in expected
        if one.status is CaseStatus.FAILED
    ]
    for cell in cells:
        for one in cell.promises:
            if one.broken:
                what = f"promise {one.invariant}"
                detail = f"broken {counted(one.broken, 'time')}; {one.breaks[0][1]}"
                found.append(Wrong(cell=cell.id, name=cell.report.name, what=what, detail=detail))
    order = (CaseStatus.ERROR, CaseStatus.FAILED, CaseStatus.SKIPPED)
    for status in order:
        found += [
            Wrong(
                cell=None if status is CaseStatus.SKIPPED else cell.id,
                name=cell.report.name,
                what=cell.report.outcome,
                detail=cell.report.detail,
            )
            for cell in cells
            if cell.report.status is status
        ]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run says in one sentence, the cell that shows it best, and what the kernel reckons.

    `why` is "" if no revision here limits how many it wakes.
    """

    text: str
    cell: str
    why: str


def answer(cells: Sequence[Gathered]) -> Answer | None:
    """Return how many clients each series wakes at once, where there are most of them."""
    there = [cell for cell in cells if cell.reaction.get("herd") is not None]
    if not there:
        return None
    # Of equals the one with the most clients, then the most memory, as `memnotify plot` chooses.
    best = max(there, key=lambda cell: (cell.reaction["herd"] or 0, *map(cell.size, _SIZES)))
    others = [axis for axis in best.axes if axis not in ("series", *_SEEDS)]
    alike = [cell for cell in there if all(cell.axes.get(a) == best.axes[a] for a in others)]
    herds: dict[str, list[float]] = {}
    for cell in alike:
        herds.setdefault(str(cell.axes["series"]), []).append(cell.reaction["herd"] or 0)
    where = f"{best.axes['clients']} clients in {best.axes['memory_mib']} MiB"
    words = [f"{series} {statistics.median(some):g}" for series, some in herds.items()]
    return Answer(
        text=f"Of {where}, woken at once: {', '.join(words)}.",
        cell=best.id,
        why=_why([series for series in herds if any(herds[series])], int(best.axes["clients"])),
    )


def _why(names: Sequence[str], clients: int) -> str:
    """Return how many clients each revision may wake with one notification, and why so many."""
    found: dict[str, list[str]] = {}
    floors = []
    for name in names:
        revision = load_revision(name) if is_known(name) else None
        if revision is None or revision.batch.order != "fifo":
            continue
        batch = revision.batch
        found.setdefault(f"{batch.formula(clients)} = {batch.limit(clients)}", []).append(name)
        if 0 < batch.at_least == batch.limit(clients):
            floors.append(name)
    if not found:
        return ""
    formulas = "; ".join(f"{' and '.join(of)} {formula}" for formula, of in found.items())
    text = f"One notification wakes those that have waited longest, at most: {formulas}."
    if floors:
        text += f" The floor of {' and '.join(floors)} decides here, not the number of clients."
    return text
