"""The panels of memory of a timeline, and the strip above them, one function each.

docs/howto/plots.md says what they show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memnotify.report.plots.frame import LINE, Frame, curve, names, panel, strip, text, time
from memnotify.report.plots.labels import stacked, wide
from memnotify.report.plots.legend import End
from memnotify.report.plots.palette import (
    BLUE,
    BROWN,
    INK,
    ORANGE,
    PURPLE,
    RULE,
    SOFT,
    TEAL,
    colour,
)
from memnotify.report.plots.picture import RIGHT, Spec, moment, number, values
from memnotify.text import printable
from memnotify.units import PAGES_PER_MIB

FREE, MEMORY, SWAPPED, RUNNABLE = 150, 100, 46, 40
"""Heights in pixels."""
_ROWS = 6  # of labels above the panels
_FOOT, _TITLE = 28, 21
"""Pixels between the labels and the panel below, and how many of them its title takes."""
_PAGE = 1 / PAGES_PER_MIB


@dataclass(frozen=True, slots=True)
class _Label:
    """A label of the strip above the panels."""

    t: float
    text: str
    colour: str
    weight: str = "normal"


def _labels(frame: Frame) -> list[_Label]:
    course = frame.course
    found = [
        _Label(step.t, step.text if frame.alone else f"{step.number}", str(SOFT))
        for step in course.steps
    ]
    if course.gate_s is not None:
        found.append(_Label(course.gate_s, "gate opens", str(INK)))
    found += [_Label(one.t, f"✕ {one.text}", str(INK), "bold") for one in course.findings]
    if frame.parts is not None:
        found.append(_Label(frame.parts, "logs part", str(INK)))
    return [label for label in found if 0 <= label.t <= frame.end_s]


def placed(frame: Frame) -> list[tuple[_Label, bool, int | None]]:
    """Return the labels above the panels: whether each is left of its time, and its row."""
    labels = _labels(frame)
    spans = []
    for label in labels:
        x, width = frame.pixel(label.t), 2 + wide(label.text)
        fits = x + width <= frame.width + (RIGHT - 8 if frame.last else 0)
        spans.append((x, x + width) if fits else (x - width, x))
    found = stacked(spans, [frame.pixel(label.t) for label in labels], most=_ROWS)
    return [
        (label, left < frame.pixel(label.t) - 1, row)
        for label, (left, _), row in zip(labels, spans, found, strict=True)
    ]


def steps(frame: Frame) -> Spec:
    """Return the strip above the panels: the steps in words, or their numbers if it is narrow."""
    height = LINE * (frame.rows if frame.alone else frame.rows + 1) + _FOOT
    layers = []
    for label, turned, row in placed(frame):
        if row is not None:
            at = {"t": moment(label.t), "py": height - _FOOT - LINE * row}
            layers.append(_down(frame, label, height - _FOOT - LINE * row, height - _TITLE))
            layers.append(
                text(
                    frame,
                    [{**at, "text": printable(label.text)}],
                    align="right" if turned else "left",
                    dx=-3 if turned else 3,
                    color=label.colour,
                    fontWeight=label.weight,
                )
            )
    if not frame.alone:
        name = {"fontWeight": "bold", "fontSize": 13, "align": "left", "baseline": "top"}
        layers.append(
            {
                "data": values([{"text": printable(frame.name)}]),
                "mark": {"type": "text", **name},
                "encoding": {"text": {"field": "text"}, "x": {"value": 0}, "y": {"value": 0}},
            }
        )
    return strip(frame, height, layers)


def _down(frame: Frame, label: _Label, top: float, bottom: float) -> Spec:
    """Return the line of a label, from beside its words down to the title of the panel below."""
    ends = {"y": {"value": top - LINE / 2}, "y2": {"value": bottom}}
    return {
        "data": values([{"t": moment(label.t)}]),
        "mark": {"type": "rule", "color": str(RULE), "size": 0.6},
        "encoding": {"x": time(frame), **ends},
    }


def free(frame: Frame) -> Spec:
    """Return the free memory of each zone, its gate, and when its status was 1."""
    zones = [zone for course in frame.courses for zone in course.zones]
    known = sorted({zone.name for zone in zones})
    every = [
        float(value)
        for zone in zones
        for line in (zone.free, zone.gate)
        for value in (line.values.min(), line.values.max())
    ] or [1.0]
    lowest, highest = max(_PAGE, min(every)) / 1.4, max(_PAGE, *every) * 1.3
    domain = [number(lowest), number(highest)]
    layers: list[Spec] = []
    named = []
    for zone in frame.course.zones:
        hue = colour(known.index(zone.name))
        spans = [{"t": moment(a), "t2": moment(b)} for a, b in zone.noticed]
        if spans:
            layers.append(
                {
                    "data": values(spans),
                    "mark": {"type": "rect", "color": hue, "opacity": 0.13},
                    "encoding": {
                        "x2": {"field": "t2"},
                        "y": {"value": FREE},
                        "y2": {"value": 0},
                    },
                }
            )
    for zone in frame.course.zones:
        hue = colour(known.index(zone.name))
        layers.append(curve(frame, zone.free, hue, least=lowest))
        layers.append(
            curve(frame, zone.gate, hue, least=lowest, strokeDash=[5, 3], strokeWidth=1.2)
        )
        for name, line, dash in (
            (zone.name, zone.free, [1, 0]),
            (f"{zone.name} gate", zone.gate, [4, 2]),
        ):
            last = max(lowest, float(line.values[-1]))
            part = math.log(last / lowest) / math.log(highest / lowest)
            named.append(End(name, hue, FREE * (1 - part), dash))
    tens = [10.0**n for n in range(-3, 6) if lowest <= 10.0**n <= highest]
    return panel(
        frame,
        FREE,
        [*layers, *names(frame, FREE, named)],
        title="free memory of each zone, MiB (logarithmic)",
        domain=domain,
        scale="log",
        values=tens,
        format="~g",
    )


_MEMORY = (
    ("page cache", TEAL, [1, 0], "linear"),
    ("anonymous", PURPLE, [1, 0], "linear"),
    ("swap in use", BROWN, [7, 2], "linear"),
    ("balloon target", INK, [1, 0], "step-after"),
    ("left by the balloon", INK, [1, 2], "linear"),
)
_SHORT = {"left by the balloon": "actual"}


def memory(frame: Frame) -> Spec:
    """Return what memory is used for, and what the balloon leaves of it."""
    return _lines(frame, MEMORY, _MEMORY, title="memory, MiB")


def swapped(frame: Frame) -> Spec:
    """Return how fast pages are swapped out and in."""
    of = (("swapped out", ORANGE, [1, 0], "linear"), ("swapped in", BLUE, [3, 2], "linear"))
    return _lines(frame, SWAPPED, of, title="swapped, pages/s", tickCount=3)


def runnable(frame: Frame) -> Spec:
    """Return the number of runnable tasks."""
    of = (("runnable", SOFT, [1, 0], "step-after"),)
    return _lines(frame, RUNNABLE, of, title="runnable, tasks", tickCount=3, tickMinStep=1)


def _lines(frame: Frame, height: int, of: Sequence[Any], *, title: str, **axis: Any) -> Spec:
    every = [
        float(course.lines[name].values.max(initial=0))
        for course in frame.courses
        for name, *_ in of
        if name in course.lines
    ]
    highest = max([*every, 1.0]) * 1.05
    layers, named = [], []
    for name, hue, dash, form in of:
        line = frame.course.lines.get(name)
        if line is None:
            continue
        layers.append(curve(frame, line, str(hue), strokeDash=dash, interpolate=form))
        level = height * (1 - float(line.values[-1]) / highest)
        named.append(End(_SHORT.get(name, name), str(hue), level, dash))
    return panel(
        frame,
        height,
        [*layers, *names(frame, height, named)],
        title=title,
        domain=[0, number(highest)],
        **axis,
    )
