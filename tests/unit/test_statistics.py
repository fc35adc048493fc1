"""Medians with intervals and effects, against definitions."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.check.statistics import Spread, effect, spread

VALUES = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=12)


def test_no_value_and_one_value_have_no_interval() -> None:
    assert spread([]) == Spread(n=0, median=None)
    assert spread([7.0]) == Spread(n=1, median=7.0)


def test_identical_values_have_an_interval_of_no_width_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spread([3.0] * 5) == Spread(n=5, median=3.0, low=3.0, high=3.0)
        same = effect([3.0] * 5, [3.0] * 5)
    assert same is not None
    assert (same.delta, same.p) == (0.0, 1.0)


@settings(max_examples=25, deadline=None)
@given(VALUES)
def test_an_interval_lies_around_the_median_and_within_the_values(values: list[float]) -> None:
    found = spread(values)
    assert found == spread(values)
    assert found.low is not None and found.high is not None and found.median is not None
    assert min(values) <= found.low <= found.median <= found.high <= max(values)


def test_the_interval_covers_the_true_median_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    spreads = [spread(random.normal(size=20).tolist()) for _ in range(200)]
    covered = sum(s.low <= 0 <= s.high for s in spreads)  # type: ignore[operator]
    assert 0.88 * 200 <= covered <= 200


@settings(deadline=None)
@given(VALUES, VALUES)
def test_delta_is_cliffs(values: list[float], reference: list[float]) -> None:
    found = effect(values, reference)
    assert found is not None
    pairs = [np.sign(a - b) for a, b in itertools.product(values, reference)]
    assert found.delta == pytest.approx(float(np.mean(pairs)))
    assert 0 <= found.p <= 1


def test_groups_that_do_not_overlap_are_told_apart() -> None:
    found = effect([float(v) for v in range(10, 20)], [float(v) for v in range(10)])
    assert found is not None
    assert found.delta == 1.0
    assert found.p < 0.001


def test_one_value_has_no_effect() -> None:
    assert effect([1.0], [2.0, 3.0]) is None
    assert effect([2.0, 3.0], [1.0]) is None
