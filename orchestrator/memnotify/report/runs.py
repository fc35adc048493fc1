"""The table of `memnotify runs`."""

from __future__ import annotations

from collections.abc import Sequence

from memnotify.report.grid import Column, Grid, Row
from memnotify.results.runs import RunSummary

_MIB = 1 << 20


def runs_grid(runs: Sequence[RunSummary]) -> Grid:
    """Return a table with one row for each run."""
    columns = (
        Column(name="run", key=True),
        Column(name="campaign", gives_way=2),
        *(Column(name=name, right=True) for name in ("cells", "done", "ok", "findings")),
        Column(name="failures", right=True, gives_way=3),
        Column(name="changed", title="last result (UTC)", gives_way=1),
        Column(name="size", title="MiB", right=True, gives_way=4),
        Column(name="wrong", usual=False),
    )
    return Grid(columns, tuple(map(_row, runs)))


def _row(run: RunSummary) -> Row:
    style = "red" if run.wrong else "yellow" if run.findings or run.failures else ""
    return Row(run.to_json(), {"size": f"{run.size / _MIB:.1f}"}, style)
