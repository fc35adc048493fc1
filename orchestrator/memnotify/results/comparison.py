"""Compares runs along one axis of their matrix, all other axes being equal."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from memnotify.axes import AXES, REPEAT, Value, chosen, ordered
from memnotify.campaign.row import PlanRow
from memnotify.check.reaction import UNITS
from memnotify.check.statistics import Effect, effect, paired_effect, spread
from memnotify.errors import InputError
from memnotify.model import Clock, Outcome, Repeatability
from memnotify.parallel import each
from memnotify.places import command
from memnotify.results.folder import PLAN, RECORDS, RunFolder
from memnotify.results.grouping import BUILD, RUN, GroupFigure, Grouping, Point
from memnotify.results.identical import Alike, CellLog, compare_logs
from memnotify.results.looked import Looked
from memnotify.text import known_names, similar

Inputs = Mapping[str, Any]

COMPARED = ordered(
    *("base", "series", "setting", "arch", "machine", "memory_mib", "clients"),
    among=(name for name in AXES if name != REPEAT),
)
"""The axes along which cells can be compared, in display order."""

# What cells have in common besides their kernel is determined by these axes.
_TOOLS = {"hardware": "QEMUs or machines", "image": "guest programs"}
_TOOLS_AXES = ("setting", "arch", "machine", "memory_mib", "scenario", "clock")

_UNKNOWN = MappingProxyType(dict.fromkeys(UNITS))

GROUPED = (*COMPARED, RUN, BUILD)
"""What cells can be compared by: an axis, their run, or the build of their kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """A cell that has run: its place in the comparison, and what its guest did."""

    id: str
    group: Value
    point: Point
    scenario: str
    axes: Mapping[str, Value]
    inputs: Inputs
    outcome: Outcome
    lost_records: int
    exact: bool
    figures: Mapping[str, float | None]
    log: CellLog | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupComparison:
    """Groups of cells side by side.

    `rows` has each figure of each group, by figure, then group; the first group is the one that the
    others are compared with. `same` has the axes on which all cells have the same value. `left_out`
    counts cells without a counterpart in every group, `failed` failures of the testbed, and
    `not_run` cells without results. `settings` has the axes of each point except the seed, and
    `exact` the group and point of cells that would repeat exactly, and differ from their
    counterpart in the first group only in their kernel. `pooled` are the axes other than the seed
    on which a group has several values. `repeats` counts guests with another seed but the same
    scenario, which would only repeat a result. `mixed` lists other differences that should not
    exist.
    """

    rows: tuple[GroupFigure, ...]
    same: Mapping[str, Value]
    outcomes: Mapping[Value, Mapping[Outcome, int]]
    left_out: int
    failed: int
    not_run: int
    lost_records: int
    pooled: tuple[str, ...]
    repeats: int
    mixed: tuple[str, ...]
    alike: tuple[Alike, ...]
    settings: Mapping[Point, Mapping[str, Value]]
    exact: frozenset[tuple[Value, Point]]

    def narrower(self) -> str | None:
        """Return how to compare one setting alone; None if there is only one."""
        if not self.pooled:
            return None
        *_, one = self.settings.values()  # the last is the largest, as a rule
        words = " ".join(f"--only {axis}={one[axis]}" for axis in self.pooled)
        return f"each median is over {len(self.settings)} settings; {words} takes one of them"

    def notes(self, *, table: bool = True) -> list[str]:
        """Return what a reader needs besides the figures: how cells ended, and what is missing.

        `table`: the medians are shown.
        """
        ended = {
            group: ", ".join(
                f"{count} {outcome}"
                for outcome, count in sorted(found.items(), key=lambda item: str(item[0]))
            )
            for group, found in self.outcomes.items()
            if not all(outcome.ok for outcome in found)
        }
        # First, because such cells may differ for that reason alone.
        notes = [f"cells ran with different {what}" for what in self.mixed]
        notes += [f"{group}: {how}" for group, how in ended.items()]
        if self.rows[0].by in (RUN, BUILD):
            # With another kernel, times differ from boot on, so where they first differ says
            # nothing.
            notes += [dataclasses.replace(found, first=None).sentence() for found in self.alike]
        else:
            notes += [found.sentence() for found in self.alike if found.is_news]
        if self.pooled and table:
            axes = " and ".join(self.pooled)
            notes.append(
                f"no interval, Δ or p: runs that differ in {axes} are not samples of the "
                "same setting"
            )
        for count, what in (
            (self.left_out, "left out: not every group has a counterpart"),
            (self.not_run, "have not been run"),
            (self.repeats, "not counted: same scenario as another seed, so not an independent run"),
            (self.failed, "failed because of the testbed"),
            (self.lost_records, "lost records, so their figures are too low"),
        ):
            if count:
                notes.append(f"cells: {count} {what}")
        return notes


