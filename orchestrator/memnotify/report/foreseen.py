"""The table of `memnotify cells`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from memnotify.axes import AXES
from memnotify.report.grid import Column, Grid, Row
from memnotify.report.table import axis_column, differing


class _Foreseen(Protocol):
    @property
    def point(self) -> Mapping[str, Any]: ...

    def to_json(self) -> dict[str, Any]: ...


def foreseen_grid(cells: Sequence[_Foreseen]) -> Grid:
    """Return a table with one row for each cell."""
    shown = differing([cell.point for cell in cells])
    columns = (
        Column(name="id", title="cell", key=True),
        Column(name="name", usual=False),
        *(axis_column(name, usual=name in shown, gives_way=int(name != "series")) for name in AXES),
        Column(name="takes_mib", title="host\nMiB", right=True),
        Column(name="seconds", title="last\ntime s", right=True),
    )
    rows = []
    for cell in cells:
        values = cell.to_json()
        seconds = values["seconds"]
        rows.append(Row(values, {} if seconds is None else {"seconds": f"{seconds:.1f}"}))
    return Grid(columns, tuple(rows))
