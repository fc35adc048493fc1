"""Prints the table of `memnotify check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from memnotify.check.promises import Answer, Invariant, Verdict
from memnotify.report.table import table_of_cells
from memnotify.results.promises import Checked
from memnotify.text import counted, printable

_MOST = 5
"""The most violations shown of one invariant in one cell; --json has all."""


def print_check(console: Console, rows: Sequence[Checked], *, files: Path, records: str) -> None:
    """Print a table of cells and invariants, and where each is broken.

    `rows` has one row for each cell and invariant; a cell's log is `files`/<id>/`records`.
    """
    cells = {row.cell: row.point for row in rows}
    table, differing = table_of_cells(console, list(cells.values()))
    answers = {(row.cell, row.answer.invariant): row.answer for row in rows if row.answer}
    there = {invariant for _, invariant in answers}
    shown = [invariant for invariant in Invariant if invariant in there]
    for invariant in shown:
        table.add_column(invariant.replace("-", "-\n"), justify="right", overflow="fold")
    for cell, point in cells.items():
        found = [answers.get((cell, invariant)) for invariant in shown]
        words = [cell, *(str(point[key]) for key in differing), *map(_figure, found)]
        broken = any(answer is not None and answer.breaks for answer in found)
        table.add_row(*(Text(printable(word)) for word in words), style="red" if broken else "")
    console.print(table)
    for line in _notes(rows):
        console.print(Text(printable(line)), soft_wrap=True)
    for row in rows:
        for line in _breaks(row, files / row.cell / records):
            console.print(Text(printable(line)), soft_wrap=True)
    console.print(Text(_summary(rows)))


def _figure(answer: Answer | None) -> str:
    if answer is None:
        return ""
    tested = str(answer.tested)
    return f"BROKEN {len(answer.breaks)}/{tested}" if answer.breaks else tested


def _notes(rows: Sequence[Checked]) -> Iterator[str]:
    yield "times exercised (0: never, blank: not promised)"
    for series in sorted({str(row.point["series"]) for row in rows if row.answer is None}):
        yield (
            f"{series}: no promises on file; add them to revision.toml in its folder (see "
            "patches/README.md), or restore the folder if it is missing"
        )
    for cell, row in {row.cell: row for row in rows}.items():
        if row.lost_records or row.torn_records:
            lost = counted(row.lost_records, "record")
            yield (
                f"{cell}: {lost} lost, {row.torn_records} torn: broken and kept promises may "
                "both be wrong"
            )


def _breaks(row: Checked, log: Path) -> Iterator[str]:
    if row.answer is None or not row.broken:
        return
    breaks = row.answer.breaks
    yield f"{row.cell} {row.answer.invariant}: broken {counted(len(breaks), 'time')}"
    for found in breaks[:_MOST]:
        numbers = ", ".join(map(str, found.records[:_MOST]))
        more = f" and {len(found.records) - _MOST} more" if found.records[_MOST:] else ""
        who = "" if found.client is None else f", client {found.client}"
        yield (
            f"  {log}: record {numbers}{more}: at {found.time_ns / 1e9:.3f} s{who}: promised "
            f"{found.promised}; observed {found.seen}"
        )
    if len(breaks) > _MOST:
        yield f"  and {len(breaks) - _MOST} more (see --json)"


def _summary(rows: Sequence[Checked]) -> str:
    count = Counter(row.answer.verdict for row in rows if row.answer is not None)
    cells = len({row.cell for row in rows})
    verdicts = ", ".join(f"{count[verdict]} {verdict}" for verdict in Verdict)
    return f"{counted(cells, 'cell')}, {counted(count.total(), 'promise')}: {verdicts}"
