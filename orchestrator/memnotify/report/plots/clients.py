"""The panels of wakeups of a timeline, and the strip from which a reader chooses a part of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memnotify.report.plots.frame import LINE, Frame, names, panel, strip, text
from memnotify.report.plots.labels import LETTER, rows
from memnotify.report.plots.legend import End
from memnotify.report.plots.palette import BLUE, COLOURS, RULE, SHAPES
from memnotify.report.plots.picture import Spec, moment, values
from memnotify.report.plots.thin import POINTS, Raster
from memnotify.results.course import NOTICES

WAKEUPS = 120
"""The height of the panel in pixels."""
BATCH_ROWS = 2


def batches(frame: Frame) -> Spec:
    """Return the strip with the sizes of the batches; of those that overlap, the larger."""
    found = frame.course.batches
    spans = []
    for batch in found:
        x, half = frame.pixel(batch.at_s), len(str(batch.wakeups)) * LETTER / 2 + 2
        spans.append((x - half, x + half))
    order = sorted(range(len(found)), key=lambda n: (-found[n].wakeups, n))
    height = LINE * BATCH_ROWS + 2
    shown = [
        {
            "t": moment(batch.at_s),
            "py": height - 3 - LINE * row,
            "text": str(batch.wakeups),
        }
        for batch, row in zip(found, rows(spans, most=BATCH_ROWS, first=order), strict=True)
        if row is not None
    ]
    layers = []
    if shown:
        layers.append(text(frame, shown, align="center", fontWeight="bold"))
    return strip(frame, height, layers)


def wakeups(frame: Frame) -> Spec:
    """Return the wakeups over the clients' numbers."""
    clients = max(course.clients for course in frame.courses)
    made = frame.raster
    kinds = [kind for kind in NOTICES if any(kind in c.wakeups.kind for c in frame.courses)]
    layers: list[Spec] = []
    named: list[End] = []
    most = int(made.count.max(initial=1))
    for place, kind in enumerate(kinds):
        hue = str(COLOURS[NOTICES.index(kind) % len(COLOURS)])
        shape = SHAPES[NOTICES.index(kind) % len(SHAPES)]
        chosen = [n for n, one in enumerate(made.kind) if one == kind]
        if chosen and made.seconds:
            layers.append(_fields(frame, made, chosen, hue, most))
        elif chosen:
            shown = [
                {
                    "t": moment(made.t[n]),
                    "y": float(made.client[n]),
                    "kind": kind,
                    "record": int(made.record[n]),
                }
                for n in chosen
            ]
            large = shape == SHAPES[0]
            size = max(14.0, min(90.0, (1.6 * WAKEUPS / clients) ** 2)) if large else 22
            layers.append(
                {
                    "data": values(shown),
                    "mark": {
                        "type": "point",
                        "shape": shape,
                        "size": size,
                        "stroke": hue,
                        "strokeWidth": 1.4,
                        "opacity": 1,
                    },
                    "encoding": {
                        "tooltip": [
                            {"field": "t", "type": "quantitative", "title": "guest time, s"},
                            {"field": "y", "type": "quantitative", "title": "client"},
                            {"field": "kind", "type": "nominal", "title": "woken by"},
                            {"field": "record", "type": "quantitative", "title": "record"},
                        ]
                    },
                }
            )
        named.append(End(f"{_SIGNS[NOTICES.index(kind) % len(_SIGNS)]} {kind}", "", 6 + 13 * place))
    if not kinds and frame.alone:
        named.append(End("no wakeups", "", WAKEUPS / 2))
    few: Spec = {"values": list(range(clients))} if clients < 6 else {}
    return panel(
        frame,
        WAKEUPS,
        [*layers, *names(frame, WAKEUPS, named)],
        title="woken client, number",
        domain=[-0.5, max(clients, 1) - 0.5],
        lowest=True,
        **few,
        titleY=-LINE * BATCH_ROWS - 8,  # above the sizes of the batches
    )


_SIGNS = ("|", "▲", "◆", "✚", "■", "▼")


def _fields(frame: Frame, made: Raster, chosen: Sequence[int], hue: str, most: int) -> Spec:
    half = made.clients / 2
    shown = [
        {
            "t": moment(made.t[n] - made.seconds / 2),
            "t2": moment(made.t[n] + made.seconds / 2),
            "y": float(made.client[n] - half),
            "y2": float(made.client[n] + half),
            "count": int(made.count[n]),
            "record": int(made.record[n]),
        }
        for n in chosen
    ]
    return {
        "data": values(shown),
        "mark": {"type": "rect", "color": hue},
        "encoding": {
            "x2": {"field": "t2"},
            "y2": {"field": "y2"},
            "opacity": {
                "field": "count",
                "type": "quantitative",
                "scale": {"domain": [1, max(2, most)], "range": [0.45, 1.0]},
                "legend": None,
            },
            "tooltip": [
                {"field": "t", "type": "quantitative", "title": "guest time, s"},
                {"field": "y", "type": "quantitative", "title": "client"},
                {"field": "count", "type": "quantitative", "title": "wakeups"},
                {"field": "record", "type": "quantitative", "title": "first record"},
            ],
        },
    }


def overview(frames: Sequence[Frame]) -> Spec:
    """Return the strip from which a reader chooses the time that all panels show."""
    frame = frames[0]
    end_s = moment(frame.end_s)
    scale = {"domain": [0, end_s], "nice": False, "zero": False}
    axis = {
        "title": "drag here to zoom all panels, s; double-click to undo",
        "titleAnchor": "start",
    }
    time = {"field": "t", "type": "quantitative", "scale": scale, "axis": axis}
    shown = np.unique(np.concatenate([one.course.wakeups.t for one in frames]).round(2))
    if shown.size > POINTS:
        shown = shown[:: shown.size // POINTS + 1]
    steps = [{"t": moment(step.t)} for step in frame.course.steps if 0 <= step.t <= end_s]
    ground = {
        "data": values([{"t": 0.0}, {"t": end_s}]),
        "mark": {"type": "line", "color": str(RULE)},
        "encoding": {"x": time, "y": {"value": 30}},
    }
    layers = [ground]
    for marks, hue in ((steps, RULE), ([{"t": float(t)} for t in shown], BLUE)):
        if marks:
            mark = {"type": "rule", "color": str(hue), "size": 1}
            layers.append({"data": values(marks), "mark": mark, "encoding": {"x": time}})
    return {"width": frame.width, "height": 30, "layer": layers}
