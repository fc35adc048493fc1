"""Prints `memnotify run --plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from memnotify.report.grid import Column, Grid
from memnotify.report.grid import Row as GridRow
from memnotify.report.plain import print_line
from memnotify.text import counted

Row = Mapping[str, Any]


def print_plan(console: Console, found: Row) -> None:
    """Print what a run would do; `found` is run.preview's Preview as a mapping."""
    bases = found["bases"]
    if len(bases) > 1:
        print_line(console, "the first base that is available, builds and boots is used:")
    for base in bases:
        print_line(console, f"base {base['base']}, source {base['source']}")
    columns = (
        *(Column(name=name) for name in ("base", "series", "arch")),
        Column(name="cells", right=True),
        Column(name="state", title="kernel", wraps=True),
    )
    rows = [
        {**row, "arch": " ".join(filter(None, (row["arch"], row["variant"], *row["options"])))}
        for row in found["kernels"]
    ]
    Grid(columns, tuple(map(GridRow, rows))).print(console)
    _guests(console, found["guests"])
    capacity = found["capacity"]
    total, available = found["memory_mib"], found["available_mib"]
    print_line(
        console,
        f"{counted(found['cells'], 'cell')}; guests may use {capacity['memory_mib']} MiB of the "
        f"host's {total} MiB and {counted(capacity['cores'], 'core')}; {available} MiB are "
        "available now",
    )


def _guests(console: Console, rows: Sequence[Row]) -> None:
    columns = (
        Column(name="machine"),
        Column(name="memory_mib", title="MiB", right=True),
        Column(name="cells", right=True),
        Column(name="takes", title="host resources each"),
        Column(name="fits", title=""),
    )
    found = []
    for row in rows:
        takes = f"{row['takes_mib']} MiB, {counted(row['cores'], 'core')}"
        fits = "" if row["fits"] else "too large for this host"
        found.append(GridRow(row, {"takes": takes, "fits": fits}))
    Grid(columns, tuple(found)).print(console)
