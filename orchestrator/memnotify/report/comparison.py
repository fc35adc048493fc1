"""Prints the table of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from memnotify.axes import Value, chosen
from memnotify.report.grid import USUAL, Choice, Column, Grid, Row
from memnotify.report.plain import print_line
from memnotify.results.grouping import GroupFigure
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
    choice: Choice = USUAL,
    table: bool = True,
) -> None:
    """Print what `memnotify compare` shows: one line per figure, one column per group.

    Without `table`, only what is around it, unless columns or an order were asked for.

    `rows` are sorted by figure, then group. `same` has the axes with a single value. If columns or
    an order were asked for, the table is the list of `comparison_grid` instead.
    """
    groups = list(dict.fromkeys(row.group for row in rows))
    by, cells, over = rows[0].by, rows[0].cells, rows[0].over
    here = ", ".join(f"{axis} {value}" for axis, value in chosen(same).items())
    print_line(console, here, style="dim")
    each = f"by {by}, {counted(cells, 'run')} in each group"
    taken = ", ".join(f"{axis} {_values(some)}" for axis, some in over.items())
    print_line(console, f"{each}: {taken}" if taken else each)
    effects = any(row.apart is not None for row in rows)
    paired = any(row.apart is not None and row.apart.difference is not None for row in rows)
    if choice.made:
        comparison_grid(rows).chosen(choice).print(console)
    elif table:
        _matrix(rows, groups, effects="" if not effects else "Δ" if paired else "δ").print(console)
    if effects:
        print_line(console, f"{_EFFECTS[paired]} {groups[0]}")
    for note in notes:
        print_line(console, note)


def comparison_grid(rows: Sequence[GroupFigure]) -> Grid:
    """Return the figures as a list: one row for each figure and group."""
    columns = (
        Column(name="by", usual=False),
        Column(name="metric", key=True),
        Column(name="unit", gives_way=1),
        Column(name="group", key=True),
        *(Column(name=name, right=True) for name in ("n", "median", "low", "high")),
        Column(name="versus", gives_way=2),
        *(Column(name=name, right=True) for name in _DIFFERENCE),
        Column(name="effect", right=True, gives_way=4),
        Column(name="test", gives_way=5),
        Column(name="p", right=True, gives_way=3),
        Column(name="cells", right=True, usual=False),
    )
    return Grid(columns, tuple(map(_listed, rows)))


_DIFFERENCE = {"difference": "median", "difference_low": "low", "difference_high": "high"}
"""Columns of the list, by what they are in the difference of two groups."""


def _listed(row: GroupFigure) -> Row:
    values = row.to_json()
    apart = values["difference"] or {}
    values |= {name: apart.get(of) for name, of in _DIFFERENCE.items()}
    texts = {
        name: _number(values[name], "+" if name == "difference" else "")
        for name in ("median", "low", "high", *_DIFFERENCE, "effect", "p")
        if values[name] is not None
    }
    return Row(values, texts)


def _matrix(rows: Sequence[GroupFigure], groups: Sequence[Value], *, effects: str) -> Grid:
    """Return a table with one row per figure; `effects` is the head of the differences, if any."""
    of_several = rows[0].cells > 1
    intervals = " [95 % interval]" if any(row.spread.low is not None for row in rows) else ""
    columns = [Column(name="figure", title=f"median{intervals}" if of_several else "", key=True)]
    for place, group in enumerate(groups):
        columns.append(Column(name=f"group {place}", title=printable(str(group)), right=True))
        if effects and place:
            columns.append(Column(name=f"effect {place}", title=effects, right=True, joined=True))
    found = []
    for at in range(0, len(rows), len(groups)):
        texts = {"figure": _title(rows[at])}
        for place, row in enumerate(rows[at : at + len(groups)]):
            texts[f"group {place}"] = _figure(row)
            texts[f"effect {place}"] = _effect(row)
        found.append(Row({}, texts))
    return Grid(tuple(columns), tuple(found))


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
