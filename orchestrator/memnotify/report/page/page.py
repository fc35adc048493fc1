"""Writes the report of a run, or of several of one campaign, as one HTML file.

The file is readable without scripts: headline, what went wrong, and all tables of the whole run are
markup. Its one script adds what can be chosen, and the view of each cell, from blocks of data.
"""

from __future__ import annotations

import decimal
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from memnotify import extras, toml
from memnotify.axes import REPEAT, chosen
from memnotify.errors import InputError
from memnotify.files import read_text
from memnotify.report.cells import FIGURES, CaseStatus, ExpectReport
from memnotify.report.expect import in_words, status_of
from memnotify.report.page import about, large
from memnotify.report.page.compared import compared, differing
from memnotify.report.page.data import block, digest, squeezed
from memnotify.report.page.gather import Gathered, told_picture
from memnotify.report.page.headline import Answer, Headline, answer, headline
from memnotify.report.plots.converter import converter
from memnotify.report.plots.page import LIVE
from memnotify.report.plots.palette import COLOURS, GRID, INK, RULE, SOFT, dark_css
from memnotify.report.published import published_grid
from memnotify.report.table import ALWAYS
from memnotify.report.words import all_words, heading, own_name
from memnotify.results.expectations import expectations
from memnotify.results.folder import CAMPAIGN, RunFolder
from memnotify.results.looked import Looked
from memnotify.results.published import PublishedComparison, compare_published
from memnotify.results.trend import Change, Trend, by_date, trend_of
from memnotify.text import printable, printable_lines

_HERE = Path(__file__).parent
_SCRIPTS = (
    *("base", "data", "export", "parquet", "tables", "filters", "chart", "matrix"),
    *("compare", "trend", "picture", "cell", "start"),
)
"""The parts of the page's script, in this order one script."""

_STYLES = ("page", "parts", "print")
_VEGA = "window.drawVega = (holder, spec, options) => vegaEmbed(holder, spec, options);"
_COLOURS = {"ink": INK, "soft": SOFT, "rule": RULE, "grid": GRID}


def page(runs: Sequence[Looked], output: Path) -> str:
    """Return the page. The newest run is shown in full, the others as its trend.

    Links to files lead from the place of `output`. Raises InputError if a result is damaged, or if
    the runs are of several campaigns.
    """
    ordered = by_date([looked.run for looked in runs])
    run = ordered[-1]
    pictures = extras.installed("vl_convert")
    (looked,) = (looked for looked in runs if looked.run is run)
    rows = run.plan()
    cells = large.outlined(looked, rows, pictures=pictures)
    campaign, _ = toml.read(run.path / CAMPAIGN)
    expected = _expected(run, cells)
    head, best = headline(cells, expected), answer(cells)
    if large.is_large(cells):
        first = large.to_look_at(head, best)
        cells = large.with_views(cells, looked, rows, first=first, pictures=pictures)
        head = headline(cells, expected)  # with the promises that the views show
    parts = _Parts(
        run=run,
        name=str(campaign.get("name", run.path.name)),
        cells=cells,
        head=head,
        answer=best,
        expected=expected,
        published=_published(run),
        trend=trend_of(ordered) if len(ordered) > 1 else None,
    )
    return _rendered(parts, output, pictures=pictures)


@dataclass(frozen=True, kw_only=True)
class _Parts:
    run: RunFolder
    name: str
    cells: Sequence[Gathered]
    head: Headline
    answer: Answer | None
    expected: Sequence[ExpectReport]
    published: PublishedComparison | None
    trend: Trend | None


def _expected(run: RunFolder, cells: Sequence[Gathered]) -> list[ExpectReport]:
    verdicts = [cell.report.verdict for cell in cells if cell.report.verdict is not None]
    return [
        ExpectReport(says=one.says, what=one.what, result=in_words(one), status=status_of(one))
        for one in expectations(run, verdicts)
    ]


def _published(run: RunFolder) -> PublishedComparison | None:
    try:
        return compare_published(run)
    except InputError:
        return None  # nothing was published about it


