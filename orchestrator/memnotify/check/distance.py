"""The distance of a measured series from a published one.

Works on plain arrays. Both series must have the same origin of time and the same units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """The result of `distance`.

    `apart` is in the unit of the values. `of_range` is `apart` divided by the range (maximum minus
    minimum) of the compared published values: 0 for the same curve, at most 0.5 for the best
    constant; None if the published values are all equal. `compared` is the fraction of the
    published time for which we have data; the rest was not compared.
    """

    apart: float
    of_range: float | None
    compared: float


def distance(
    published_s: Floats, published: Floats, ours_s: Floats, ours: Floats, *, hold_s: float
) -> Distance | None:
    """Return the distance of two step functions, or None if they have no time in common.

    It is the mean absolute difference over time. With the published samples P_i at t_i, and ours as
    the function O(t),

        apart = sum over i of the integral of |P_i - O(t)| dt over I_i / sum over i of |I_i|

    I_i is the time that a sample stands for, from t_i to t_(i+1), but at most `hold_s` seconds:
    gaps in the published data are not compared. O(t) is our newest sample at t, from our first
    sample to our last. The integral is exact, not a sum over a grid, and time is not warped: a
    delay counts as a difference. All times are sorted.
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
    """Return the mean absolute difference of values at corresponding moments.

    Ours are NaN for moments that did not occur.
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

    If the rows are moments, `seconds` holds their numbers. `label` tells the cell from the other
    cells of the series.
    """

    file: str
    says: str
    column: str
    unit: str
    cell: str
    label: str
    moments: tuple[str, ...]  # their names in the CSV, or empty
    published_s: Floats
    published: Floats
    ours_s: Floats
    ours: Floats
    hold_s: float  # the longest time that a published sample stands for
    distance: Distance | None

    def row(self) -> dict[str, Any]:
        """Return the facts about the curve as a JSON value."""
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
