"""How far a series is from one that was published.

Works on plain arrays. Seconds and values are of whatever origin and unit, the same for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """What `distance` found.

    `apart` is in the unit of the values. `of_range` is `apart` as a part of the range (most less
    least) of the published values that were compared: 0 is the same curve, and the best level line
    has at most 0.5; None where the published values are all the same. `compared` is the part of
    the published time in which there is something of ours; below 1 the rest was not looked at.
    """

    apart: float
    of_range: float | None
    compared: float


def distance(
    published_s: Floats, published: Floats, ours_s: Floats, ours: Floats, *, hold_s: float
) -> Distance | None:
    """Return the distance of two step functions, or None if they have no time in common.

    The mean absolute difference over time: with the published samples P_i at t_i, and ours as O(t),

        apart = sum over i of the integral of |P_i - O(t)| dt over I_i / sum over i of |I_i|

    I_i is what the sample stands for, from t_i to t_(i+1), but for `hold_s` seconds at most: of a
    gap in what was published nobody knows anything, so it is not compared. O(t) is the newest of
    our samples, from the first to the last. The integral is exact, not a sum over a grid, and
    time is not warped: what comes late is apart. All times are sorted.
    """
    if not published_s.size or not ours_s.size:
        return None
    ends = np.minimum(np.append(published_s[1:], np.inf), published_s + hold_s)
    first, last = float(ours_s[0]), float(ours_s[-1])
    area = compared = whole = 0.0
    used = []
    for start, end, value in zip(published_s.tolist(), ends.tolist(), published, strict=True):
        whole += end - start
        a, b = max(start, first), min(end, last)
        if a >= b:
            continue
        inner = ours_s[(ours_s > a) & (ours_s < b)]
        edges = np.concatenate([[a], inner, [b]])
        newest = ours[np.searchsorted(ours_s, edges[:-1], side="right") - 1]
        area += float((np.abs(newest - value) * np.diff(edges)).sum())
        compared += b - a
        used.append(float(value))
    if not compared:
        return None
    return _distance(area / compared, used, compared / whole)


def distance_of_moments(published: Floats, ours: Floats) -> Distance | None:
    """Return the mean absolute difference of values at moments that belong together.

    Ours are NaN where the moment did not come.
    """
    there = ~np.isnan(ours)
    if not there.any():
        return None
    apart = float(np.abs(published - ours)[there].mean())
    return _distance(apart, published[there].tolist(), float(there.mean()))


def _distance(apart: float, used: list[float], compared: float) -> Distance:
    reach = max(used) - min(used)
    return Distance(apart=apart, of_range=apart / reach if reach else None, compared=compared)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """One column of one cell beside the published one, both scaled, on one axis of seconds.

    Where the rows are moments, `seconds` are their numbers. `label` names the cell among the
    others of the series.
    """

    file: str
    says: str
    column: str
    unit: str
    cell: str
    label: str
    moments: tuple[str, ...]  # what the CSV calls them, or none
    published_s: Floats
    published: Floats
    ours_s: Floats
    ours: Floats
    hold_s: float  # what a published sample stands for, at most
    distance: Distance | None

    def row(self) -> dict[str, Any]:
        """Return what is said of it, as a JSON value."""
        found = self.distance
        return {
            "kind": "series",
            "file": self.file,
            "says": self.says,
            "column": self.column,
            "cell": self.cell,
            "label": self.label,
            "unit": self.unit,
            "distance": None if found is None else found.apart,
            "of_range": None if found is None else found.of_range,
            "compared": 0.0 if found is None else found.compared,
        }
