"""A picture before it is drawn: what it answers, in words, and its description in Vega-Lite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from memnotify.report.plots.palette import FONT, GRID, INK, RULE, SOFT
from memnotify.results.course import Floats
from memnotify.text import printable

Spec = dict[str, Any]

WIDTH = 700
"""Of most pictures, in pixels: a page of a paper."""

LEFT, RIGHT, GUTTER = 52, 108, 16
"""Pixels left of the first panel, right of the last (for labels), and between two columns."""

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture.

    `title` is the answer, computed from the data, `subtitle` names the cells, and `alt` is for
    those who do not see the picture. `caption` has what a reader must know to read it.
    `body` are the panels, of which the first begins at 0, 0. `zoomable` is the body for HTML, if
    that differs. `left` is the space left of the panels.
    """

    title: str
    subtitle: str
    alt: str
    caption: Sequence[str]
    body: Spec
    zoomable: Spec | None = None
    width: int = WIDTH
    left: int = LEFT

    def spec(self, *, zoomable: bool = False) -> Spec:
        """Return the whole description in Vega-Lite, without title and caption."""
        body = self.zoomable if zoomable and self.zoomable is not None else self.body
        return {
            "$schema": SCHEMA,
            "description": printable(self.alt),
            **body,
            "padding": 5,
            "background": "transparent",
            "config": CONFIG,
        }


CONFIG: Spec = {
    "aria": False,  # the whole picture has one text alternative, not each of a thousand marks
    "font": "sans-serif",
    "view": {"stroke": None},
    "mark": {"color": str(INK)},
    "legend": {
        "labelFontSize": FONT,
        "labelColor": str(INK),
        "symbolBaseStrokeColor": str(RULE),
        "symbolBaseFillColor": str(RULE),
    },
    "axis": {
        "labelFontSize": FONT,
        "labelColor": str(SOFT),
        "labelOverlap": True,
        "titleFontSize": FONT,
        "titleFontWeight": "normal",
        "titleColor": str(INK),
        "domainColor": str(RULE),
        "tickColor": str(RULE),
        "tickSize": 3,
        "gridColor": str(GRID),
    },
    "text": {"fontSize": FONT, "color": str(INK)},
    "title": {
        "fontSize": 12,
        "color": str(INK),
        "subtitleFontSize": FONT,
        "subtitleColor": str(SOFT),
    },
    "header": {"labelFontSize": FONT, "labelColor": str(INK)},
}


def values(rows: Sequence[dict[str, Any]]) -> Spec:
    """Return data, to be used where a panel or a layer has some of its own."""
    return {"values": list(rows)}


def quantity(title: str, **more: Any) -> Spec:
    """Return an axis of a quantity. The title, which has the unit, lies flat above the axis."""
    flat = {"titleAngle": 0, "titleAlign": "left", "titleBaseline": "bottom"}
    place = {"titleAnchor": "end", "titleX": -LEFT + 8, "titleY": -6}
    return {"title": title, "tickCount": 4, **flat, **place, **more}


def number(value: float) -> float:
    """Return a number short enough for a file of many: four digits that count."""
    return float(f"{value:.4g}")


def numbers(values: Floats) -> list[float]:
    """Return many such numbers."""
    sizes = np.abs(values)
    with np.errstate(divide="ignore"):
        places = np.where(sizes > 0, 3 - np.floor(np.log10(sizes)), 0)
    made = values.copy()
    for place in np.unique(places[np.isfinite(places)]).tolist():
        of = places == place
        made[of] = np.round(values[of], int(place))
    return cast("list[float]", made.tolist())


def moments(values: Floats) -> list[float]:
    """Return many such times."""
    return cast("list[float]", np.round(values, 4).tolist())


def moment(value: float) -> float:
    """Return a time in seconds, to the tenth of a millisecond."""
    return round(float(value), 4)
