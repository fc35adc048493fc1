"""The timeline of one guest, or of several side by side with one scale for each row of panels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from memnotify.report.plots import answers, clients, panels
from memnotify.report.plots.frame import Frame, thinned
from memnotify.report.plots.picture import GUTTER, LEFT, RIGHT, WIDTH, Picture, Spec, moment, values
from memnotify.report.plots.thin import ALL, Most, raster
from memnotify.results.course import Course
from memnotify.text import counted

MOST = 8
"""The most guests side by side."""

_NARROW = 120
"""The least width of a column in pixels; the picture becomes wider for more columns."""
_APART = 30
"""Between two panels; the title of the lower one is there."""
_BRUSH = "zoom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Where the logs of two guests part: the number of the record, its kind, and when it was."""

    record: int
    kind: str
    t: tuple[float, float]


def timeline(
    courses: Sequence[Course],
    names: Sequence[str],
    *,
    parting: Parting | None = None,
    most: Most = ALL,
) -> Picture:
    """Return the picture of at least one guest; `names` tell them apart.

    `most` bounds the size of its description.
    """
    count = len(courses)
    width = max(WIDTH, LEFT + RIGHT + count * _NARROW + (count - 1) * GUTTER)
    each = (width - LEFT - RIGHT - (count - 1) * GUTTER) // count
    frames = [
        Frame(
            course=course,
            name=name,
            width=each,
            end_s=max(max(course.end_s for course in courses), 0.001),
            first=number == 0,
            last=number == count - 1,
            alone=count == 1,
            courses=tuple(courses),
            parts=None if parting is None else parting.t[number],
            most=most,
            raster=raster(course.wakeups, most=most.marks),
        )
        for number, (course, name) in enumerate(zip(courses, names, strict=True))
    ]
    used = [row + 1 for frame in frames for *_, row in panels.placed(frame) if row is not None]
    frames = [dataclasses.replace(frame, rows=max([1, *used])) for frame in frames]
    shared = {axis for axis in courses[0].point if len({c.point[axis] for c in courses}) == 1}
    differ = [axis for axis in courses[0].point if axis not in shared]
    subject = answers.about(courses[0].point, differ)
    grid = _grid(frames)
    cells = ", ".join(course.id for course in courses)
    return Picture(
        title=answers.several(courses, names),
        subtitle=f"{subject}; {'cell' if count == 1 else 'cells'} {cells}",
        alt=" ".join(
            answers.told(course) if count == 1 else f"{name}: {answers.told(course)}"
            for course, name in zip(courses, names, strict=True)
        ),
        caption=_caption(frames, parting),
        body=grid,
        zoomable=_zoomable(frames, grid),
        width=width,
    )


def _grid(frames: Sequence[Frame]) -> Spec:
    """Return all panels, row by row. A nested layout would measure its labels, which vary."""
    rows = [
        [panels.steps(frame) for frame in frames],
        [panels.free(frame) for frame in frames],
        _space(frames),
        [panels.memory(frame) for frame in frames],
        _space(frames),
        [panels.swapped(frame) for frame in frames],
        _space(frames),
        [panels.runnable(frame) for frame in frames],
        _space(frames),
        [clients.batches(frame) for frame in frames],
        [clients.wakeups(frame) for frame in frames],
    ]
    return {
        "concat": [panel for row in rows for panel in row],
        "columns": len(frames),
        "spacing": {"row": 0, "column": GUTTER},
        "bounds": "flush",
        "align": "none",
    }


def _space(frames: Sequence[Frame], height: int = _APART) -> list[Spec]:
    nothing: Spec = {"data": values([]), "mark": "point", "height": height}
    return [{**nothing, "width": frame.width} for frame in frames]


def _zoomable(frames: Sequence[Frame], grid: Spec) -> Spec:
    """Return the same with a strip below, of which the reader chooses the part to look at."""
    end_s = frames[0].end_s
    strip = clients.overview(frames)
    strip["layer"][0]["params"] = [
        {
            "name": _BRUSH,
            "select": {"type": "interval", "encodings": ["x"]},
            "value": {"x": [0, moment(end_s)]},
        }
    ]
    panels = [*_zoomed(grid["concat"]), *_space(frames, _APART + 16), strip]
    return {**grid, "concat": panels}


def _zoomed(panels: Sequence[Spec]) -> list[Spec]:
    """Return these panels with the scale of time that the brush has chosen; they share the data."""
    made = []
    for one in panels:
        panel = dict(one)
        encoding = panel.get("encoding", {})
        if isinstance(panel.get("mark"), dict):
            # A label beside the panel stays where it is.
            panel["mark"] = {**panel["mark"], "clip": "field" in encoding.get("x", {})}
        for key in ("x", "x2"):
            channel = encoding.get(key, {})
            if channel.get("scale") is not None:
                scale = {**channel["scale"], "domain": {"param": _BRUSH, "encoding": "x"}}
                encoding = {**encoding, key: {**channel, "scale": scale}}
        if encoding:
            panel["encoding"] = encoding
        if "layer" in panel:
            panel["layer"] = _zoomed(panel["layer"])
        made.append(panel)
    return made


def _caption(frames: Sequence[Frame], parting: Parting | None) -> list[str]:
    courses = [frame.course for frame in frames]
    made = [frame.raster for frame in frames]
    text = "Time is guest time since the scenario's start. Dashed: v4's gate for each zone, at or "
    text += "below which it lets notifications through."
    if any(zone.noticed for course in courses for zone in course.zones):
        text += " Shaded: the zone's mem_notify status is 1."
    lines = [text]
    binned = [one for one in made if one.seconds]
    if binned:
        seconds = max(one.seconds for one in binned)
        many = max(one.clients for one in binned)
        total = sum(int(one.count.sum()) for one in made)
        lines.append(
            f"Each mark stands for all of the {total} wakeups in {answers.seconds(seconds)} "
            f"and {counted(many, 'client')}; its strength says how many."
        )
    elif any(course.batches for course in courses):
        lines.append("Each mark is one wakeup of one client. Numbers: wakeups in the batch below.")
    if len(frames) > 1:
        steps = list(dict.fromkeys((s.number, s.text) for c in courses for s in c.steps))
        told = [f"{number} {words}" for number, words in steps[:12]]
        lines.append(f"Steps: {'; '.join(told)}." if told else "No steps.")
    if any(thinned(frame.course, frame.most) for frame in frames):
        lines.append("Of curves with more points than pixels, the extremes are drawn.")
    if parting is not None:
        early = max(parting.t) < 0
        when = "before the scenario starts" if early else "where the line of dots and dashes is"
        lines.append(f"The logs part at record {parting.record} ({parting.kind}), {when}.")
    lost = sum(course.lost for course in courses)
    if lost:
        lines.append(f"{counted(lost, 'record')} did not fit into the log and are missing here.")
    return lines
