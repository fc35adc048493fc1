"""Chooses what a picture of a run shows: the kind, the cells, and what tells these apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from memnotify.axes import AXES, DEFAULTS, REPEAT, chosen
from memnotify.errors import InputError
from memnotify.places import command
from memnotify.records.compare import compare
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS
from memnotify.records.parquet import read_records
from memnotify.report.plots import reactions
from memnotify.report.plots.overlay import overlay
from memnotify.report.plots.picture import Picture
from memnotify.report.plots.spreads import USUAL, spreads
from memnotify.report.plots.timeline import MOST, Parting, timeline
from memnotify.results.comparison import COMPARED, compare_runs
from memnotify.results.course import Course, course_of
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.published import compare_published, has_published_series
from memnotify.results.reacted import SETTING, groups, reacted, setting
from memnotify.results.verdict import Verdict
from memnotify.text import known_names
from memnotify.units import NS_PER_S


class PictureKind(StrEnum):
    """The kinds of picture."""

    TIMELINE = "timeline"
    FIGURES = "figures"
    LATENCY = "latency"
    BATCHES = "batches"
    HERD = "herd"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for. `cells` are ids; without `kind`, it is chosen by what the run has."""

    cells: Sequence[str] = ()
    kind: PictureKind | None = None
    by: str = "series"
    only: Mapping[str, set[str]] = field(default_factory=dict)
    figures: Sequence[str] = ()


def picture_of(
    run: RunFolder, asked: Asked, *, say: Callable[[str], None] = lambda line: None
) -> Picture:
    """Return the picture. Raises InputError if the run does not have what it needs.

    `say` gets a line for each cell that the picture cannot show, unless it was asked for by name.
    """
    verdicts = _chosen(run, asked)
    kind = asked.kind or _usual(run, asked, verdicts)
    free = ("clients",) if kind is PictureKind.HERD and asked.by != "clients" else ()
    some = verdicts if asked.cells else setting(verdicts, by=asked.by, free=free)
    lines = {} if asked.cells else {one.id: line for one in some if (line := _lack(run, one, kind))}
    left = [one for one in verdicts if one.id not in lines]
    if not left:
        raise _no_log(run)
    picture = _picture(run, asked, kind, left, [one for one in some if one.id not in lines])
    for line in lines.values():
        say(line)
    return picture


def _picture(
    run: RunFolder,
    asked: Asked,
    kind: PictureKind,
    verdicts: Sequence[Verdict],
    some: Sequence[Verdict],
) -> Picture:
    """Return the picture of a kind; `some` are the cells of one setting."""
    match kind:
        case PictureKind.TIMELINE:
            return _timeline(run, asked, verdicts)
        case PictureKind.FIGURES:
            return _figures(run, asked)
        case PictureKind.PUBLISHED:
            return _published(run, asked)
    found = groups(list(reacted(run, some)), asked.by)
    if not found:
        raise _no_log(run)
    if kind is PictureKind.LATENCY:
        if all(one.latencies is None for cells in found.values() for one in cells):
            raise InputError(
                f"{run.path} has no latencies: no sample shows when a zone came down to its gate"
            )
        return reactions.latencies(found, asked.by)
    if kind is PictureKind.BATCHES:
        return reactions.batches(found, asked.by)
    return reactions.herds(found, asked.by)


def _lack(run: RunFolder, verdict: Verdict, kind: PictureKind) -> str | None:
    """Return what a picture lacks because a cell left no records; None if it left some."""
    if not (run.cell(verdict.id) / RECORDS).exists():
        return f"{verdict.id} left no log, so it is not in the picture"
    if verdict.guest_seconds > 0:
        return None
    if kind is PictureKind.FIGURES:
        return f"{verdict.id} left a log without records: its figures are 0 or unknown"
    return f"{verdict.id} left a log without records, so it is not in the picture"


def _no_log(run: RunFolder) -> InputError:
    return InputError(f"no cell of {run.path} left a log, so there is nothing to draw")


def _chosen(run: RunFolder, asked: Asked) -> list[Verdict]:
    verdicts = {verdict.id: verdict for verdict in run.verdicts()}
    if not verdicts:
        hint = f"see {command(f'show {run.path}')}"
        raise InputError(f"no cell of {run.path} has results to draw", hint=hint)
    for cell in asked.cells:
        if cell not in verdicts:
            hint = f"run its campaign again with {command('run')}"
            raise InputError(f"{cell} has not been run yet", hint=hint)
    found = [verdicts[cell] for cell in asked.cells] or list(verdicts.values())
    points = {verdict.id: _point(run, verdict) for verdict in found}
    for axis, wanted in asked.only.items():
        there = list(dict.fromkeys(points[verdict.id].get(axis, "") for verdict in found))
        for value in sorted(wanted.difference(there)):
            raise InputError(
                f"no matching cell has results: --only {axis}={value} matches none",
                hint=known_names(value, there),
            )
        found = [verdict for verdict in found if points[verdict.id].get(axis) in wanted]
    if not found:
        raise InputError(f"no cell of {run.path} has all that --only asks for")
    return found


