"""A picture of published and reproduced series: the published in black, ours in colour.

It has one panel for each column of each series, with the distance in its title.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from memnotify.check.distance import Curve
from memnotify.report.plots.drawing import drawn
from memnotify.report.plots.labels import wrapped
from memnotify.report.plots.palette import (
    BROWN,
    DASHES,
    INK,
    ORANGE,
    PURPLE,
    SEA,
    SHAPES,
    TEAL,
    cycle,
)
from memnotify.report.plots.picture import LEFT, WIDTH, Picture, Spec, number, values

_COLOURS = (SEA, ORANGE, PURPLE, BROWN, TEAL)
_HEIGHT = 110  # of a panel
_LEGEND = 120  # width of the legend
_LEADING = 14
_WORDS = 260  # width of a moment's name in pixels
_LETTERS = 40  # characters that fit into that width
_PUBLISHED = "published"
_APART = ("color", "shape", "strokeDash")  # each panel has a legend of its own


def save_overlay(path: Path, found: Sequence[Curve], *, title: str, assumed: Sequence[str]) -> None:
    """Draw at least one curve into a file, the suffix of which must be in PICTURES."""
    path.write_bytes(drawn(overlay(found, source=title, assumed=assumed), path.suffix))


def overlay(found: Sequence[Curve], *, source: str, assumed: Sequence[str]) -> Picture:
    """Return the picture of at least one curve."""
    panels = [
        _panel(list(group))
        for _, group in itertools.groupby(found, key=lambda curve: (curve.file, curve.column))
    ]
    caption = [
        "Published samples in black, scaled to the size of our guest; measured samples in "
        "colour. Distance: the mean absolute difference where both series have samples, and the "
        "same as a fraction of the published range.",
        *(f"Assumed: {words}" for words in assumed),
    ]
    return Picture(
        title=_answer(found),
        subtitle=source,
        alt=". ".join([_answer(found), *dict.fromkeys(map(_told, found))]) + ".",
        caption=caption,
        left=_WORDS if any(curve.moments for curve in found) else LEFT,
        body={
            "vconcat": panels,
            "spacing": 20,
            "resolve": {"scale": dict.fromkeys(_APART, "independent")},
        },
    )


def _answer(found: Sequence[Curve]) -> str:
    """Return how near ours is, computed from the distances."""
    near = [
        (curve.distance.of_range, f"{curve.column} ({curve.label})")
        for curve in found
        if curve.distance is not None and curve.distance.of_range is not None
    ]
    if not near:
        return "No reproduced series can be compared with a published one"
    best = min(near)
    text = f"Reproduced {best[1]} is {best[0]:.0%} of the published range away"
    if len(near) == 1:
        return text
    middle = statistics.median(part for part, _ in near)
    return f"{text}, the median of {len(near)} series {middle:.0%}"


def _told(curve: Curve) -> str:
    return f"{curve.says}, {curve.column}: {_said(curve)}"


def _panel(group: Sequence[Curve]) -> Spec:
    """Return the panel of one column: over time, or with one row per moment."""
    first = group[0]
    labels = [_PUBLISHED, *(curve.label for curve in group)]
    legend = {"title": None, "orient": "right", "symbolSize": 60, "symbolOpacity": 1}

    def of(black: object, others: Sequence[object]) -> Spec:
        chosen = [black, *cycle(others, len(group))]
        scale = {"domain": labels, "range": chosen}
        return {"field": "of", "type": "nominal", "scale": scale, "legend": legend}

    published = _points(_PUBLISHED, first, first.published_s, first.published)
    ours = [
        point for curve in group for point in _points(curve.label, curve, curve.ours_s, curve.ours)
    ]
    colour = of(str(INK), list(map(str, _COLOURS)))
    if first.moments:
        value = _quantitative("value", _axis(first), zero=False)
        # Vega-Lite shows a list as a label with several lines.
        axis = {"labelLimit": 0, "labelExpr": "split(datum.label, '\\n')"}
        moment = {"field": "at", "type": "ordinal", "title": None, "sort": None, "axis": axis}
        shape = of("circle", ["square", *SHAPES[1:]])
        panel: Spec = {
            "data": values([*published, *ours]),
            "mark": {"type": "point", "size": 45, "strokeWidth": 2, "opacity": 1},
            "encoding": {"x": value, "y": moment, "color": colour, "shape": shape},
        }
        lines_of_one = max(label.count("\n") + 1 for label in map(_label, first.moments))
        step = max(26, _LEADING * lines_of_one)
        panel |= {
            "width": WIDTH - _WORDS - _LEGEND,
            "height": step * len(first.moments),
        }
    else:
        time = _quantitative("at", "seconds since the event that both series are aligned at")
        level = _quantitative("value", _axis(first))
        line = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5}
        dash = of([1, 0], DASHES)
        lines = {
            "data": values([*_held(first), *ours]),
            "mark": line,
            "encoding": {"x": time, "y": level, "color": colour, "strokeDash": dash},
        }
        dots = {
            "data": values(published),
            "mark": {"type": "point", "size": 16, "filled": True, "opacity": 1, "color": str(INK)},
            "encoding": {"x": time, "y": level},
        }
        panel = {"layer": [lines, dots], "width": WIDTH - LEFT - _LEGEND, "height": _HEIGHT}
    heading = {
        "text": f"{first.says}: {first.column}",
        "subtitle": [_said(curve) for curve in group],
        "anchor": "start",
    }
    return {**panel, "title": heading}


def _quantitative(field: str, title: str, **scale: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def _axis(curve: Curve) -> str:
    return f"{curve.column}, {curve.unit}"


def _points(of: str, curve: Curve, at: Iterable[float], values: Iterable[float]) -> list[Any]:
    names = [_label(moment) for moment in curve.moments]
    return [
        {"of": of, "at": names[int(place)] if names else number(place), "value": number(value)}
        for place, value in zip(map(float, at), map(float, values), strict=True)
        if not math.isnan(value)
    ]


def _label(moment: str) -> str:
    return "\n".join(wrapped(moment, _LETTERS))


def _held(curve: Curve) -> Iterator[dict[str, Any]]:
    """Yield the published line, with breaks where nothing was published."""
    at = curve.published_s.tolist()
    for start, value, following in zip(at, curve.published.tolist(), [*at[1:], None], strict=True):
        end = start + curve.hold_s
        yield {"of": _PUBLISHED, "at": start, "value": value}
        if following is None or following > end:
            yield {"of": _PUBLISHED, "at": end, "value": value}
            yield {"of": _PUBLISHED, "at": end, "value": None}


def _said(curve: Curve) -> str:
    found = curve.distance
    if found is None:
        return f"{curve.label}: not comparable"
    text = f"{curve.label}: distance {found.apart:.3g} {curve.unit}"
    if found.of_range is not None:
        text += f", {found.of_range:.0%} of the published range"
    return text + ("" if found.compared > 0.995 else f", over {found.compared:.0%} of the time")
