"""What the groups of a comparison are: values of an axis, whole runs, or builds of a kernel."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memnotify.axes import Value
from memnotify.campaign.row import PlanRow
from memnotify.check.statistics import Effect, Spread
from memnotify.errors import InputError
from memnotify.results.identical import Alike
from memnotify.results.looked import Digests
from memnotify.series.own import branch_of
from memnotify.text import counted

RUN, BUILD = "run", "build"
"""What groups can be besides the values of an axis."""

_OF_KERNELS = frozenset(("base", "series", "arch"))
_DIGITS = 8

# Along these, a scenario must be the same to the last step, not only by name.
_SAME_SCENARIO = ("base", "series", "setting", "arch", "clock", RUN, BUILD)

Point = tuple[Value, ...]

_Planned = tuple[PlanRow, Mapping[str, Value]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigure:
    """A figure, `metric`, in one group of `cells` cells, along the axis `by`.

    `over` has the axes on which the group has several values. `versus` is the group that it is
    compared with (None: itself), and `apart` the difference. `records` says how the logs of the two
    compare. `values` has the figure of each cell, by its point: that of the cell's counterpart in
    another group is the same.
    """

    by: str
    group: Value
    metric: str
    unit: str
    spread: Spread
    versus: Value | None
    apart: Effect | None
    cells: int
    over: Mapping[str, tuple[Value, ...]]
    records: Alike | None
    values: Mapping[Point, float]

    def to_json(self) -> dict[str, Any]:
        apart = self.apart
        difference = None if apart is None else apart.difference
        return {
            "by": self.by,
            "group": self.group,
            "metric": self.metric,
            "unit": self.unit,
            **dataclasses.asdict(self.spread),
            "versus": self.versus,
            "effect": None if apart is None else apart.delta,
            "difference": None if difference is None else dataclasses.asdict(difference),
            "test": None if apart is None else apart.test,
            "p": None if apart is None else apart.p,
            "cells": self.cells,
            "over": {axis: list(some) for axis, some in self.over.items()},
            "records": None if self.records is None else self.records.row(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Groups along `by`: an axis, RUN or BUILD. `names` has the name of each run by its folder.

    `branches`: no run has two states of a series, such as two commits of a branch, so that between
    runs it is the same series whatever its state.
    """

    by: str
    names: Mapping[Path, str]
    branches: bool = False
    digests: Digests = field(default_factory=Digests, repr=False, compare=False)

    @classmethod
    def of(cls, by: str, plans: Mapping[Path, Sequence[_Planned]]) -> Grouping:
        """Return the groups of some runs, by their plans. Raises InputError for a single run."""
        if by != RUN:
            return cls(by=by, names={})
        if len(plans) < 2:
            raise InputError(
                f"--by run compares runs, and there is {counted(len(plans), 'run')}",
                hint="name two, such as the one before a change and the one after it",
            )
        paths = list(plans)
        last = [path.resolve().name for path in paths]
        alike = len(set(last)) < len(last)
        names = {path: str(path) if alike else name for path, name in zip(paths, last, strict=True)}
        return cls(by=by, names=names, branches=all(map(_once, plans.values())))

    @property
    def replaced(self) -> frozenset[str]:
        """The axes that the groups differ in, or may."""
        return _OF_KERNELS if self.by == BUILD else frozenset((self.by,))

    def axes(self, axes: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values of a cell on all axes as they count between groups."""
        if not self.branches:
            return dict(axes)
        return {**axes, "series": branch_of(str(axes["series"]))}

    def place(self, run: Path, row: PlanRow, axes: Mapping[str, Value]) -> tuple[Value, Point]:
        """Return the group of a cell, and its point in it."""
        group = axes.get(self.by, "")
        if self.by == RUN:
            group = self.names[run]
        elif self.by == BUILD:
            group = f"{axes['series']} {str(row.inputs.get('kernel', ''))[:_DIGITS]}"
        point = tuple(value for name, value in axes.items() if name not in self.replaced)
        if self.by in _SAME_SCENARIO:
            point = (*point, self.digests.of(row.inputs["scenario"]))
        return group, point


def _once(plan: Sequence[_Planned]) -> bool:
    series = {str(axes["series"]) for _, axes in plan}
    return len({branch_of(name) for name in series}) == len(series)
