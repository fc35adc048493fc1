"""Prints the table of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from memnotify.axes import AXES, REPEAT, Value, ordered
from memnotify.model import Ending
from memnotify.report.plain import plain_table
from memnotify.results.verdict import Verdict
from memnotify.text import counted, printable

Row = Mapping[str, Any]

_MAX_BATCHES = 3
_SHARED = ordered("base", "series", "arch", "machine", "scenario")
_ALWAYS = ("series", "memory_mib", "clients")
_TITLES = {"memory_mib": "MiB", "clients": "cli-\nents", "repeat": "#"}
_FIGURES = (
    ("wakeups", "wake-\nups"),
    ("clients_woken", "woken"),
    ("first_wakeup_ms", "gate to\nfirst ms"),
    ("batches", "batches: size,\n+seconds, size ..."),
    ("swapped_out_before_first", "swapped\nbefore"),
    ("oom_kills", "OOM\nkills"),
)
_SELF_CHECK = ("self_check", "self-check")
_STYLES = {Ending.OK: "", Ending.FINDING: "yellow", Ending.INFRASTRUCTURE: "red"}


def print_run(console: Console, verdicts: Sequence[Verdict], *, planned: int) -> None:
    """Print what `memnotify show RUN` shows: a table with one row per cell, then what went wrong.

    Values that all cells share stand above the table. An unknown figure (no wakeup, no log) is `-`.
    """
    if verdicts:
        table, differing = table_of_cells(console, [verdict.point for verdict in verdicts])
        _fill(table, verdicts, differing)
        console.print(table)
    for verdict in verdicts:
        for note in _notes(verdict):
            console.print(Text(printable(f"{verdict.id} {note}")), soft_wrap=True)
    console.print(Text(summary(verdicts, planned=planned)))


def _notes(verdict: Verdict) -> list[str]:
    notes, outcome = [], verdict.outcome
    if not outcome.ok:
        notes.append(f"{outcome}: {outcome.detail}" if outcome.detail else str(outcome))
    if verdict.torn_records:
        notes.append(f"{counted(verdict.torn_records, 'record')} torn: the writers were killed")
    if verdict.lost_records:
        notes.append(f"{counted(verdict.lost_records, 'record')} lost: the figures are too low")
    return notes


def table_of_cells(
    console: Console, points: Sequence[Mapping[str, Value]]
) -> tuple[Table, list[str]]:
    """Start a table with one row per cell: columns for its id and for the axes that differ.

    `points` are the cells' points in the matrix. Prints the values that they share. Returns the
    table and the names of the differing axes.
    """
    differing = [
        key for key in _SHARED if key in _ALWAYS or len({str(point[key]) for point in points}) > 1
    ]
    same = " ".join(str(points[0][key]) for key in _SHARED if key not in (*differing, REPEAT))
    console.print(Text(printable(same)), style="dim")
    table = plain_table()
    table.add_column("cell", no_wrap=True)
    for key in differing:
        number = AXES[key].kind is int
        title = _TITLES.get(key, key)
        table.add_column(title, justify="right" if number else "left", overflow="fold")
    return table, differing


def _fill(table: Table, verdicts: Sequence[Verdict], differing: Sequence[str]) -> None:
    checked = any(verdict.figures.get(_SELF_CHECK[0]) for verdict in verdicts)
    figures = (*_FIGURES, _SELF_CHECK) if checked else _FIGURES
    for key, title in figures:
        table.add_column(title, justify="left" if key == "batches" else "right", overflow="fold")
    table.add_column("outcome", overflow="fold")
    for verdict in verdicts:
        style = _STYLES[verdict.outcome.ending]
        cells = [verdict.id, *(verdict.point[key] for key in differing)]
        cells += [_figure(verdict.figures, key) for key, _ in figures] + [str(verdict.outcome)]
        table.add_row(*(Text(printable(str(cell))) for cell in cells), style=style)


def _figure(figures: Mapping[str, Any], key: str) -> str:
    value = figures.get(key)
    if key == "batches":
        return _batches(value or ())
    if key == "self_check" and value:
        return ", ".join(f"{number} {what}" for what, number in value.items() if number)
    if value is None:
        return "-"
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _batches(batches: Sequence[Row]) -> str:
    words = []
    for batch in batches[:_MAX_BATCHES]:
        if batch["after_ms"] is not None:
            seconds = batch["after_ms"] / 1000
            words.append(f"+{seconds:.2f}" if seconds < 10 else f"+{seconds:.1f}")
        words.append(str(batch["wakeups"]))
    return " ".join([*words, "…"] if len(batches) > _MAX_BATCHES else words)


def summary(verdicts: Sequence[Verdict], *, planned: int) -> str:
    """Return `12 cells: 11 ok, 1 finding, 0 infrastructure failures`."""
    count = Counter(verdict.outcome.ending for verdict in verdicts)
    text = (
        f"{counted(planned, 'cell')}: {count[Ending.OK]} ok, "
        f"{counted(count[Ending.FINDING], 'finding')}, "
        f"{counted(count[Ending.INFRASTRUCTURE], 'infrastructure failure')}"
    )
    missing = planned - len(verdicts)
    return f"{text}, {missing} not run" if missing else text


def print_cell(console: Console, verdict: Verdict, events: Sequence[Row]) -> None:
    """Print what `memnotify show RUN CELL` shows; `events` are sorted by time."""
    console.print(Text(printable(f"{verdict.id}  {verdict.name}"), style="bold"))
    outcome = verdict.outcome
    why = f": {outcome.detail}" if outcome.detail else ""
    console.print(Text(printable(f"outcome {outcome}{why}")), soft_wrap=True)
    console.print(
        Text(
            f"{verdict.guest_seconds} s of guest time in {verdict.wall_seconds} s, "
            f"repeatability {verdict.repeatability}, "
            f"{counted(verdict.lost_records, 'record')} lost"
        )
    )
    table = plain_table()
    table.add_column("guest s", justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("", overflow="fold")
    for event in events:
        style = "yellow" if event["event"] in ("wakeups", "oom") else ""
        words = (f"{event['t']:.3f}", event["event"], event["text"])
        table.add_row(*(Text(printable(str(word))) for word in words), style=style)
    if events:
        console.print(table)
    else:
        console.print("no log")
