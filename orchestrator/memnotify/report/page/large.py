"""What the page of a large run leaves out, and how it holds the rest: some views, and columns.

The view of a cell takes a log, a picture and 15 kB, and a row of a table that a browser lays out
takes as long as a hundred of data. So beyond some number of cells the page has all figures of all
cells as columns, a table that shows some rows at a time, and the views of few cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from memnotify.axes import REPEAT
from memnotify.campaign.row import PlanRow
from memnotify.jsontext import dump
from memnotify.report.cells import CaseStatus
from memnotify.report.page.compared import DOTS
from memnotify.report.page.gather import Gathered, gather, outline
from memnotify.report.page.headline import Answer, Headline
from memnotify.results.looked import Looked
from memnotify.text import counted

MANY = 2_000
"""A page of more cells leaves something out."""

VIEWS = 100
"""So many cells have a view then: what went wrong first, then one of each setting."""

ROWS = 1_000
"""So many rows of a table are markup then, and so many settings are compared along an axis."""


def is_large(cells: Sequence[Any]) -> bool:
    """Return whether a page of so many cells leaves something out."""
    return len(cells) > MANY


def outlined(looked: Looked, rows: Sequence[PlanRow], *, pictures: bool) -> list[Gathered]:
    """Return the cells of the plan; if they are many, without promises and views."""
    if is_large(rows):
        return list(outline(looked, rows))
    return list(gather(looked, rows, pictures=pictures, cells=len(rows)))


def with_views(
    cells: Sequence[Gathered],
    looked: Looked,
    rows: Sequence[PlanRow],
    *,
    first: Iterable[str],
    pictures: bool,
) -> list[Gathered]:
    """Return many cells, VIEWS of them with their blocks: those of `first`, as far as possible.

    Their promises are checked, as their views show them.
    """
    chosen = _chosen(cells, first)
    wanted = [row for row in rows if row.id in chosen]
    found = {one.id: one for one in gather(looked, wanted, pictures=pictures, cells=len(wanted))}
    return [_viewed(cell, found[cell.id]) if cell.id in found else cell for cell in cells]


def _viewed(cell: Gathered, found: Gathered) -> Gathered:
    return replace(cell, block=found.block, promises=found.promises, unchecked=found.unchecked)


def _chosen(cells: Sequence[Gathered], first: Iterable[str]) -> set[str]:
    ran = {cell.id for cell in cells if cell.report.status is not CaseStatus.SKIPPED}
    settings = {
        tuple(value for axis, value in cell.axes.items() if axis not in (REPEAT, "seed")): cell.id
        for cell in reversed(cells)
        if cell.id in ran
    }
    order = dict.fromkeys((*first, *reversed(settings.values())))
    return set([cell for cell in order if cell in ran][:VIEWS])


def to_look_at(head: Headline, best: Answer | None) -> Iterator[str]:
    """Yield the ids of the cells to which the top of a page leads."""
    if best is not None:
        yield best.cell
    yield from (one.cell for one in head.wrong if one.cell is not None)


def left_out(cells: Sequence[Gathered], run: str) -> str:
    """Return what the page of many cells leaves out, and which commands have it."""
    views = sum(bool(cell.block) for cell in cells)
    return (
        f"of a run of more than {MANY} cells, the timelines, events, consoles, digests of "
        f"scenarios and promises of all but {counted(views, 'cell')} (memnotify show {run} CELL, "
        f"memnotify check {run}), rows of the table beyond {ROWS} without scripts and on paper, "
        f"comparisons of more than {ROWS} settings, and in them more than {DOTS} dots of a group"
    )


def columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows as columns, as the page's script reads them: a value that repeats is a number.

    A column is a list of values; or `of`, its different values, with the place of each row's value
    in `at`. Without `at`, all rows have the one value.
    """
    found: dict[str, list[Any]] = {}
    count = 0
    for row in rows:
        for name, value in row.items():
            column = found.setdefault(name, [])
            column.extend([None] * (count - len(column)))
            column.append(value)
        count += 1
    for column in found.values():
        column.extend([None] * (count - len(column)))
    return {"rows": count, "columns": {name: _column(values) for name, values in found.items()}}


def _column(values: list[Any]) -> Any:
    kinds = set(map(type, values)) - {type(None)}
    keys: list[Any] = values
    if kinds & {list, dict}:
        keys = [dump(value, indent=None) for value in values]
    elif len(kinds) > 1:  # 1, 1.0 and True are equal
        keys = [(type(value), value) for value in values]
    first = dict(zip(reversed(keys), reversed(values), strict=True))
    different = dict.fromkeys(keys)
    if len(different) * 2 > len(values) > 1:
        return values
    of = [first[key] for key in different]
    places = {key: place for place, key in enumerate(different)}
    return {"of": of} if len(of) == 1 else {"of": of, "at": [places[key] for key in keys]}
