"""Compares a run with a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memnotify.axes import Value
from memnotify.check.change import Evidence, change
from memnotify.check.reaction import UNITS
from memnotify.model import Ending, Outcome
from memnotify.results.baseline import BaselineTable, CellTable, Measured
from memnotify.results.changes import Moved, strongest_first
from memnotify.results.comparison import COMPARED
from memnotify.series.own import branch_of
from memnotify.text import counted

Pair = tuple[CellTable, CellTable]

_TOOLS = {"hardware": "QEMU or machine", "image": "guest program"}
_SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A run beside a baseline.

    `gone` and `new` are names of cells that only the baseline or only the run has. `ended` has a
    line for each cell whose outcome differs, `worse` the lines of cells that were ok before. Of
    `pairs` of cells, `identical` have the same records, and `lost` have a log that lost records, so
    that nothing is known.
    """

    moved: tuple[Moved, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    ended: tuple[str, ...]
    worse: tuple[str, ...]
    identical: int
    lost: int
    pairs: int
    tools: tuple[str, ...]

    def notes(self, baseline: str, qemu: tuple[str, str]) -> list[str]:
        """Return what a reader needs besides the figures."""
        notes = [
            f"cells ran with another {what} than {baseline}, so that figures may differ for that "
            "reason" + (f" (QEMU {qemu[0]}, then {qemu[1]})" if qemu[0] != qemu[1] else "")
            for what in self.tools
        ]
        how = f"identical in {self.identical} of {counted(self.pairs, 'cell')}"
        if self.identical == self.pairs:
            how = "identical" + (f" in all {self.pairs} cells" if self.pairs > 1 else "")
        how += f", unknown in {self.lost}, whose logs lost records" if self.lost else ""
        notes += [f"record by record: {how}"] if self.pairs else []
        notes += self.ended
        notes += [f"new, not in {baseline}: {name}" for name in self.new]
        notes += [f"gone, without results in the run: {name}" for name in self.gone]
        return notes


def against(baseline: BaselineTable, found: Measured, *, run: str, name: str) -> Against:
    """Compare the cells of a run with those of a baseline that have the same place."""
    there = {cell.place: cell for cell in found.cells}
    known = {cell.place: cell for cell in baseline.cell}
    pairs = [(cell, there[place]) for place, cell in known.items() if place in there]
    ended = [(old, new) for old, new in pairs if old.outcome != new.outcome]
    return Against(
        moved=tuple(strongest_first(_moved(pairs, run=run, name=name))),
        gone=tuple(cell.name for place, cell in known.items() if place not in there),
        new=tuple(cell.name for place, cell in there.items() if place not in known),
        ended=tuple(map(_ended, ended)),
        worse=tuple(_ended(pair) for pair in ended if _is_worse(pair)),
        identical=sum(old.records == new.records != "" for old, new in pairs),
        lost=sum("" in (old.records, new.records) for old, new in pairs),
        pairs=len(pairs),
        tools=tuple(
            what for tool, what in _TOOLS.items() if any(_differs(pair, tool) for pair in pairs)
        ),
    )


def _ended(pair: Pair) -> str:
    old, new = pair
    return f"{new.name}: {old.outcome} → {new.outcome}"


def _is_worse(pair: Pair) -> bool:
    old, new = (Outcome.parse(cell.outcome) for cell in pair)
    return old.ending is Ending.OK and new.ending is not Ending.OK


def _differs(pair: Pair, tool: str) -> bool:
    old, new = pair
    return old.inputs[tool] != new.inputs[tool]


def _moved(pairs: Sequence[Pair], *, run: str, name: str) -> list[Moved]:
    points = [_point(old) for old, _ in pairs]
    several = [
        axis for axis in COMPARED if axis != _SEED and len({point[axis] for point in points}) > 1
    ]
    settings: dict[tuple[tuple[str, Value], ...], list[Pair]] = {}
    for point, pair in zip(points, pairs, strict=True):
        settings.setdefault(tuple((axis, point[axis]) for axis in several), []).append(pair)
    return [
        Moved(
            figure=figure,
            group=run,
            versus=name,
            setting=dict(setting),
            change=change(
                [(old.figures.get(figure), new.figures.get(figure)) for old, new in some],
                exact=all(map(_exact, some)),
            ),
        )
        for setting, some in settings.items()
        for figure in UNITS
    ]


def _point(cell: CellTable) -> dict[str, Value]:
    return {**cell.axes, "series": branch_of(str(cell.axes["series"]))}


def _exact(pair: Pair) -> bool:
    return all(cell.exact for cell in pair) and not any(_differs(pair, tool) for tool in _TOOLS)


def differing(moved: Sequence[Moved]) -> list[Moved]:
    """Return the changes that there is evidence for."""
    return [one for one in moved if one.change.evidence in (Evidence.TEST, Evidence.EXACT)]
