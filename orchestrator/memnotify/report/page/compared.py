"""The figures of a run, compared along every axis on which its cells differ.

Only runs of one setting are samples of the same: a setting is a value on each of the other axes but
the seed. So each setting has its own row, with an interval if it was run with several seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from memnotify.axes import AXES, REPEAT, Value, ordered
from memnotify.check.reaction import UNITS
from memnotify.check.statistics import Spread, paired_effect, spread
from memnotify.model import Clock
from memnotify.report.cells import CaseStatus
from memnotify.report.page.gather import Gathered

_SEEDS = (REPEAT, "seed")
AXES_COMPARED = tuple(
    axis
    for axis in ordered(
        "series", "base", "setting", "arch", "machine", "memory_mib", "clients", among=AXES
    )
    if axis not in _SEEDS
)

Samples = Mapping[Value, Mapping[str, Gathered]]


def differing(cells: Iterable[Gathered]) -> dict[str, list[Value]]:
    """Return the values on each axis on which cells differ, in the order of the plan."""
    cells = list(cells)
    found: dict[str, list[Value]] = {}
    for axis in AXES_COMPARED:
        values = list(dict.fromkeys(cell.axes[axis] for cell in cells if axis in cell.axes))
        if len(values) > 1:
            found[axis] = values
    return found


def compared(cells: Sequence[Gathered], *, most: int | None = None) -> dict[str, Any]:
    """Return all comparisons: by axis, the settings, and of each figure a row of spreads.

    With `most`, they are of so many settings at most, and of each group DOTS values; `settings`
    says how many settings there are along an axis, if there are more.
    """
    usable = [cell for cell in cells if cell.reaction and cell.report.status is not _FAILED]
    axes = differing(usable)
    found: dict[str, Any] = {"units": dict(UNITS), "axes": axes, "by": {}}
    for axis in axes:
        settings = _settings(axis, axes, usable)
        found["by"][axis] = list(_by(axis, axes, settings, most))
        if most is not None and len(settings) > most:
            found.setdefault("settings", {})[axis] = len(settings)
    return found


_FAILED = CaseStatus.ERROR


DOTS = 200
"""Values of a group that the page of a large run has."""

Settings = Mapping[tuple[Value | None, ...], Mapping[Value, Mapping[str, Gathered]]]


def _settings(by: str, axes: Mapping[str, Sequence[Value]], cells: Sequence[Gathered]) -> Settings:
    others = [axis for axis in axes if axis != by]
    settings: dict[tuple[Value | None, ...], dict[Value, dict[str, Gathered]]] = {}
    for cell in cells:
        if by not in cell.axes:
            continue
        setting = settings.setdefault(tuple(cell.axes.get(axis) for axis in others), {})
        setting.setdefault(cell.axes[by], {}).setdefault(_sample(cell), cell)
    return settings


def _by(
    by: str, axes: Mapping[str, Sequence[Value]], settings: Settings, most: int | None
) -> Iterator[dict[str, Any]]:
    others = [axis for axis in axes if axis != by]
    for point, found in islice(settings.items(), most):
        groups = {value: found[value] for value in axes[by] if value in found}
        figures = {name: list(_figures(name, groups)) for name in UNITS}
        if most is not None:
            for rows in figures.values():
                for row in rows:
                    row[_VALUES] = _some(row[_VALUES])
        yield {
            "setting": [[axis, of] for axis, of in zip(others, point, strict=True)],
            "groups": list(groups),
            "figures": figures,
        }


_VALUES = 4
"""Where the values are in a row of `_figures`."""


def _some(values: list[float]) -> list[float]:
    """Return DOTS of many values, the least and the greatest among them, evenly by rank."""
    if len(values) <= DOTS:
        return values
    ranked = sorted(values)
    return [ranked[round(at * (len(values) - 1) / (DOTS - 1))] for at in range(DOTS)]


def _sample(cell: Gathered) -> str:
    """Return what makes a cell an independent run.

    In virtual time, the same scenario with another seed only repeats a result.
    """
    virtual = cell.axes.get("clock") == Clock.VIRTUAL
    return cell.scenario if virtual else f"{cell.axes.get(REPEAT)}"


def _figures(name: str, groups: Samples) -> Iterator[list[Any]]:
    """Yield of each group n, median, low, high, its values, and how far it is from the first."""
    reference = next(iter(groups.values()))
    for samples in groups.values():
        values = {
            key: value
            for key, cell in samples.items()
            if (value := cell.reaction.get(name)) is not None
        }
        apart = None
        if samples is not reference:
            apart = _apart(values, {key: c.reaction.get(name) for key, c in reference.items()})
        yield [*_spread(spread(list(values.values()))), list(values.values()), apart]


def _spread(of: Spread) -> list[float | int | None]:
    return [of.n, of.median, of.low, of.high]


def _apart(
    values: Mapping[str, float], reference: Mapping[str, float | None]
) -> list[float | int | None] | None:
    """Return the median difference of runs with the same seed, with its interval."""
    both = [
        (value, other) for key, value in values.items() if (other := reference.get(key)) is not None
    ]
    found = paired_effect(*zip(*both, strict=True)) if len(both) > 1 else None
    if found is None or found.difference is None:
        return None
    return _spread(found.difference)
