"""The distance of a published series from ours, for made-up curves with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.check.distance import Curve, Distance, distance, distance_of_moments


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_the_same_curve_is_not_apart() -> None:
    times, values = floats(0, 1, 2, 3), floats(5, 9, 2, 2)
    found = distance(times, values, times, values, hold_s=1)
    assert found is not None
    assert (found.apart, found.of_range) == (0, 0)
    assert found.compared == pytest.approx(0.75)


def test_the_area_between_is_exact() -> None:
    # Ours steps from 4 to 8 at 0.25: a quarter of the first second is 4, the rest 8.
    found = distance(floats(0, 1), floats(5, 10), floats(-1, 0.25, 9), floats(4, 8, 8), hold_s=1)
    assert found is not None
    assert found.apart == pytest.approx((0.25 * 1 + 0.75 * 3 + 1 * 2) / 2)
    assert found.of_range == pytest.approx(found.apart / 5)
    assert found.compared == 1


def test_what_was_not_published_is_not_compared() -> None:
    """Between 1 and 30 there is a gap, in which ours is far away."""
    ours_s, ours = floats(0, 5, 29.5, 40), floats(3, 1000, 3, 3)
    found = distance(floats(0, 1, 30), floats(3, 3, 3), ours_s, ours, hold_s=1)
    assert found == Distance(apart=0, of_range=None, compared=1)


def test_what_ended_early_says_so() -> None:
    found = distance(floats(0, 1, 2, 3), floats(1, 1, 1, 1), floats(0, 2), floats(1, 1), hold_s=1)
    assert found is not None
    assert found.compared == 0.5


def test_what_began_late_is_compared_from_then_on() -> None:
    found = distance(floats(0, 1, 2, 3), floats(1, 1, 1, 5), floats(2, 4), floats(3, 3), hold_s=1)
    assert found == Distance(apart=2, of_range=0.5, compared=0.5)


def test_the_range_is_that_of_the_values_that_were_compared() -> None:
    """Ours ends just where the last published sample, an outlier, begins."""
    found = distance(floats(0, 1, 2), floats(1, 3, 100), floats(0, 2), floats(0, 0), hold_s=1)
    assert found is not None
    assert (found.apart, found.of_range) == (2, 1)


def test_a_shift_in_time_is_apart() -> None:
    times, values = floats(0, 1, 2, 3, 4), floats(0, 0, 8, 0, 0)
    found = distance(times, values, floats(0, 1, 2, 3, 5), floats(0, 8, 0, 0, 0), hold_s=1)
    assert found is not None
    assert found.apart == pytest.approx(16 / 5)


def test_nothing_in_common() -> None:
    one = floats(1)
    assert distance(one, one, floats(), floats(), hold_s=1) is None
    assert distance(floats(), floats(), one, one, hold_s=1) is None
    assert distance(floats(0, 1), floats(1, 1), floats(7, 8), floats(1, 1), hold_s=1) is None


@given(st.floats(0.001, 1000), st.floats(-50, 50))
def test_it_is_in_the_unit_and_does_not_depend_on_the_origin(factor: float, later: float) -> None:
    times, values, ours = floats(0, 1, 2), floats(1, 4, 2), floats(2, 2, 9)
    plain = distance(times, values, times, ours, hold_s=1)
    other = distance(times + later, values * factor, times + later, ours * factor, hold_s=1)
    assert plain is not None and other is not None
    assert other.apart == pytest.approx(plain.apart * factor, rel=1e-6)
    assert other.of_range == pytest.approx(plain.of_range, rel=1e-6)


def test_moments() -> None:
    found = distance_of_moments(floats(1, 5, 9), floats(2, np.nan, 6))
    assert found is not None
    assert (found.apart, found.of_range) == (2, 0.25)
    assert found.compared == pytest.approx(2 / 3)
    assert distance_of_moments(floats(1), floats(np.nan)) is None


def curve(found: Distance | None) -> Curve:
    nothing = floats()
    return Curve(
        file="free.csv",
        says="free memory",
        column="free_mib",
        unit="MiB",
        cell="ab12",
        label="64 MiB",
        moments=(),
        published_s=nothing,
        published=nothing,
        ours_s=nothing,
        ours=nothing,
        hold_s=1,
        distance=found,
    )


def test_what_is_told_of_a_curve() -> None:
    told = {
        "kind": "series",
        "file": "free.csv",
        "says": "free memory",
        "column": "free_mib",
        "cell": "ab12",
        "label": "64 MiB",
        "unit": "MiB",
    }
    apart = Distance(apart=2.5, of_range=0.25, compared=0.75)
    assert curve(apart).row() == told | {"distance": 2.5, "of_range": 0.25, "compared": 0.75}
    assert curve(None).row() == told | {"distance": None, "of_range": None, "compared": 0.0}
