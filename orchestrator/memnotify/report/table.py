"""Prints the table of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from memnotify.axes import AXES, REPEAT, Value, ordered
from memnotify.model import Ending
from memnotify.report.grid import USUAL, Choice, Column, Grid
from memnotify.report.grid import Row as GridRow
from memnotify.report.plain import plain_table, print_line
from memnotify.report.words import batches_in_words
from memnotify.results.verdict import Verdict
from memnotify.text import counted, printable

Row = Mapping[str, Any]

_MAX_BATCHES = 3
_SHARED = ordered("base", "series", "setting", "arch", "machine", "scenario")
ALWAYS = ("series", "memory_mib", "clients")
_TITLES = {"memory_mib": "MiB", "clients": "cli-\nents", "repeat": "#"}
# With their titles, and in which order they give way where there is no room, the last one first.
_FIGURES = {
    "wakeups": ("wake-\nups", 0),
    "clients_woken": ("woken", 5),
    "first_wakeup_ms": ("gate to\nfirst ms", 3),
    "batches": ("batches: size,\n+seconds, size ...", 2),
    "swapped_out_before_first": ("swapped\nbefore", 4),
    "oom_kills": ("OOM\nkills", 6),
    "self_check": ("self-check", 1),
}
_OF_A_CELL = {
    "wakeups": ("wake-\nups", 0),
    "clients_woken": ("clients\nwoken", 0),
    "max_batch": ("max\nbatch", 3),
    "first_wakeup_ms": ("gate to\nfirst ms", 1),
    "swapped_out_before_first": ("pages swapped\nbefore that", 2),
    "oom_kills": ("OOM\nkills", 4),
}
_STYLES = {Ending.OK: "", Ending.FINDING: "yellow", Ending.INFRASTRUCTURE: "red"}


def print_run(
    console: Console, verdicts: Sequence[Verdict], *, planned: int, choice: Choice = USUAL
) -> None:
    """Print what `memnotify show RUN` shows: a table with one row per cell, then what went wrong.

    Values that all cells share stand above the table. An unknown figure (no wakeup, no log) is `-`.
    """
    grid = run_grid(verdicts).chosen(choice)
    if verdicts:
        print_line(console, shared([one.point for one in verdicts]), style="dim")
        grid.print(console)
    for verdict in verdicts:
        for note in _notes(verdict):
            print_line(console, f"{verdict.id} {note}")
    print_line(console, summary(verdicts, planned=planned))


def _notes(verdict: Verdict) -> list[str]:
    notes, outcome = [], verdict.outcome
    if not outcome.ok:
        notes.append(f"{outcome}: {outcome.detail}" if outcome.detail else str(outcome))
    if verdict.torn_records:
        notes.append(f"{counted(verdict.torn_records, 'record')} torn: the writers were killed")
    if verdict.lost_records:
        notes.append(f"{counted(verdict.lost_records, 'record')} lost: the figures are too low")
    return notes


def differing(points: Sequence[Mapping[str, Value]]) -> list[str]:
    """Return the axes that get a column: those that differ, and some that always have one."""
    return [
        key for key in _SHARED if key in ALWAYS or len({str(point[key]) for point in points}) > 1
    ]


def shared(points: Sequence[Mapping[str, Value]]) -> str:
    """Return the values that all cells share, for the line above their table."""
    others = (*differing(points), REPEAT)
    words = (str(points[0][key]) for key in _SHARED if key not in others)
    return " ".join(filter(None, words))


def axis_column(name: str, **changes: Any) -> Column:
    """Return the column of an axis."""
    number = AXES[name].kind is int
    return Column(name=name, title=_TITLES.get(name), right=number, **changes)


def run_grid(verdicts: Sequence[Verdict]) -> Grid:
    """Return the table of a run, with a column for every key of `show RUN --json`."""
    rows = [verdict.to_json() for verdict in verdicts]
    axes = differing([verdict.point for verdict in verdicts])
    usual = [
        Column(name="id", title="cell", key=True),
        *(axis_column(name, gives_way=0 if name == "series" else 1) for name in axes),
        *(
            Column(name=name, title=title, right=name != "batches", gives_way=least)
            for name, (title, least) in _FIGURES.items()
            if name != "self_check" or any(row.get(name) for row in rows)
        ),
        Column(name="outcome"),
    ]
    names = {column.name for column in usual}
    others = dict.fromkeys(key for row in rows for key in row if key not in names)
    more = [
        Column(name=key, right=all(_is_number(row.get(key)) for row in rows), usual=False)
        for key in others
    ]
    return Grid((*usual, *more), tuple(map(_grid_row, verdicts, rows)))


def _figures_grid(verdict: Verdict) -> Grid:
    """Return the figures of a cell in one row, with their units in the head."""
    columns = tuple(
        Column(name=name, title=title, right=True, gives_way=least)
        for name, (title, least) in _OF_A_CELL.items()
    )
    texts = {key: _figure(verdict.figures, key) for key in _OF_A_CELL}
    return Grid(columns, (GridRow(verdict.figures, texts),))


def _grid_row(verdict: Verdict, row: Row) -> GridRow:
    texts = {key: _figure(verdict.figures, key) for key in _FIGURES}
    return GridRow(row, texts, _STYLES[verdict.outcome.ending])


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _figure(figures: Mapping[str, Any], key: str) -> str:
    value = figures.get(key)
    if key == "batches":
        return batches_in_words(value or (), _MAX_BATCHES)
    if key == "self_check" and value:
        return ", ".join(f"{number} {what}" for what, number in value.items() if number)
    if value is None:
        return "-"
    return f"{value:.0f}" if isinstance(value, float) else str(value)


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
    print_line(console, f"{verdict.id}  {verdict.name}", style="bold")
    outcome = verdict.outcome
    why = f": {outcome.detail}" if outcome.detail else ""
    print_line(console, f"outcome {outcome}{why}")
    print_line(
        console,
        f"{verdict.guest_seconds} s of guest time in {verdict.wall_seconds} s, "
        f"repeatability {verdict.repeatability}, "
        f"{counted(verdict.lost_records, 'record')} lost",
    )
    _figures_grid(verdict).print(console)
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