def parse_only(words: Sequence[str]) -> dict[str, set[str]]:
    """Return the values to which each axis is narrowed, from words such as `clients=200`."""
    only: dict[str, set[str]] = {}
    for word in words:
        axis, equals, value = word.partition("=")
        if axis not in COMPARED or not equals or not value:
            meant = "" if axis in COMPARED else similar(axis, COMPARED)
            hint = f"AXIS=VALUE, with one of {', '.join(COMPARED)}"
            hint = f"{meant} {hint}" if meant else hint
            raise InputError(f"--only {word}: not a value of an axis", hint=hint)
        only.setdefault(axis, set()).add(value)
    return only


def compare_runs(
    paths: Sequence[Path],
    *,
    by: str,
    only: Mapping[str, set[str]] = MappingProxyType({}),
    say: Callable[[str], object] = lambda line: None,
) -> GroupComparison:
    """Compare the cells of some runs along the axis `by`.

    `only` narrows axes to some of their values. A point is a value on each of the other axes; only
    points with results in every group count. `say` gets a line for each cell with damaged results.
    Raises InputError if there are none, and NotOneCell if a point has two different cells in one
    group; the error says what differs.
    """
    samples: dict[tuple[Value, Point], _Sample] = {}
    failed = not_run = 0
    runs = [Looked.at(RunFolder(path)) for path in paths]
    damaged = [line for looked in runs for line in looked.damaged]
    for line in damaged:
        say(line)
    plans = {looked.run.path: list(_planned(looked.run, only)) for looked in runs}
    grouping = Grouping.of(by, plans)
    for looked in runs:
        planned = plans[looked.run.path]
        there = [cell for cell in planned if cell[0].id in looked.whole]
        not_run += len(planned) - len(there)
        for sample in each(functools.partial(_sample, grouping, looked), there):
            if sample.outcome.infrastructure is not None:
                failed += 1
                continue
            other = samples.setdefault((sample.group, sample.point), sample)
            if other.id != sample.id:
                raise _not_one_cell(other, sample)
    if not samples:
        raise _no_results(paths, only, damaged)
    groups = tuple(dict.fromkeys(group for group, _ in samples))
    points = [
        point
        for point in dict.fromkeys(point for _, point in samples)
        if all((group, point) in samples for group in groups)
    ]
    if not points:
        names = ", ".join(map(str, groups))
        hint = f"cells must differ in {by} and in nothing else"
        if by == RUN and len({sample.axes["series"] for sample in samples.values()}) > 1:
            hint += f"; for those of two series use --by series, or --by {BUILD}"
        raise InputError(f"no setting has been run with all of {names}", hint=hint)
    kept = {group: [samples[group, point] for point in points] for group in groups}
    values = {
        axis: tuple(dict.fromkeys(sample.axes[axis] for sample in kept[groups[0]]))
        for axis in COMPARED
        if axis not in grouping.replaced
    }
    over = {axis: found for axis, found in values.items() if len(found) > 1}
    different = {group: _different(found, by) for group, found in kept.items()}
    told = by in ("series", RUN, BUILD)
    alike = tuple(compare_logs(_logs(different))) if told else ()
    return GroupComparison(
        rows=tuple(_rows(by, over, different, {found.group: found for found in alike})),
        same=chosen({axis: found[0] for axis, found in values.items() if len(found) == 1}),
        outcomes={
            group: Counter(dataclasses.replace(s.outcome, detail="") for s in found)
            for group, found in kept.items()
        },
        left_out=len(samples) - len(groups) * len(points),
        failed=failed,
        not_run=not_run,
        lost_records=sum(s.lost_records > 0 for found in kept.values() for s in found),
        pooled=_pooled(over),
        repeats=sum(len(kept[group]) - len(different[group]) for group in groups),
        mixed=tuple(what for tool, what in _TOOLS.items() if _differs(tool, kept.values())),
        alike=alike,
        settings={
            point: {axis: samples[groups[0], point].axes[axis] for axis in _pooled(over)}
            for point in points
        },
        exact=frozenset(
            (group, point)
            for group in groups
            for point in points
            if _exact(samples[groups[0], point], samples[group, point])
        ),
    )


def _exact(one: _Sample, other: _Sample) -> bool:
    """Return whether two guests repeat themselves exactly, in the same surroundings."""
    same = all(one.inputs[tool] == other.inputs[tool] for tool in _TOOLS)
    return same and all(sample.exact and not sample.lost_records for sample in (one, other))


def _no_results(
    paths: Sequence[Path], only: Mapping[str, set[str]], damaged: Sequence[str]
) -> InputError:
    """Return the error for runs without a cell to compare; it says why, if that is known."""
    rows = [axes for path in paths for _, axes in _planned(RunFolder(path), {})]
    for axis, wanted in only.items():
        there = [str(value) for value in dict.fromkeys(axes[axis] for axes in rows)]
        for value in sorted(wanted.difference(there)):
            return InputError(
                f"no matching cell has results: --only {axis}={value} matches none",
                hint=known_names(value, there),
            )
    hint = damaged[0] if damaged else f"see {command(f'show {paths[0]}')}"
    return InputError("no matching cell has results", hint=hint)


class NotOneCell(InputError):
    """Two different cells are at the same place of a comparison."""


