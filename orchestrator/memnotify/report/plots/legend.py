"""Labels at the ends of curves, right of a panel: a piece of the curve, then its name.

The name is not in the colour of the curve, in which small text would be hard to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memnotify.report.plots.labels import apart
from memnotify.report.plots.palette import INK
from memnotify.report.plots.picture import RIGHT, Spec, values
from memnotify.text import printable

_SLOT, _PIECE = 4, 12
"""Pixels between the panel and the piece of a curve, and how long that is."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a curve: its name, colour, height in pixels from the top, and dashes.

    Without a colour, there is no piece of a curve before the name.
    """

    name: str
    colour: str
    y: float
    dash: Sequence[int] = (1, 0)


def legend(ends: Sequence[End], *, width: int, height: int) -> list[Spec]:
    """Return the labels of a panel of this size."""
    places = apart([end.y for end in ends], height=height, gap=12.5)
    made: list[Spec] = []
    for end, y in zip(ends, places, strict=True):
        level = {"value": round(y, 1)}
        left = width + _SLOT
        if end.colour:
            piece = {"type": "rule", "color": end.colour, "strokeDash": list(end.dash), "size": 2}
            span = {"x": {"value": left}, "x2": {"value": left + _PIECE}, "y": level}
            made.append({"data": values([{}]), "mark": piece, "encoding": span})
            left += _PIECE + 3
        text = {"type": "text", "align": "left", "baseline": "middle", "color": str(INK)}
        made.append(
            {
                "data": values([{"text": printable(end.name)}]),
                "mark": {**text, "limit": RIGHT + width - left - 2},
                "encoding": {"text": {"field": "text"}, "x": {"value": left}, "y": level},
            }
        )
    return made