def _rendered(parts: _Parts, output: Path, *, pictures: bool) -> str:
    style = _joined("css", _STYLES) + _on_screen(dark_css(".picture "))
    script = _joined("js", _SCRIPTS)
    vega = str(converter().javascript_bundle(_VEGA)) if pictures else ""
    policy = (
        f"default-src 'none'; script-src {digest(script)}{' ' + digest(vega) if vega else ''}; "
        f"style-src {digest(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    columns = _columns(parts.cells)
    large_run = large.is_large(parts.cells)
    static = parts.cells[: large.ROWS] if large_run else parts.cells
    rows = [_row(cell, columns) for cell in static]
    decimals = {
        name for each in map(_facts, parts.cells) for name, of in each.items() if type(of) is float
    }
    for at, column in enumerate(columns):
        column["number"] = _are_numbers([row["values"][at] for row in rows])
        column["decimal"] = column["name"] in decimals
        kinds = ("axis", "number", "decimal")
        column["classes"] = " ".join(name for name in kinds if column[name])
    return _template().render(
        policy=Markup(policy),
        style=Markup(style),
        script=Markup(script),
        vega=squeezed(vega) if vega else "",
        how_to_draw="" if pictures else extras.how_to_install("report"),
        name=parts.name,
        head=parts.head,
        answer=parts.answer,
        facts=_told_facts(parts),
        total=len(parts.cells),
        columns=columns,
        rows=rows,
        shared=_shared(parts.cells, columns),
        expected=parts.expected,
        published=None if parts.published is None else _told_published(parts.published),
        trend=None if parts.trend is None else _told_trend(parts.trend),
        several=bool(differing(parts.cells)),
        origins=about.origins(parts.cells),
        versions=about.versions(parts.cells),
        campaign=read_text(parts.run.path / CAMPAIGN),
        data=block(_data(parts, output, pictures=pictures)),
        blocks={cell.id: cell.block for cell in parts.cells if cell.block},
    )


def _told_facts(parts: _Parts) -> dict[str, str]:
    facts = about.facts(parts.run, parts.cells)
    if large.is_large(parts.cells):
        facts["Left out"] = large.left_out(parts.cells, str(parts.run.path))
    return facts


def _data(parts: _Parts, output: Path, *, pictures: bool) -> Mapping[str, Any]:
    """Return what the page's script needs from the start."""
    published = parts.published
    many, cells = large.is_large(parts.cells), map(_facts, parts.cells)
    curves = published.curves if published is not None and pictures else ()
    return {
        "name": parts.name,
        "words": all_words(),
        "cells": large.columns(cells) if many else list(cells),
        "axes": differing(parts.cells) | _repeats(parts.cells),
        "compare": compared(parts.cells, most=large.ROWS if many else None),
        "expected": [
            {"expected": one.says, "detail": one.what, "result": one.result, "status": one.status}
            for one in parts.expected
        ],
        "published": None if published is None else _told_published(published),
        "overlay": told_picture(_overlay(published)) if curves and published is not None else None,
        "trend": None if parts.trend is None else _trend_data(parts.trend),
        "origins": about.origins(parts.cells),
        "commands": about.commands(parts.run),
        "files": about.files_from(parts.run, output),
        "colours": {
            "curves": [str(one) for one in COLOURS],
            **{name: str(one) for name, one in _COLOURS.items()},
        },
    }


def _overlay(found: PublishedComparison) -> Any:
    from memnotify.report.plots.overlay import overlay

    return overlay(found.curves, source=found.table.source, assumed=found.table.assumed)


def _repeats(cells: Sequence[Gathered]) -> dict[str, list[Any]]:
    values = list(dict.fromkeys(cell.axes[REPEAT] for cell in cells if REPEAT in cell.axes))
    return {REPEAT: values} if len(values) > 1 else {}


def _facts(cell: Gathered) -> dict[str, Any]:
    """Return all that is known about a cell as one flat row."""
    row = {name: value for name, value in cell.report.row.items() if name != "name"}
    reaction = {own_name(name): value for name, value in cell.reaction.items()}
    return {
        "id": cell.id,
        "name": cell.report.name,
        **cell.axes,
        "outcome": cell.report.outcome,
        **row,
        **{name: of for name, of in reaction.items() if name not in row},
        "promises_kept": None if cell.unchecked else cell.kept,
        "promises_broken": None if cell.unchecked else cell.broken,
        "status": cell.report.status,
    }


def _columns(cells: Sequence[Gathered]) -> list[dict[str, Any]]:
    """Return the columns of the table of cells: axes on which they differ, figures, outcome."""
    there = {axis for cell in cells for axis in cell.axes}
    axes = [*differing(cells), *_repeats(cells)]
    axes = [*axes, *(axis for axis in ALWAYS if axis not in axes and axis in there)]
    names = [*axes, *FIGURES, "promises", "outcome"]
    return [
        {
            "name": name,
            "title": heading(name),
            "axis": name in axes,
        }
        for name in names
    ]


def _are_numbers(values: Sequence[Any]) -> bool:
    """Return whether a column is of numbers, some of which may be unknown: all of it goes right."""
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) for value in known)


