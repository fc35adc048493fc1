"""Prints the comparison with published figures: *published, reproduced, ratio, agrees?*"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from memnotify.report.plain import plain_table
from memnotify.results.published import Compared
from memnotify.text import printable

Row = Mapping[str, Any]

_AGREES = {True: "yes", False: "no", None: "not run"}
_REFUTED = "refuted"  # an alternative reading with which ours does not agree


def print_published(console: Console, source: str, machine: str, rows: Sequence[Compared]) -> None:
    """Print the figures of `memnotify published RUN`."""
    console.print(Text(printable(f"{source}: {machine}")), style="dim", soft_wrap=True)
    ours = dict.fromkeys((*row.bases, *row.arches) for row in rows if row.cells)
    if ours:
        guests = "; ".join(" ".join(one) for one in ours)
        console.print(Text(printable(f"reproduced on {guests}")), style="dim", soft_wrap=True)
    table = plain_table("figure", "cells", "said")
    for title in ("published", "scaled", "reproduced", "ratio"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("agrees?", no_wrap=True)
    for row in rows:
        scaled = row.expected if row.expected != row.published else None
        words = [row.figure, row.chosen, row.says]
        words += [
            _number(row.published, row.unit),
            _number(scaled),
            _number(row.reproduced),
        ]
        refuted = row.alternative and row.agrees is False
        words += [_number(row.ratio), _REFUTED if refuted else _AGREES[row.agrees]]
        style = "" if row.agrees or row.alternative else "yellow"
        table.add_row(*(Text(printable(word)) for word in words), style=style)
    console.print(table)
    for row in rows:
        if row.note:
            note = f"{row.figure}, {row.chosen}: {row.note}"
            console.print(Text(printable(note)), soft_wrap=True)


def print_series(console: Console, rows: Sequence[Row]) -> None:
    """Print the distances of the series; `rows` come from `Curve.row`."""
    table = plain_table("series", "column", "cells")
    for title in ("distance", "of range", "compared"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        apart, part = row["distance"], row["of_range"]
        words = [
            row["says"],
            row["column"],
            row["label"],
            "-" if apart is None else f"{apart:.3g} {row['unit']}",
            "-" if part is None else f"{part:.0%}",
            f"{row['compared']:.0%}",
        ]
        table.add_row(*(Text(printable(word)) for word in words))
    console.print(table)


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "-"
    text = f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".strip()
