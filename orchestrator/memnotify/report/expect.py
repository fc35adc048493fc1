"""Prints the results of a campaign's expectations."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from memnotify.places import command
from memnotify.report.cells import CaseStatus
from memnotify.report.plain import plain_table
from memnotify.results.expectations import Expected
from memnotify.text import printable

_SHOWN = 3  # cells shown that broke an expectation


def print_expectations(console: Console, results: Sequence[Expected]) -> None:
    """Print what `memnotify expect RUN` shows."""
    if not results:
        console.print("the campaign has no expectations")
        return
    table = plain_table("expected", "details", "result")
    for result in results:
        words = (result.says, result.what, in_words(result))
        table.add_row(
            *(Text(printable(word)) for word in words),
            style="yellow" if result.met is False else "",
        )
    console.print(table)


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
