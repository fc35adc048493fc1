"""A run's results, opened to be read from Python: a frame of its cells, and each cell."""

from __future__ import annotations

import dataclasses
import json
import os
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from memnotify.axes import AXES, POINT, Value
from memnotify.campaign.figures import FIGURES
from memnotify.campaign.row import PlanRow
from memnotify.check.metrics import Metrics, WakeupsEach
from memnotify.check.reaction import Reaction
from memnotify.check.zone_status import ZoneStatus
from memnotify.errors import InputError
from memnotify.files import named
from memnotify.records.layout import CheckResult
from memnotify.results.folder import RunFolder
from memnotify.results.frames import CellResults, frame_of
from memnotify.text import counted, known_names, shown

if TYPE_CHECKING:
    import pandas as pd

_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}
_GATES = "gates"  # a column for each zone that a cell has


def _arrow(hint: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return pa.struct(_fields(hint).items())
    inner = [each for each in typing.get_args(hint) if each not in (types.NoneType, ...)]
    if typing.get_origin(hint) is tuple:
        return pa.list_(_arrow(inner[0]))
    return _ARROW[inner[0] if inner else hint]


def _fields(kind: Any) -> dict[str, Any]:
    return {name: _arrow(hint) for name, hint in typing.get_type_hints(kind).items()}


def _parts(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}.{part}": kind for part, kind in fields.items()}


_POINT = {
    **dict.fromkeys(("id", "name"), pa.string()),
    **{name: _ARROW[axis.kind] for name, axis in AXES.items()},
    "outcome": pa.string(),
}

# All columns in their order. Other figures keep the type that was read: another version may have
# figures that are not listed here.
_CELLS = {
    **_POINT,
    "detail": pa.string(),
    **_fields(Metrics),
    **_parts("wakeups_each", _fields(WakeupsEach)),
    **_parts("status", _fields(ZoneStatus)),
    _GATES: pa.int64(),
    **_parts("self_check", {result.name.lower(): pa.int64() for result in CheckResult}),
    **dict.fromkeys(("lost_records", "torn_records"), pa.int64()),
    **dict.fromkeys(("guest_seconds", "wall_seconds"), pa.float64()),
    "repeatability": pa.string(),
}
_REACTIONS = {**_POINT, **_fields(Reaction)}
_ALWAYS = {"id", "name", "outcome", *POINT}


class Run:
    """The results of one run, read once.

    `path` is its folder. `missing` has the names of planned cells without complete results;
    `damaged` has a line for each of them whose results are incomplete.
    """

    path: Path
    missing: Sequence[str]
    damaged: Sequence[str]

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises InputError if this folder has no run, or its plan cannot be read."""
        self.path = named(path, "run")
        folder = RunFolder(self.path)
        whole, self.damaged = folder.results()
        self._plan = {row.id: row for row in folder.plan()}
        self._cells = {cell_id: CellResults(place) for cell_id, place in whole.items()}
        self.missing = [row.name for row in self._plan.values() if row.id not in whole]

    def __repr__(self) -> str:
        return f"<Run {self.path}: {counted(len(self), 'cell')}>"

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[CellResults]:
        """Yield the cells that have results, in the order of the plan."""
        return iter(self._cells.values())

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell that has results: all of its parameters and figures.

        They are those of `memnotify show --json`, plus `clock` and `seed`. A figure with parts has
        a column for each (`gates.DMA32`); `batches` is a list. A pandas data frame, or a
        pyarrow.Table without pandas.
        """
        return _frame([self._row(cell_id, cell) for cell_id, cell in self._cells.items()], _CELLS)

    @cached_property
    def reactions(self) -> pd.DataFrame:
        """One row per cell that has results: its parameters and its figures of `memnotify compare`.

        They are those that were noted when a cell ran. Of one that another version ran, they are
        computed when first used, from its log.
        """
        rows = [
            {name: row[name] for name in _POINT} | dict(cell.reaction)
            for row, cell in ((self._row(*item), item[1]) for item in self._cells.items())
        ]
        return _frame(rows, _REACTIONS)

    def cell(self, which: str | None = None, /, **axes: Value) -> CellResults:
        """Return the one cell that matches.

        `which` is a series, or a cell's id, a prefix of it, or its name; `axes` are values on any
        axes of the matrix, as in `run.cell("v4", clients=200, memory_mib=64)`.

        Raises InputError if there is no such axis, value or cell, or if several match.
        """
        points = {cell_id: self._axes(cell_id, cell) for cell_id, cell in self._cells.items()}
        found = list(points)
        for axis, value in axes.items():
            _check_value(axis, value)
        if which is not None:
            if not isinstance(which, str):
                what = "found by its series, its id or its name, a string"
                raise InputError(f"a cell is {what}, not {shown(which)}")
            if not which:
                raise InputError("the name of the cell is empty")
            if all(at["series"] != which for at in points.values()):
                found = self._named(which)
            elif "series" in axes:
                raise InputError(f"series is given twice: {which!r} and {axes['series']!r}")
            else:
                axes = {"series": which, **axes}
        for axis, value in axes.items():
            known = {at[axis]: None for at in points.values()}
            if value not in known:
                hint = known_names(str(value), map(str, known))
                raise InputError(f"no cell of {self.path} has {axis}={value!r}", hint=hint)
            found = [cell_id for cell_id in found if points[cell_id][axis] == value]
        asked = ", ".join(
            [*([which] if which and "series" not in axes else [])]
            + [f"{axis}={value!r}" for axis, value in axes.items()]
        )
        if not found:
            raise InputError(f"no cell of {self.path} has all of {asked}" if asked else "no cells")
        if len(found) > 1:
            differ = [
                f"{axis}={' or '.join(map(repr, values))}"
                for axis in AXES
                if len(values := list(dict.fromkeys(points[each][axis] for each in found))) > 1
            ]
            what = f"{counted(len(found), 'cell')} of {self.path}"
            what = f"{what} have {asked}" if asked else what
            raise InputError(what, hint=f"say which: {', '.join(differ)}" if differ else None)
        return self._cells[found[0]]

    def _named(self, which: str) -> list[str]:
        cells = self._cells
        found = [cell_id for cell_id in cells if self._plan[cell_id].name == which]
        found = found or [cell_id for cell_id in cells if which and cell_id.startswith(which)]
        if not found:
            if which in self.missing or which in self._plan:
                raise InputError(f"{which} has no whole result", hint="run the campaign again")
            series = dict.fromkeys(str(cell.parameters["series"]) for cell in self)
            raise InputError(
                f"no cell of {self.path} has the series, the name or the id {which}",
                hint=known_names(which, series),
            )
        return found

    def _axes(self, cell_id: str, cell: CellResults) -> Mapping[str, Value | None]:
        row = self._plan[cell_id]
        return {
            name: cell.parameters[name] if axis.in_verdict else _planned(row, name)
            for name, axis in AXES.items()
        }

    def _row(self, cell_id: str, cell: CellResults) -> dict[str, Any]:
        verdict = cell.verdict
        point = self._axes(cell_id, cell)
        row: dict[str, Any] = {"id": verdict.id, "name": verdict.name, **point}
        for name, value in verdict.to_json().items():
            if name in row:
                continue
            if isinstance(value, Mapping):
                row |= _parts(name, value)
            elif value is not None or not isinstance(FIGURES.get(name), Mapping):
                row[name] = value
        return row


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open the results in a run's folder.

    Raises InputError if it has no run, or its plan cannot be read.
    """
    return Run(path)


def _check_value(axis: str, value: Any) -> None:
    """Raise InputError for an axis that does not exist, or a value that it can never have."""
    if axis not in AXES:
        raise InputError(f"a cell has no axis {axis}", hint=known_names(axis, AXES))
    if AXES[axis].kind is str:
        fits, what = isinstance(value, str), "a string"
    else:
        # A value from a frame may be numpy's, or a float. True is not 1.
        fits = isinstance(value, int | float | np.integer) and not isinstance(value, bool)
        what = "a whole number"
    if not fits:
        raise InputError(f"{axis} must be {what}, not {shown(value)}")


def _planned(row: PlanRow, axis: str) -> Value | None:
    """Return a value that verdicts do not have; None if an older plan also lacks it."""
    try:
        return row.value(axis)
    except KeyError:
        return None
    except ValueError as error:
        raise InputError(str(error)) from error


def _frame(rows: Sequence[Mapping[str, Any]], known: Mapping[str, Any]) -> pd.DataFrame:
    found = dict.fromkeys(name for row in rows for name in row)
    gates = dict.fromkeys(
        (name for name in found if name.startswith(f"{_GATES}.")), known.get(_GATES)
    )
    names: dict[str, Any] = {}
    for name, kind in known.items():
        names |= gates if name == _GATES else {name: kind}
    names |= {name: None for name in found if name not in names}
    columns = {name: _column([row.get(name) for row in rows], names[name]) for name in names}
    schema = pa.schema(
        pa.field(name, column.type, nullable=name not in _ALWAYS)
        for name, column in columns.items()
    )
    return frame_of(pa.table(list(columns.values()), schema=schema))


def _column(values: Sequence[Any], kind: Any) -> Any:
    try:
        column = pa.array(values, kind)
    except (pa.ArrowException, OverflowError, TypeError):
        # From another version, with values of unrelated types.
        return pa.array([None if value is None else json.dumps(value) for value in values])
    return column.cast(pa.float64()) if pa.types.is_null(column.type) else column
