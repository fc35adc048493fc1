"""A run's results, opened to be read from Python: a frame of its cells, and each cell."""

from __future__ import annotations

import json
import os
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from memnotify.axes import AXES, Value
from memnotify.campaign.plan import PlanRow
from memnotify.check.metrics import Metrics
from memnotify.errors import InputError
from memnotify.results.folder import RunFolder
from memnotify.results.frames import CellResults, frame_of
from memnotify.text import counted, known_names

if TYPE_CHECKING:
    import pandas as pd

_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def _arrow(hint: Any) -> Any:
    inner = [each for each in typing.get_args(hint) if each is not types.NoneType]
    return _ARROW.get(inner[0] if inner else hint)


# Other figures keep the type that was read: another version may have figures not listed here.
_TYPES = {
    **dict.fromkeys(("id", "name", "outcome", "detail", "repeatability"), pa.string()),
    **{name: _ARROW[axis.kind] for name, axis in AXES.items()},
    **dict.fromkeys(("lost_records", "torn_records"), pa.int64()),
    **dict.fromkeys(("guest_seconds", "wall_seconds"), pa.float64()),
    **{name: _arrow(hint) for name, hint in typing.get_type_hints(Metrics).items()},
}


class Run:
    """The results of one run, read once.

    `path` is its folder. `missing` has the names of planned cells without complete results;
    `damaged` has a line for each of them whose results are incomplete.
    """

    path: Path
    missing: Sequence[str]
    damaged: Sequence[str]

    def __init__(self, path: Path) -> None:
        """Raises InputError if this folder has no run, or its plan cannot be read."""
        self.path = path
        folder = RunFolder(path)
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
        rows = [self._row(cell_id, cell) for cell_id, cell in self._cells.items()]
        names = dict.fromkeys(name for row in rows for name in row) or dict.fromkeys(_TYPES)
        columns = {name: _column(name, [row.get(name) for row in rows]) for name in names}
        always = {"id", "name", "outcome", *AXES} - {"clock", "seed"}
        schema = pa.schema(
            pa.field(name, column.type, nullable=name not in always)
            for name, column in columns.items()
        )
        return frame_of(pa.table(list(columns.values()), schema=schema))

    def cell(self, which: str | None = None, /, **axes: Value) -> CellResults:
        """Return the one cell that matches.

        `which` is a series, or a cell's id, a prefix of it, or its name; `axes` are values on any
        axes of the matrix, as in `run.cell("v4", clients=200, memory_mib=64)`.

        Raises InputError if there is no such axis, value or cell, or if several match.
        """
        points = {cell_id: self._axes(cell_id, cell) for cell_id, cell in self._cells.items()}
        found = list(points)
        if which is not None:
            if "series" not in axes and any(at["series"] == which for at in points.values()):
                axes = {"series": which, **axes}
            else:
                found = self._named(which)
        for axis, value in axes.items():
            if axis not in AXES:
                hint = known_names(axis, AXES)
                raise InputError(f"a cell has no axis {axis}", hint=hint)
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
                row |= {f"{name}.{part}": inner for part, inner in value.items()}
            else:
                row[name] = value
        return row


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open the results in a run's folder.

    Raises InputError if it has no run, or its plan cannot be read.
    """
    return Run(Path(path))


def _planned(row: PlanRow, axis: str) -> Value | None:
    """Return a value that verdicts do not have; None if the plan is older and lacks it, too."""
    try:
        return row.value(axis)
    except KeyError:
        return None
    except ValueError as error:
        raise InputError(str(error)) from error


def _column(name: str, values: Sequence[Any]) -> Any:
    kind = _TYPES.get(name)
    try:
        column = pa.array(values, kind)
    except (pa.ArrowException, OverflowError, TypeError):
        # From another version, with values of unrelated types.
        return pa.array([None if value is None else json.dumps(value) for value in values])
    return column.cast(pa.float64()) if pa.types.is_null(column.type) else column
