"""The table of a run, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import IO, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from memnotify.text import counted, printable

Row = Mapping[str, Any]

_MAX_BATCHES = 3
_SHARED = ("base", "series", "arch", "machine", "scenario", "memory_mib", "clients", "repeat")
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


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with 1, which says that a check failed


def plain_console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """Return a console that cuts nothing where there is no terminal that sets a width."""
    console = _Console(file=file, stderr=stderr, highlight=False)
    return (
        console
        if console.is_terminal
        else _Console(file=file, stderr=stderr, highlight=False, width=1_000)
    )


def plain_table(*titles: str) -> Table:
    """Return a table without lines, of columns with these titles that wrap."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def print_run(console: Console, rows: Sequence[Row], *, planned: int) -> None:
    """Print what `memnotify show RUN` shows: a table, one row a cell, and what went wrong.

    `rows` are the cells' verdicts. What is the same for all of them stands above the table; a
    figure that nobody can know (no wakeup, no log) is `-`.
    """
    if rows:
        table, differing = table_of_cells(console, rows)
        _fill(table, rows, differing)
        console.print(table)
    for row in rows:
        for note in _notes(row):
            console.print(Text(printable(f"{row['id']} {note}")), soft_wrap=True)
    console.print(Text(summary(rows, planned=planned)))


def _notes(row: Row) -> list[str]:
    notes = []
    if row["outcome"] != "ok":
        notes.append(f"{row['outcome']}: {row['detail']}" if row["detail"] else row["outcome"])
    if row.get("torn_records"):
        notes.append(
            f"cut short, as their writers were killed: {counted(row['torn_records'], 'record')}"
        )
    if row["lost_records"]:
        notes.append(f"lost {counted(row['lost_records'], 'record')}: its figures are too low")
    return notes


def table_of_cells(console: Console, rows: Sequence[Row]) -> tuple[Table, list[str]]:
    """Begin a table with a row for each cell: columns for its id and for the axes that differ.

    Prints what the cells share. Returns the table, and the names of those axes.
    """
    differing = [
        key for key in _SHARED if key in _ALWAYS or len({str(row[key]) for row in rows}) > 1
    ]
    same = " ".join(str(rows[0][key]) for key in _SHARED if key not in (*differing, "repeat"))
    console.print(Text(printable(same)), style="dim")
    table = plain_table()
    table.add_column("cell", no_wrap=True)
    for key in differing:
        number = isinstance(rows[0][key], int)
        title = _TITLES.get(key, key)
        table.add_column(title, justify="right" if number else "left", overflow="fold")
    return table, differing


def _fill(table: Table, rows: Sequence[Row], differing: Sequence[str]) -> None:
    figures = (*_FIGURES, _SELF_CHECK) if any(row.get("self_check") for row in rows) else _FIGURES
    for key, title in figures:
        table.add_column(title, justify="left" if key == "batches" else "right", overflow="fold")
    table.add_column("outcome", overflow="fold")
    for row in rows:
        style = {"ok": "", "infrastructure": "red"}.get(row["outcome"].split(":")[0], "yellow")
        cells = [row["id"], *(row[key] for key in differing)]
        cells += [_figure(row, key) for key, _ in figures] + [row["outcome"]]
        table.add_row(*(Text(printable(str(cell))) for cell in cells), style=style)


def _figure(row: Row, key: str) -> str:
    value = row.get(key)
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


def summary(rows: Sequence[Row], *, planned: int) -> str:
    """Return `12 cells: 11 ok, 1 finding, 0 infrastructure failures`."""
    count = Counter(row["outcome"].split(":")[0] for row in rows)
    text = (
        f"{counted(planned, 'cell')}: {count['ok']} ok, {counted(count['finding'], 'finding')}, "
        f"{counted(count['infrastructure'], 'infrastructure failure')}"
    )
    missing = planned - len(rows)
    return f"{text}, {missing} not run" if missing else text


def print_cell(console: Console, verdict: Row, events: Sequence[Row]) -> None:
    """Print what `memnotify show RUN CELL` shows; `events` are sorted by time."""
    console.print(Text(printable(f"{verdict['id']}  {verdict['name']}"), style="bold"))
    why = f": {verdict['detail']}" if verdict["detail"] else ""
    console.print(Text(printable(f"outcome {verdict['outcome']}{why}")), soft_wrap=True)
    console.print(
        Text(
            f"{verdict['guest_seconds']} s of guest time in {verdict['wall_seconds']} s, "
            f"repeatability {verdict['repeatability']}, "
            f"{counted(verdict['lost_records'], 'record')} lost"
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
        console.print("no log was kept")
