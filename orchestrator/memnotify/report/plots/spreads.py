"""Figures over seeds: a dot for each run, the median, its interval, and a line for each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from memnotify.axes import Value
from memnotify.check.statistics import CONFIDENCE
from memnotify.report.plots.answers import about, at_once, listed, sentence
from memnotify.report.plots.palette import BLUE, ORANGE, RULE, Colour
from memnotify.report.plots.picture import (
    LEFT,
    WIDTH,
    Picture,
    Spec,
    number,
    quantity,
    values,
)
from memnotify.results.comparison import GroupComparison
from memnotify.results.grouping import GroupFigure
from memnotify.text import counted, printable

USUAL = (
    *("herd", "gate_to_first_ms", "wakeups"),
    *("missed_clients", "swapped_out", "over_freed_mib"),
)
"""The figures that are drawn if none are asked for."""

_ACROSS = 3
_HEIGHT = 150
_GAP = 66
_ROW_GAP = 84


def spreads(found: GroupComparison, *, by: str, chosen: Sequence[str]) -> Picture:
    """Return the picture of some figures; each panel has one, and a column for each group."""
    rows = {metric: [row for row in found.rows if row.metric == metric] for metric in chosen}
    groups = list(dict.fromkeys(str(row.group) for row in found.rows))
    runs = max(row.spread.n for row in found.rows)
    width = (WIDTH - LEFT - 16 - _GAP * (_ACROSS - 1)) // _ACROSS
    panels = [_panel(metric, rows[metric], groups, by, width) for metric in chosen]
    answer = _answer(rows, chosen)
    times = f" (medians of {counted(runs, 'run')})" if runs > 1 else ""
    return Picture(
        title=f"{answer}{times}",
        subtitle=_subject(found.same, by),
        alt=" ".join([f"{answer}{times}.", *(_told(metric, rows[metric]) for metric in chosen)]),
        caption=[
            f"Each dot is one run, and a thin line joins runs that differ in {by} only. "
            f"Bar: the median; whisker: its {CONFIDENCE:.0%} interval by bootstrap. "
            "Below each name stands its median.",
            *found.notes(),
        ],
        body={
            "concat": panels,
            "columns": _ACROSS,
            "spacing": {"row": _ROW_GAP, "column": _GAP},
            "bounds": "flush",
            "align": "none",
        },
    )


def _subject(same: Mapping[str, Value], by: str) -> str:
    return about(same, [by])


def _answer(rows: Mapping[str, Sequence[GroupFigure]], chosen: Sequence[str]) -> str:
    """Return the medians of the first figure in words."""
    first = rows[chosen[0]]
    told = [row for row in first if row.spread.median is not None]
    if chosen[0] == "herd" and told:
        return sentence(at_once([(str(row.group), row.spread.median or 0) for row in told]))
    medians = [f"{row.group} {row.spread.median:.4g}" for row in told]
    unit = first[0].unit if first else ""
    return f"{chosen[0]}: {listed(medians)} {unit}" if medians else f"{chosen[0]}: no value"


def _told(metric: str, rows: Sequence[GroupFigure]) -> str:
    words = []
    for row in rows:
        median, low, high = row.spread.median, row.spread.low, row.spread.high
        if median is None:
            continue
        interval = "" if low is None else f" [{low:.4g}, {high:.4g}]"
        words.append(f"{row.group} {median:.4g}{interval}")
    return f"{metric}, {rows[0].unit}: {', '.join(words)}." if words else ""


def _panel(
    metric: str, rows: Sequence[GroupFigure], groups: Sequence[str], by: str, width: int
) -> Spec:
    unit = rows[0].unit if rows[0].unit != metric else "number"
    # The median stands below the name of its group.
    names = dict.fromkeys(groups, "")
    for row in rows:
        names[str(row.group)] = "-" if row.spread.median is None else f"{row.spread.median:.4g}"
    names = {group: f"{printable(group)}\n{median}" for group, median in names.items()}
    x = {
        "field": "g",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(names.values())},
        # Vega-Lite shows a list as a label with several lines.
        "axis": {
            "title": by,
            "labelAngle": 0,
            "labelOverlap": False,
            "labelExpr": "split(datum.label, '\\n')",
        },
    }
    y = {
        "field": "v",
        "type": "quantitative",
        "scale": {"zero": True},
        "axis": quantity(f"{metric}, {unit}", grid=True),
    }
    layers = [
        _layer(_pairs(rows, names), x, y, "line", RULE, xOffset=-7, strokeWidth=0.6, opacity=0.7),
        _layer(_dots(rows, names), x, y, "point", BLUE, xOffset=-7, size=22, strokeWidth=1.2),
        _layer(_medians(rows, names), x, y, "rule", ORANGE, xOffset=7, strokeWidth=2),
        _layer(_medians(rows, names), x, y, "tick", ORANGE, xOffset=7, thickness=3, size=14),
    ]
    layers[0]["encoding"]["detail"] = {"field": "n"}
    layers[1]["encoding"]["tooltip"] = [
        {"field": "group", "type": "nominal", "title": by},
        {"field": "v", "type": "quantitative", "title": f"{metric}, {unit}"},
        {"field": "run", "type": "nominal", "title": "run"},
    ]
    layers[2]["encoding"] |= {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    return {"width": width, "height": _HEIGHT, "layer": layers}


def _layer(
    rows: Sequence[dict[str, Any]], x: Spec, y: Spec, mark: str, colour: Colour, **more: Any
) -> Spec:
    return {
        "data": values(rows),
        "mark": {"type": mark, "color": str(colour), "opacity": 1, **more},
        "encoding": {"x": x, "y": y},
    }


def _dots(rows: Sequence[GroupFigure], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "g": names[str(row.group)],
            "group": printable(str(row.group)),
            "v": number(value),
            "run": printable(", ".join(map(str, point))),
        }
        for row in rows
        for point, value in row.values.items()
    ]


def _pairs(rows: Sequence[GroupFigure], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the ends of the lines; each joins the runs at one point in two groups."""
    ends = []
    for left, right in pairwise(rows):
        for point in left.values:
            if point in right.values:
                ends += [(left, left.values[point]), (right, right.values[point])]
    return [
        {"g": names[str(row.group)], "v": number(value), "n": place // 2}
        for place, (row, value) in enumerate(ends)
    ]


def _medians(rows: Sequence[GroupFigure], names: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        median, low, high = row.spread.median, row.spread.low, row.spread.high
        if median is not None:
            low, high = (median if end is None else end for end in (low, high))
            group = {"g": names[str(row.group)], "v": number(median)}
            found.append({**group, "low": number(low), "high": number(high)})
    return found
