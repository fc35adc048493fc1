"""A picture of published and reproduced series: the published in black, ours in colour.

It has one panel for each column of each series, with the distance in its title. Altair describes
the picture, and vl-convert draws it, without a browser.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import altair as alt

from memnotify.check.distance import Curve

WIDTH, HEIGHT = 640, 110  # of a panel with its legend; with the axis, a picture is 700 px wide
_BLACK = "#000000"
# Okabe and Ito's palette for colour-blind readers, without black and yellow.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_SHAPES = ("square", "triangle-up", "diamond", "cross", "triangle-down", "stroke")
_DASHES = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3])
_FONT = 11
_LEADING = 14
_LINE = 110  # characters per line of the caption
_WORDS = 250  # width of a moment's name in pixels
_LETTERS = 40  # characters that fit into that width
_PUBLISHED = "published"


def save_overlay(path: Path, found: Sequence[Curve], *, title: str, assumed: Sequence[str]) -> None:
    """Draw at least one curve into a file, the suffix of which must be in PICTURES."""
    larger = 2.0 if path.suffix == ".png" else 1.0
    _picture(found, title=title, assumed=assumed).save(
        str(path), format=cast(Any, path.suffix[1:]), scale_factor=larger
    )


def _picture(found: Sequence[Curve], *, title: str, assumed: Sequence[str]) -> alt.VConcatChart:
    panels = [
        _panel(list(group))
        for _, group in itertools.groupby(found, key=lambda curve: (curve.file, curve.column))
    ]
    foot = [
        "Published samples in black, scaled to the size of our guest; measured samples in "
        "colour. Distance: the mean absolute difference where both series have samples, and the "
        "same as a fraction of the published range.",
        *(f"Assumed: {words}" for words in assumed),
    ]
    lines = [line for words in foot for line in _wrapped(words)]
    caption = (
        alt.Chart({"values": [{}]}, width=100, height=_LEADING * len(lines))
        .mark_text(
            align="left",
            baseline="top",
            x=-_WORDS if found[-1].moments else -40,  # aligned with the labels of the axis
            y=0,
            fontSize=_FONT,
            lineHeight=_LEADING,
            color="#444444",
        )
        .encode(text=alt.value(cast(Any, lines)))
    )
    picture: alt.VConcatChart = (
        alt.vconcat(*panels, caption, spacing=20)
        .properties(title=alt.Title(title, anchor="start", fontSize=15, offset=12))
        .resolve_scale(color="independent", shape="independent", strokeDash="independent")
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=_FONT, titleFontSize=_FONT, titleFontWeight="normal")
        .configure_legend(labelFontSize=_FONT)
    )
    return picture


def _panel(group: Sequence[Curve]) -> Any:
    """Return the panel of one column: over time, or with one row per moment."""
    first = group[0]
    labels = [_PUBLISHED, *(curve.label for curve in group)]
    legend = alt.Legend(title=None, orient="right", symbolSize=60, symbolOpacity=1)

    def of(channel: Any, first: Any, others: Sequence[Any]) -> Any:
        chosen = [first, *itertools.islice(itertools.cycle(others), len(group))]
        return channel("of:N", scale=alt.Scale(domain=labels, range=chosen), legend=legend)

    published = _points(_PUBLISHED, first, first.published_s, first.published)
    ours = [
        point for curve in group for point in _points(curve.label, curve, curve.ours_s, curve.ours)
    ]
    colour, shape = of(alt.Color, _BLACK, _COLOURS), of(alt.Shape, "circle", _SHAPES)
    both: dict[str, Any] = {"values": [*published, *ours]}
    drawn: dict[str, Any] = {"values": [*_held(first), *ours]}
    if first.moments:
        value = alt.X("value:Q", title=_axis(first), scale=alt.Scale(zero=False))
        # Altair shows a list as a label with several lines.
        labels_axis = alt.Axis(labelLimit=0, labelExpr="split(datum.label, '\\n')")
        moment = alt.Y("at:O", title=None, sort=None, axis=labels_axis)
        chart: Any = alt.Chart(both).mark_point(size=45, strokeWidth=2, opacity=1)
        chart = chart.encode(x=value, y=moment, color=colour, shape=shape)
        lines_of_one = max(label.count("\n") + 1 for label in map(_label, first.moments))
        step = max(26, _LEADING * lines_of_one)
        size = {"width": WIDTH - 90 - _WORDS, "height": step * len(first.moments)}
    else:
        time = alt.X("at:Q", title="seconds since the event that both series are aligned at")
        level = alt.Y("value:Q", title=_axis(first))
        dash = of(alt.StrokeDash, [1, 0], _DASHES)
        lines = alt.Chart(drawn).mark_line(interpolate="step-after", strokeWidth=1.5)
        dots = alt.Chart({"values": published}).mark_point(size=16, filled=True, opacity=1)
        chart = alt.layer(
            lines.encode(x=time, y=level, color=colour, strokeDash=dash),
            dots.encode(x=time, y=level, color=alt.value(_BLACK)),
        )
        size = {"width": WIDTH - 110, "height": HEIGHT}
    heading = alt.Title(
        f"{first.says}: {first.column}",
        subtitle=[_said(curve) for curve in group],
        anchor="start",
        fontSize=12,
        subtitleFontSize=_FONT,
    )
    return chart.properties(title=heading, **size)


def _axis(curve: Curve) -> str:
    return f"{curve.column}, {curve.unit}"


def _points(of: str, curve: Curve, at: Iterable[float], values: Iterable[float]) -> list[Any]:
    names = [_label(moment) for moment in curve.moments]
    return [
        {"of": of, "at": names[int(place)] if names else place, "value": value}
        for place, value in zip(map(float, at), map(float, values), strict=True)
        if not math.isnan(value)
    ]


def _label(moment: str) -> str:
    return "\n".join(textwrap.wrap(moment, _LETTERS))


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


def _wrapped(words: str) -> Iterable[str]:
    line = ""
    for word in words.split():
        if line and len(line) + len(word) >= _LINE:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line