def _not_one_cell(one: _Sample, other: _Sample) -> NotOneCell:
    """Return the error for two different cells at the same place."""
    names = {"kernel": "kernels", **_TOOLS}
    keys = dict.fromkeys((*names, *one.inputs, *other.inputs))
    what = [names.get(key, key) for key in keys if one.inputs.get(key) != other.inputs.get(key)]
    return NotOneCell(
        f"{one.id} and {other.id} are the same cell, run with different {', '.join(what)}",
        hint=f"compare them with --by {RUN} or --by {BUILD}, or name only one of these runs",
    )


def _logs(groups: Mapping[Value, Sequence[_Sample]]) -> dict[str, dict[Hashable, CellLog]]:
    """Return the logs of each series, by point."""
    return {
        str(group): {s.point: s.log for s in found if s.log is not None}
        for group, found in groups.items()
    }


def _pooled(over: Iterable[str]) -> tuple[str, ...]:
    return tuple(axis for axis in over if axis != "seed")


def _different(samples: Sequence[_Sample], by: str) -> list[_Sample]:
    """Return these without cells in virtual time that only repeat another one's scenario."""
    found: dict[Any, _Sample] = {}
    for sample in samples:
        others = [value for axis, value in sample.axes.items() if axis not in ("seed", by)]
        again = (*others, sample.scenario)
        found.setdefault(again if sample.axes["clock"] == Clock.VIRTUAL else sample.id, sample)
    return list(found.values())


def _differs(tool: str, groups: Iterable[Sequence[_Sample]]) -> bool:
    """Return whether cells that should have run with the same tool, such as the image, have not."""
    seen: dict[Point, str] = {}
    samples = [sample for group in groups for sample in group]
    places = [tuple(sample.axes[axis] for axis in _TOOLS_AXES) for sample in samples]
    return any(
        seen.setdefault(place, sample.inputs[tool]) != sample.inputs[tool]
        for place, sample in zip(places, samples, strict=True)
    )


def _planned(
    run: RunFolder, only: Mapping[str, set[str]]
) -> Iterator[tuple[PlanRow, dict[str, Value]]]:
    """Yield the chosen rows of a run's plan, each with its values on all axes."""
    for row in run.plan():
        try:
            axes = {axis: row.value(axis) for axis in COMPARED}
            for tool in _TOOLS:
                if not isinstance(value := row.inputs[tool], str):
                    raise ValueError(f"{tool} of {row.id} is {value!r}, not a string")
        except KeyError as error:
            text = f"not a plan in the format of this version of memnotify: no {error}"
            raise InputError(text, file=run.path / PLAN) from error
        except ValueError as error:
            raise InputError(str(error), file=run.path / PLAN) from error
        if all(str(axes[axis]) in some for axis, some in only.items()):
            yield row, axes


def _sample(
    grouping: Grouping, looked: Looked, planned: tuple[PlanRow, Mapping[str, Value]]
) -> _Sample:
    row, axes = planned[0], grouping.axes(planned[1])
    group, point = grouping.place(looked.run.path, row, axes)
    verdict, log = looked.verdict(row.id), None
    figures: Mapping[str, float | None] = _UNKNOWN
    # The log itself does not stay in memory: there may be many cells.
    if (found := looked.reaction(row.id)) is not None:
        figures, file = found.figures, looked.whole[row.id] / RECORDS
        log = CellLog(id=row.id, file=file, order=found.order, lacking=found.lacking)
    return _Sample(
        id=row.id,
        group=group,
        point=point,
        scenario=grouping.digests.of(row.inputs["scenario"]),
        axes=axes,
        inputs=row.inputs,
        outcome=verdict.outcome,
        lost_records=verdict.lost_records,
        exact=verdict.repeatability == Repeatability.EXACT,
        figures=figures,
        log=log,
    )


def _rows(
    by: str,
    over: Mapping[str, tuple[Value, ...]],
    kept: Mapping[Value, Sequence[_Sample]],
    records: Mapping[str, Alike],
) -> Iterator[GroupFigure]:
    reference, *_ = kept
    alike = not _pooled(over)
    for metric, unit in UNITS.items():
        values = {
            group: {s.point: v for s in found if (v := s.figures[metric]) is not None}
            for group, found in kept.items()
        }
        for group, mine in values.items():
            told = alike and group != reference
            paired = {s.point for s in kept[group]} == {s.point for s in kept[reference]}
            apart = _effect(mine, values[reference], paired=paired) if told else None
            yield GroupFigure(
                by=by,
                group=group,
                metric=metric,
                unit=unit,
                spread=spread(list(mine.values()), interval=alike),
                versus=None if group == reference else reference,
                apart=apart,
                cells=len(kept[group]),
                over=over,
                records=records.get(str(group)),
                values=mine,
            )


def _effect(
    mine: Mapping[Point, float], reference: Mapping[Point, float], *, paired: bool
) -> Effect | None:
    """Compare two groups; `paired`: at each point, both ran a guest with the same scenario."""
    if not paired:
        return effect(list(mine.values()), list(reference.values()))
    both = [point for point in mine if point in reference]
    return paired_effect([mine[point] for point in both], [reference[point] for point in both])
