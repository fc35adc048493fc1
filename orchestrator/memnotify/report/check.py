"""Prints the table of `memnotify check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from memnotify.axes import POINT, Value
from memnotify.check.promises import Answer, Break, Invariant, PromiseVerdict
from memnotify.report.grid import USUAL, Choice, Column, Grid, Row
from memnotify.report.table import axis_column, differing, shared
from memnotify.results.promises import Checked
from memnotify.text import counted, printable
from memnotify.units import NS_PER_S

_MOST = 5
"""The most violations shown of one invariant in one cell; --json has all."""


def print_check(
    console: Console,
    rows: Sequence[Checked],
    *,
    files: Path,
    records: str,
    choice: Choice = USUAL,
) -> None:
    """Print a table of cells and invariants, and where each is broken.

    `rows` has one row for each cell and invariant; a cell's log is `files`/<id>/`records`.
    """
    if choice.made:
        check_grid(rows).chosen(choice).print(console)
    else:
        console.print(Text(printable(shared([row.point for row in rows])), style="dim"))
        _matrix(rows).print(console)
    for line in _notes(rows, as_list=choice.made):
        console.print(Text(printable(line)), soft_wrap=True)
    for row in rows:
        for line in _breaks(row, files / row.cell / records):
            console.print(Text(printable(line)), soft_wrap=True)
    console.print(Text(_summary(rows)), soft_wrap=True)


def check_grid(rows: Sequence[Checked]) -> Grid:
    """Return the rows as a list: one for each cell and invariant."""
    axes = differing([row.point for row in rows])
    columns = (
        Column(name="cell", key=True),
        Column(name="name", usual=False),
        *(axis_column(name, gives_way=1, usual=name in axes) for name in POINT),
        Column(name="invariant"),
        Column(name="tested", right=True),
        Column(name="broken", right=True),
        Column(name="verdict"),
        Column(name="lost_records", right=True, usual=False),
        Column(name="torn_records", right=True, usual=False),
    )
    return Grid(
        columns, tuple(Row(row.to_json(), style="red" if row.broken else "") for row in rows)
    )


def _matrix(rows: Sequence[Checked]) -> Grid:
    """Return a table with a row for each cell, and a column for each invariant."""
    cells = {row.cell: row.point for row in rows}
    answers = {(row.cell, row.answer.invariant): row.answer for row in rows if row.answer}
    there = {invariant for _, invariant in answers}
    shown = [invariant for invariant in Invariant if invariant in there]
    axes = differing(list(cells.values()))
    columns = (
        Column(name="cell", key=True),
        *(
            axis_column(name, key=name == "series", gives_way=int(name != "series"))
            for name in axes
        ),
        *(Column(name=one, title=one.replace("-", "-\n"), right=True) for one in shown),
    )
    return Grid(columns, tuple(_row(cell, cells[cell], answers, shown) for cell in cells))


def _row(
    cell: str,
    point: Mapping[str, Value],
    answers: Mapping[tuple[str, Invariant], Answer],
    shown: Sequence[Invariant],
) -> Row:
    found = {invariant: answers.get((cell, invariant)) for invariant in shown}
    broken = any(answer is not None and answer.breaks for answer in found.values())
    texts = {str(invariant): _figure(answer) for invariant, answer in found.items()}
    return Row({"cell": cell, **point}, texts, "red" if broken else "")


def _figure(answer: Answer | None) -> str:
    if answer is None:
        return ""
    tested = str(answer.tested)
    return f"BROKEN {len(answer.breaks)}/{tested}" if answer.breaks else tested


def _notes(rows: Sequence[Checked], *, as_list: bool) -> Iterator[str]:
    if not as_list:
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
        yield f"  {log}: {told_break(found)}"
    if len(breaks) > _MOST:
        yield f"  and {len(breaks) - _MOST} more (see --json)"


def told_break(found: Break) -> str:
    """Return where a promise is broken, what was promised, and what was observed."""
    numbers = ", ".join(map(str, found.records[:_MOST]))
    more = f" and {len(found.records) - _MOST} more" if found.records[_MOST:] else ""
    who = "" if found.client is None else f", client {found.client}"
    return (
        f"record {numbers}{more}: at {found.time_ns / NS_PER_S:.3f} s{who}: promised "
        f"{found.promised}; observed {found.seen}"
    )


def _summary(rows: Sequence[Checked]) -> str:
    count = Counter(row.answer.verdict for row in rows if row.answer is not None)
    cells = len({row.cell for row in rows})
    verdicts = ", ".join(f"{count[verdict]} {verdict}" for verdict in PromiseVerdict)
    return f"{counted(cells, 'cell')}, {counted(count.total(), 'promise')}: {verdicts}"
