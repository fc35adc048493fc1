"""What the panels of a timeline have in common: the scale of time, rules, curves and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memnotify.report.plots.legend import End, legend
from memnotify.report.plots.palette import BLUE, INK, ORANGE, RULE
from memnotify.report.plots.picture import Spec, moment, moments, numbers, quantity, values
from memnotify.report.plots.thin import ALL, Most, Raster, thin
from memnotify.results.course import Course, Line

LINE = 13
"""The height of a line of labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One column of panels: the guest, its place among the columns, and the scales of all."""

    course: Course
    name: str
    width: int
    end_s: float
    first: bool
    last: bool
    alone: bool
    courses: tuple[Course, ...]
    parts: float | None = None
    raster: Raster
    rows: int = 1  # of labels above the panels
    most: Most = ALL

    def pixel(self, t: float) -> float:
        return t / self.end_s * self.width


def time(frame: Frame, *, axis: Spec | None = None) -> Spec:
    scale = {"domain": [0, moment(frame.end_s)], "nice": False, "zero": False}
    return {"field": "t", "type": "quantitative", "scale": scale, "axis": axis}


_BARE: Spec = {"title": None, "labels": False, "grid": True}
_LAST: Spec = {"title": "guest time, s", "grid": True}


def panel(
    frame: Frame,
    height: int,
    layers: Sequence[Spec],
    *,
    title: str,
    domain: Sequence[float],
    scale: str = "linear",
    lowest: bool = False,
    **axis: Any,
) -> Spec:
    """Return a panel whose layers have fields `t` and `y`, under the rules of the steps."""
    ends = [{"t": 0.0, "y": domain[0]}, {"t": moment(frame.end_s), "y": domain[1]}]
    y_axis = quantity(title, **axis) if frame.first else {"title": None, "labels": False}
    level = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": list(domain), "type": scale, "nice": False},
        "axis": {"tickCount": 4, **axis, **y_axis},
    }
    time_axis = {"tickCount": max(3, frame.width // 60), **(_LAST if lowest else _BARE)}
    corners = {
        "data": values(ends),
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": time(frame, axis=time_axis), "y": level},
    }
    drawn = [
        {**layer, "encoding": {"x": time(frame, axis=time_axis), "y": level, **layer["encoding"]}}
        for layer in layers
    ]
    return {
        "width": frame.width,
        "height": height,
        "layer": [corners, *rules(frame, time_axis), *drawn],
        "resolve": {"scale": {"color": "independent", "shape": "independent"}},
    }


def rules(frame: Frame, axis: Spec | None = None) -> list[Spec]:
    """Return the lines of the steps, of the findings, and of where two logs part."""
    made = []
    for when, colours, dash, size in (
        ([step.t for step in frame.course.steps], RULE, [1, 0], 0.6),
        ([finding.t for finding in frame.course.findings], ORANGE, [1, 0], 2),
        ([frame.course.gate_s] if frame.course.gate_s is not None else [], BLUE, [2, 2], 1),
        ([frame.parts] if frame.parts is not None else [], INK, [8, 3, 2, 3], 1.5),
    ):
        times = [{"t": moment(t)} for t in when if 0 <= t <= frame.end_s]
        if times:
            mark = {"type": "rule", "color": str(colours), "strokeDash": dash, "size": size}
            place = {"x": time(frame, axis=axis)}
            made.append({"data": values(times), "mark": mark, "encoding": place})
    return made


def curve(frame: Frame, line: Line, colours: str, *, least: float = -math.inf, **mark: Any) -> Spec:
    t, y = thin(line.t, line.values, frame.most.points)
    t, y = t[t >= 0], np.maximum(y[t >= 0], least)
    shown = [{"t": at, "y": of} for at, of in zip(moments(t), numbers(y), strict=True)]
    return {
        "data": values(shown),
        "mark": {
            "type": "line",
            "color": colours,
            "strokeWidth": 1.5,
            "strokeJoin": "round",
            **mark,
        },
        "encoding": {},
    }


def thinned(course: Course, most: Most) -> bool:
    """Return whether a curve has more points than are drawn."""
    curves = [*course.lines.values(), *(zone.free for zone in course.zones)]
    return any(curve.t.size > most.points for curve in curves)


def names(frame: Frame, height: int, ends: Sequence[End]) -> list[Spec]:
    """Return the labels right of the last column."""
    return legend(ends, width=frame.width, height=height) if frame.last else []


def strip(frame: Frame, height: int, layers: Sequence[Spec]) -> Spec:
    ends = [{"t": 0.0}, {"t": moment(frame.end_s)}]
    corners = {
        "data": values(ends),
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": time(frame), "y": {"value": height}},
    }
    return {"width": frame.width, "height": height, "layer": [corners, *layers]}


def text(frame: Frame, shown: Sequence[dict[str, Any]], **mark: Any) -> Spec:
    return {
        "data": values(shown),
        "mark": {"type": "text", **mark},
        "encoding": {
            "x": time(frame),
            "y": {"field": "py", "type": "quantitative", "scale": None, "axis": None},
            "text": {"field": "text"},
        },
    }