def _point(run: RunFolder, verdict: Verdict) -> dict[str, str]:
    """Return the values of a cell on all axes, as text; a plan may lack some of them."""
    planned = {row.id: row for row in run.plan()}
    point = {axis: str(value) for axis, value in chosen(verdict.point).items()}
    for axis in AXES:
        if axis not in point and axis not in DEFAULTS:
            try:
                point[axis] = str(planned[verdict.id].value(axis))
            except (KeyError, ValueError):
                continue
    return point


def _usual(run: RunFolder, asked: Asked, verdicts: Sequence[Verdict]) -> PictureKind:
    if asked.cells:
        return PictureKind.TIMELINE
    if asked.figures:
        return PictureKind.FIGURES
    if has_published_series(run):
        return PictureKind.PUBLISHED
    repeats = {verdict.point[REPEAT] for verdict in setting(verdicts, by=asked.by)}
    return PictureKind.FIGURES if len(repeats) > 2 else PictureKind.TIMELINE


def _timeline(run: RunFolder, asked: Asked, verdicts: Sequence[Verdict]) -> Picture:
    if asked.cells:
        chosen = list(verdicts)
    else:
        # One of each, for example of each series: the first repeat.
        firsts: dict[object, Verdict] = {}
        for verdict in setting(verdicts, by=asked.by):
            firsts.setdefault(verdict.point[asked.by], verdict)
        chosen = list(firsts.values())
    if len(chosen) > MOST:
        raise InputError(
            f"{len(chosen)} cells are too many side by side; at most {MOST} have room",
            hint="name cells, or narrow them down with --only",
        )
    courses = [course_of(run.cell(verdict.id)) for verdict in chosen]
    return timeline(courses, _names(courses), parting=_parting(run, courses))


def _names(courses: Sequence[Course]) -> list[str]:
    """Return what tells the guests apart, briefly."""
    differ = [
        axis
        for axis in courses[0].point
        if len({str(course.point[axis]) for course in courses}) > 1
    ]
    how = {"memory_mib": "{} MiB", "clients": "{} clients", "repeat": "#{}"}
    names = [
        " ".join(how.get(axis, "{}").format(course.point[axis]) for axis in differ)
        for course in courses
    ]
    if len(courses) == 1:
        return [courses[0].series]
    if len(set(names)) < len(names):  # they differ in what no verdict has
        return [
            f"{name} {course.id[:6]}".strip() for name, course in zip(names, courses, strict=True)
        ]
    return names


def _parting(run: RunFolder, courses: Sequence[Course]) -> Parting | None:
    """Return where two logs part; None unless there are two, which part."""
    if len(courses) != 2:
        return None
    logs = [read_records(run.cell(course.id) / RECORDS) for course in courses]
    one, other = (log.records for log in logs)
    if one.dtype != other.dtype:
        return None
    first = compare(one, other, VIEWS).first_differing
    if first is None or None in first.kinds:
        return None
    names = [Kind(kind).name for kind in first.kinds if kind is not None]
    at = [(int(log.records["time_ns"][first.index]) - log.start_ns) / NS_PER_S for log in logs]
    return Parting(
        record=int(np.int64(one["commit"][first.index])) - 1,
        kind=names[0] if names[0] == names[1] else " and ".join(names),
        t=(at[0], at[1]),
    )


def _figures(run: RunFolder, asked: Asked) -> Picture:
    only = dict(asked.only)
    if asked.by not in COMPARED:
        raise InputError(f"cells cannot be compared by {asked.by}")
    if not only:
        # Figures of different settings are no sample: of the largest one alone.
        chosen = setting(run.verdicts(), by=asked.by)
        for axis in (one for one in SETTING if one != REPEAT):
            if axis != asked.by:
                only[axis] = {str(chosen[0].point[axis])}
    found = compare_runs([run.path], by=asked.by, only=only)
    known = list(dict.fromkeys(row.metric for row in found.rows))
    for name in asked.figures:
        if name not in known:
            raise InputError(f"there is no figure {name}", hint=known_names(name, known))
    return spreads(found, by=asked.by, chosen=asked.figures or USUAL)


def _published(run: RunFolder, asked: Asked) -> Picture:
    found = compare_published(run)
    curves = [curve for curve in found.curves if not asked.cells or curve.cell in asked.cells]
    if not curves:
        raise InputError(
            f"no published series matches a cell of {run.path}",
            hint=f"{command(f'published {run.path}')} has single figures",
        )
    return overlay(curves, source=found.table.source, assumed=found.table.assumed)
