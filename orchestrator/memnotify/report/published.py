"""Prints the comparison with published figures: *published, reproduced, ratio, agrees?*"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from memnotify.report.grid import USUAL, Choice, Column, Grid
from memnotify.report.grid import Row as GridRow
from memnotify.report.plain import print_line
from memnotify.results.published import Compared

Row = Mapping[str, Any]

_AGREES = {True: "yes", False: "no", None: "not run"}
_REFUTED = "refuted"  # an alternative reading with which ours does not agree


def print_published(
    console: Console,
    source: str,
    machine: str,
    rows: Sequence[Compared],
    choice: Choice = USUAL,
) -> None:
    """Print the figures of `memnotify published RUN`."""
    print_line(console, f"{source}: {machine}", style="dim")
    ours = dict.fromkeys((*row.bases, *row.arches) for row in rows if row.cells)
    if ours:
        guests = "; ".join(" ".join(one) for one in ours)
        print_line(console, f"reproduced on {guests}", style="dim")
    published_grid(rows).chosen(choice).print(console)
    for row in rows:
        if row.note:
            note = f"{row.figure}, {row.chosen}: {row.note}"
            print_line(console, note)


def published_grid(rows: Sequence[Compared]) -> Grid:
    """Return the figures as a table."""
    numbers = (("published", 0), ("expected", 1), ("reproduced", 0), ("ratio", 2))
    columns = (
        Column(name="figure"),
        Column(name="chosen", title="cells"),
        Column(name="says", title="said", wraps=True, gives_way=3),
        *(
            Column(
                name=name,
                title="scaled" if name == "expected" else None,
                right=True,
                gives_way=least,
            )
            for name, least in numbers
        ),
        Column(name="agrees", title="agrees?"),
    )
    found = tuple(map(_row, rows))
    others = [name for name in found[0].values if name not in {one.name for one in columns}]
    return Grid((*columns, *(Column(name=name, usual=False) for name in others)), found)


def _row(row: Compared) -> GridRow:
    scaled = row.expected if row.expected != row.published else None
    texts = {
        "published": _number(row.published, row.unit),
        "expected": _number(scaled),
        "reproduced": _number(row.reproduced),
        "ratio": _number(row.ratio),
        "agrees": _REFUTED if row.alternative and row.agrees is False else _AGREES[row.agrees],
    }
    style = "" if row.agrees or row.alternative else "yellow"
    return GridRow({"chosen": row.chosen, **dataclasses.asdict(row)}, texts, style)


def print_series(console: Console, rows: Sequence[Row]) -> None:
    """Print the distances of the series; `rows` come from `Curve.row`."""
    columns = (
        Column(name="says", title="series", wraps=True),
        Column(name="column", gives_way=2),
        Column(name="label", title="cells"),
        Column(name="distance", right=True),
        Column(name="of_range", title="of range", right=True),
        Column(name="compared", right=True, gives_way=1),
    )
    found = []
    for row in rows:
        apart, part = row["distance"], row["of_range"]
        texts = {
            "distance": "-" if apart is None else f"{apart:.3g} {row['unit']}",
            "of_range": "-" if part is None else f"{part:.0%}",
            "compared": f"{row['compared']:.0%}",
        }
        found.append(GridRow(row, texts))
    Grid(columns, tuple(found)).print(console)


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "-"
    text = f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".strip()
