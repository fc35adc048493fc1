"""Prints the table of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from memnotify.axes import Value
from memnotify.report.plain import plain_table
from memnotify.results.comparison import GroupFigure
from memnotify.text import counted, printable

_MOST_VALUES = 8
_EFFECTS = {
    True: "Δ: median difference between runs with the same seed [95 % interval], p in --json by "
    "Wilcoxon's signed-rank test; relative to",
    False: "δ: Cliff's delta, p in --json by the Mann-Whitney U test; relative to",
}
"""The legend of the effect column, by whether runs are paired."""


def print_comparison(
    console: Console,
    rows: Sequence[GroupFigure],
    *,
    same: Mapping[str, Value],
    notes: Sequence[str],
) -> None:
    """Print what `memnotify compare` shows: one line per figure, one column per group.

    `rows` are sorted by figure, then group. `same` has the axes with a single value.
    """
    groups = list(dict.fromkeys(row.group for row in rows))
    by, cells, over = rows[0].by, rows[0].cells, rows[0].over
    here = ", ".join(f"{axis} {value}" for axis, value in same.items())
    console.print(Text(printable(here)), style="dim", soft_wrap=True)
    each = f"by {by}, {counted(cells, 'run')} in each group"
    taken = ", ".join(f"{axis} {_values(some)}" for axis, some in over.items())
    console.print(Text(printable(f"{each}: {taken}" if taken else each)), soft_wrap=True)
    table = plain_table()
    effects = any(row.apart is not None for row in rows)
    paired = any(row.apart is not None and row.apart.difference is not None for row in rows)
    intervals = " [95 % interval]" if any(row.spread.low is not None for row in rows) else ""
    table.add_column(f"median{intervals}" if cells > 1 else "", no_wrap=True)
    for group in groups:
        table.add_column(Text(printable(str(group))), justify="right", overflow="fold")
        if effects and group != groups[0]:
            table.add_column("Δ" if paired else "δ", justify="right", no_wrap=True)
    for at in range(0, len(rows), len(groups)):
        words = [_title(rows[at])]
        for row in rows[at : at + len(groups)]:
            words.append(_figure(row))
            if effects and row.versus is not None:
                words.append(_effect(row))
        table.add_row(*map(Text, words))
    console.print(table)
    if effects:
        console.print(Text(printable(f"{_EFFECTS[paired]} {groups[0]}")), soft_wrap=True)
    for note in notes:
        console.print(Text(printable(note)), soft_wrap=True)


def _effect(row: GroupFigure) -> str:
    if row.apart is None:
        return ""
    if row.apart.difference is None:
        return f"{row.apart.delta:+.2f}"
    difference = row.apart.difference
    text = _number(difference.median, "+")
    return f"{text} [{_number(difference.low)}, {_number(difference.high)}]"


def _title(row: GroupFigure) -> str:
    metric, unit = row.metric, row.unit
    return metric if metric.endswith(unit.lower()) else f"{metric} ({unit})"


def _values(some: Sequence[str | int]) -> str:
    if len(some) <= _MOST_VALUES:
        return " ".join(map(str, some))
    return f"{some[0]} … {some[-1]} ({len(some)} values)"


def _figure(row: GroupFigure) -> str:
    found = row.spread
    if found.median is None:
        return "-"
    text = _number(found.median)
    if found.low is not None:
        text += f" [{_number(found.low)}, {_number(found.high)}]"
    if found.n < row.cells:
        text += " (1 run)" if found.n == 1 else f" ({found.n} runs)"
    return text


def _number(value: float | None, sign: str = "") -> str:
    """Return three significant digits, or all of a larger integer; `sign`: "+" forces a sign."""
    if not value:
        return "0"
    whole = value == int(value) or abs(value) >= 100
    return f"{value:{sign}.0f}" if whole else f"{value:{sign}.3g}"
