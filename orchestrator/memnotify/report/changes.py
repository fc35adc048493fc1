"""Prints what moved between two runs: a line for each figure that differs, setting by setting."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from memnotify.axes import Value
from memnotify.check.change import Evidence
from memnotify.report.grid import Column, Grid, Row
from memnotify.report.table import axis_column
from memnotify.results.changes import Judgement, Moved, number, share, strongest_first
from memnotify.text import counted, printable


def print_changes(console: Console, moved: Sequence[Moved], *, by: str) -> None:
    """Print a table of the figures that differ, those with the best evidence first."""
    settings = {(one.group, tuple(one.setting.items())) for one in moved}
    differ = [one for one in strongest_first(moved) if one.change.evidence is not Evidence.EQUAL]
    still = len(settings) - len({(one.group, tuple(one.setting.items())) for one in differ})
    if differ:
        changes_grid(differ, by=by).print(console)
    if still:
        where = counted(still, "setting")
        line = f"no figure differs in {where}" if differ else f"no figure differs ({where})"
        console.print(Text(line), soft_wrap=True)


def changes_grid(moved: Sequence[Moved], *, by: str) -> Grid:
    """Return one row for each change."""
    axes = list(dict.fromkeys(axis for one in moved for axis in one.setting))
    groups = len({one.group for one in moved}) > 1
    first = moved[0]
    columns = (
        *(axis_column(axis, key=True) for axis in axes),
        *([Column(name="group", title=by, key=True)] if groups else []),
        Column(name="figure", key=True),
        Column(name="before", title=printable(str(first.versus)), right=True),
        Column(name="after", title="after" if groups else printable(str(first.group)), right=True),
        Column(name="change", right=True, joined=True),
        Column(name="evidence", gives_way=1),
    )
    return Grid(columns, tuple(_row(one) for one in moved))


def _row(one: Moved) -> Row:
    found = one.change
    setting: dict[str, Value] = dict(one.setting)
    title = one.figure if one.figure.endswith(one.unit.lower()) else f"{one.figure} ({one.unit})"
    apart = "" if found.by is None else f"{number(found.by, '+')}{share(found.share)}"
    return Row(
        {**setting, "group": one.group, "figure": title, "evidence": found.said()},
        {"before": number(found.before), "after": number(found.after), "change": apart},
    )


def print_judgement(console: Console, found: Judgement) -> None:
    """Print what --fail-if found."""
    for line in found.lines():
        style = "red" if line.startswith("FAIL ") else ""
        console.print(Text(printable(line), style=style), soft_wrap=True)
