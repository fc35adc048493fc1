"""Prints the results of a campaign's expectations."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from memnotify.places import command
from memnotify.report.cells import CaseStatus
from memnotify.report.grid import USUAL, Choice, Column, Grid, Row
from memnotify.results.expectations import Expected

_SHOWN = 3  # cells shown that broke an expectation


def print_expectations(
    console: Console, results: Sequence[Expected], choice: Choice = USUAL
) -> None:
    """Print what `memnotify expect RUN` shows."""
    grid = expectations_grid(results).chosen(choice)
    if not results:
        console.print("the campaign has no expectations")
        return
    grid.print(console)


def expectations_grid(results: Sequence[Expected]) -> Grid:
    """Return a table with one row for each comparison of each expectation."""
    columns = (
        Column(name="says", title="expected", wraps=True),
        Column(name="what", title="details", wraps=True),
        Column(name="result", wraps=True),
        *(Column(name=name, usual=False) for name in ("met", "some", "elsewhere")),
        *(Column(name=name, usual=False) for name in _CELLS),
    )
    return Grid(columns, tuple(map(_row, results)))


_CELLS = ("kept", "broken", "absent")
"""Columns with the ids of cells."""


def _row(result: Expected) -> Row:
    words = in_words(result)
    values = {**result.to_json(), "result": words}
    values |= {name: " ".join(values[name]) for name in _CELLS}
    return Row(values, {}, "yellow" if result.met is False else "")


def status_of(result: Expected) -> CaseStatus:
    """Return the status that a CI service gets for a result."""
    met = {True: CaseStatus.PASSED, False: CaseStatus.FAILED, None: CaseStatus.SKIPPED}
    return met[result.met]


def in_words(result: Expected) -> str:
    """Return the result of an expectation as text."""
    if result.elsewhere:
        return f"open: another part may have a matching cell, see {command('merge --help')}"
    if result.met is None:
        return "not tried"
    cells = sum(map(len, (result.kept, result.broken, result.absent)))
    text = f"{'met' if result.met else 'NOT met'}: in {len(result.kept)} of {cells}"
    for found, word in ((result.broken, "not in"), (result.absent, "no counterpart for")):
        if found:
            more = " …" if len(found) > _SHOWN else ""
            text += f"; {word} {', '.join(found[:_SHOWN])}{more}"
    return text
