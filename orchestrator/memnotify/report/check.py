"""Prints the table of `memnotify check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from memnotify.axes import POINT, Value
from memnotify.check.promises import Answer, Break, Invariant, PromiseVerdict
from memnotify.report.grid import USUAL, Choice, Column, Grid, Row
from memnotify.report.plain import print_line
from memnotify.report.table import axis_column, differing, shared
from memnotify.results.promises import Checked
from memnotify.series.own import origin_of
from memnotify.text import counted
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
        print_line(console, shared([row.point for row in rows]), style="dim")
        _matrix(rows).print(console)
    for line in _notes(rows, as_list=choice.made):
        print_line(console, line)
    for row in rows:
        for line in _breaks(row, files / row.cell / records):
            print_line(console, line)
    print_line(console, _summary(rows))


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
            f"{series}: no promises on file; add them to revision.toml in {_folder(series)} (see "
            "patches/README.md), restore the folder if it is missing, or ask those of another "
            "revision with --against"
        )
    others = {str(row.promised_by) for row in rows if row.promised_by not in _own(row)}
    for series in sorted(others):
        yield f"against the promises of {series}"
    yield from _needs(rows)
    for cell, row in {row.cell: row for row in rows}.items():
        if row.lost_records or row.torn_records:
            lost = counted(row.lost_records, "record")
            yield (
                f"{cell}: {lost} lost, {row.torn_records} torn: broken and kept promises may "
                "both be wrong"
            )


def _own(row: Checked) -> tuple[str | None, ...]:
    return None, str(row.point["series"])


def _folder(series: str) -> str:
    origin = origin_of(series)
    return "its folder" if origin is None else f"{origin}"


def _needs(rows: Sequence[Checked]) -> Iterator[str]:
    """Yield what would exercise the promises that were not, each text once."""
    cells: dict[tuple[str, str], int] = Counter()
    for row in rows:
        if row.answer is not None and row.needs is not None:
            cells[str(row.answer.invariant), row.needs] += 1
    for (invariant, needs), count in cells.items():
        yield f"{invariant} not exercised in {counted(count, 'cell')}: it takes {needs}"


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
