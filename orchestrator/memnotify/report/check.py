"""What `memnotify check` prints for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from memnotify.check.promises import Invariant, Verdict
from memnotify.report.table import Row, table_of_cells
from memnotify.text import counted, printable

_MOST = 5
"""So many places where one invariant of one cell is broken are shown; --json has all."""


def print_check(console: Console, rows: Sequence[Row], *, files: Path, records: str) -> None:
    """Print a table of cells and invariants, and where each is broken.

    `rows` has one for each cell and invariant; a cell's log is `files`/<id>/`records`.
    """
    cells = {row["cell"]: {**row, "id": row["cell"]} for row in rows}
    table, differing = table_of_cells(console, list(cells.values()))
    there = {row["invariant"] for row in rows}
    shown = [invariant for invariant in Invariant if invariant in there]
    for invariant in shown:
        table.add_column(invariant.replace("-", "-\n"), justify="right", overflow="fold")
    answers = {(row["cell"], row["invariant"]): row for row in rows}
    for cell, axes in cells.items():
        found = [answers.get((cell, invariant)) for invariant in shown]
        words = [cell, *(str(axes[key]) for key in differing), *map(_figure, found)]
        broken = any(answer is not None and answer["broken"] for answer in found)
        table.add_row(*(Text(printable(word)) for word in words), style="red" if broken else "")
    console.print(table)
    for line in _notes(rows):
        console.print(Text(printable(line)), soft_wrap=True)
    for row in rows:
        for line in _breaks(row, files / row["cell"] / records):
            console.print(Text(printable(line)), soft_wrap=True)
    console.print(Text(_summary(rows)))


def _figure(row: Row | None) -> str:
    if row is None:
        return ""
    return f"BROKEN {row['broken']}/{row['tested']}" if row["broken"] else str(row["tested"])


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    yield "how often each was put to the test: 0 is not exercised, blank is not promised"
    for series in sorted({row["series"] for row in rows if row["invariant"] is None}):
        yield (
            f"{series}: no promises on file; write them into revision.toml in its folder, "
            "patches/README.md says how, or bring the folder back if it is gone"
        )
    for cell, row in {row["cell"]: row for row in rows}.items():
        if row["lost_records"] or row["torn_records"]:
            lost, torn = counted(row["lost_records"], "record"), row["torn_records"]
            yield (
                f"{cell}: {lost} lost, {torn} torn: "
                "what seems broken may be in them, and what seems kept, too"
            )


def _breaks(row: Row, log: Path) -> Iterator[str]:
    if not row["broken"]:
        return
    yield f"{row['cell']} {row['invariant']}: broken {counted(row['broken'], 'time')}"
    for found in row["breaks"][:_MOST]:
        numbers = ", ".join(map(str, found["records"][:_MOST]))
        more = f" and {len(found['records']) - _MOST} more" if found["records"][_MOST:] else ""
        who = "" if found["client"] is None else f", client {found['client']}"
        yield (
            f"  {log}: record {numbers}{more}: at {found['time_ns'] / 1e9:.3f} s{who}: "
            f"promised {found['promised']}; seen {found['seen']}"
        )
    if row["broken"] > _MOST:
        yield f"  and {row['broken'] - _MOST} more, which --json has"


def _summary(rows: Sequence[Row]) -> str:
    count = Counter(row["verdict"] for row in rows if row["invariant"] is not None)
    cells = len({row["cell"] for row in rows})
    verdicts = ", ".join(f"{count[verdict]} {verdict}" for verdict in Verdict)
    return f"{counted(cells, 'cell')}, {counted(count.total(), 'promise')}: {verdicts}"