def _row(cell: Gathered, columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = _facts(cell)
    values["promises"] = None
    if not cell.unchecked and (cell.broken or cell.kept):
        values["promises"] = f"{cell.broken} broken" if cell.broken else f"{cell.kept} kept"
    return {
        "id": cell.id,
        "name": cell.report.name,
        "status": cell.report.status,
        "broken": bool(cell.broken),
        "ran": cell.report.status is not CaseStatus.SKIPPED,
        "values": [values.get(column["name"]) for column in columns],
    }


def _shared(cells: Sequence[Gathered], columns: Sequence[Mapping[str, Any]]) -> str:
    """Return the values that all cells share and that have no column."""
    shown = {column["name"] for column in columns}
    axes = chosen(cells[0].axes) if cells else {}
    return ", ".join(
        f"{axis.replace('_', ' ')} {value}"
        for axis, value in axes.items()
        if axis not in shown and axis not in (REPEAT, "seed")
    )


def _told_published(found: PublishedComparison) -> dict[str, Any]:
    grid = published_grid(found.figures)
    columns = [column for column in grid.columns if column.usual]
    return {
        "source": found.table.source,
        "machine": found.table.machine,
        "assumed": list(found.table.assumed),
        "titles": [column.head.replace("\n", " ") for column in columns],
        "rows": [[row.text(column.name) for column in columns] for row in grid.rows],
        "notes": [f"{one.figure}, {one.chosen}: {one.note}" for one in found.figures if one.note],
    }


def _told_trend(trend: Trend) -> list[dict[str, Any]]:
    return [
        {
            "path": str(run.path),
            "date": dates.text,
            "cells": sum(points[at] is not None for points in trend.cells.values()),
            "changes": [
                (change, count)
                for change in Change
                if (count := _count(trend, at, change)) and change is not Change.FIRST
            ],
        }
        for at, (run, dates) in enumerate(zip(trend.runs, trend.dates, strict=True))
    ]


def _count(trend: Trend, at: int, change: Change) -> int:
    points = (points[at] for points in trend.cells.values())
    return sum(point is not None and point.change is change for point in points)


def _trend_data(trend: Trend) -> dict[str, Any]:
    return {
        "runs": [
            {"path": str(run.path), "date": dates.text, "at": dates.ended}
            for run, dates in zip(trend.runs, trend.dates, strict=True)
        ],
        "cells": [
            {
                "name": name,
                "points": [
                    None
                    if point is None
                    else {
                        "id": point.id,
                        "outcome": point.outcome,
                        "figures": dict(point.figures),
                        "change": point.change,
                        "inputs": list(point.inputs_changed),
                    }
                    for point in points
                ],
            }
            for name, points in trend.cells.items()
        ],
    }


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = lambda value: printable(str(value))
    environment.filters["lines"] = lambda value: printable_lines(str(value))
    environment.filters["figure"] = _figure
    return environment.get_template("page.html.j2")


def _figure(value: Any, decimals: bool) -> str:
    """Return a value of the table of cells, as base.js and filters.js write it."""
    if value is None:
        return "-"
    if decimals and isinstance(value, int | float):
        # toFixed of JavaScript rounds what the float is exactly, and a half up.
        with decimal.localcontext(rounding=decimal.ROUND_HALF_UP):
            return f"{decimal.Decimal(value):.{1 if abs(value) < 100 else 0}f}"
    return printable(str(value))


def _joined(kind: str, names: Sequence[str]) -> str:
    files = [_HERE / kind / f"{name}.{kind}" for name in names]
    if kind == "js":
        files.insert(1, LIVE)
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    return f"(() => {{\n{text}}})();\n" if kind == "js" else text


def _on_screen(rules: str) -> str:
    return f"@media screen {{{rules}}}\n"
