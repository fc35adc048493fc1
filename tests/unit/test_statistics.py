"""Medians with intervals, and effects, compared with their definitions."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memnotify.check.statistics import Significance, Spread, effect, paired_effect, spread
from scipy.stats import bootstrap, mannwhitneyu, wilcoxon

VALUES = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=12)


def test_no_value_and_one_value_have_no_interval() -> None:
    assert spread([]) == Spread(n=0, median=None)
    assert spread([7.0]) == Spread(n=1, median=7.0)


def test_an_interval_is_computed_only_if_it_is_asked_for() -> None:
    assert spread([1.0, 2.0, 4.0], interval=False) == Spread(n=3, median=2.0)


def test_identical_values_have_an_interval_of_no_width_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spread([3.0] * 5) == Spread(n=5, median=3.0, low=3.0, high=3.0)
        same = effect([3.0] * 5, [3.0] * 5)
    assert same is not None
    assert (same.delta, same.p) == (0.0, 1.0)


@settings(max_examples=25)
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
    assert 0.88 * 200 <= covered < 0.99 * 200


def test_the_interval_is_as_wide_as_its_confidence() -> None:
    """Of 101 values, the 95 % interval is within ranks of 1.96 * sqrt(101) / 2 from the median."""
    found = spread([float(value) for value in range(1, 102)])
    assert found.median == 51
    assert found.low == pytest.approx(51 - 9.85, abs=2)
    assert found.high == pytest.approx(51 + 9.85, abs=2)


def test_the_interval_is_that_of_a_percentile_bootstrap_with_a_fixed_seed() -> None:
    values = np.random.default_rng(3).normal(size=9)
    draws = np.random.default_rng(2008).integers(0, 9, (1_000, 9))
    low, high = np.percentile(np.median(values[draws], axis=1), [2.5, 97.5])
    found = spread(values.tolist())
    assert found.n == 9
    assert [found.low, found.high] == pytest.approx([low, high])


NUMBERS = st.floats(-1e9, 1e9, allow_subnormal=False) | st.integers(-5, 5).map(float)


@settings(max_examples=25, deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=60))
def test_the_interval_is_scipys_to_the_last_digit(values: list[float]) -> None:
    found = bootstrap(
        (np.array(values),),
        np.median,
        n_resamples=1_000,
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(2008),
    ).confidence_interval
    spread_ = spread(values)
    assert (spread_.low, spread_.high) == (found.low, found.high)


@settings(max_examples=25, deadline=None)
@given(VALUES, VALUES)
def test_the_unpaired_p_is_that_of_scipy(values: list[float], reference: list[float]) -> None:
    found, theirs = effect(values, reference), mannwhitneyu(values, reference)
    assert found is not None
    assert found.p == theirs.pvalue
    assert found.delta == 2 * float(theirs.statistic) / (len(values) * len(reference)) - 1


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


def test_a_small_difference_shows_where_runs_are_paired() -> None:
    """The seeds spread the values much further than the groups are apart."""
    seeds = [10.0 * seed for seed in range(10)]
    values = [value + 1 + value / 1000 for value in seeds]
    found, apart = paired_effect(values, seeds), effect(values, seeds)
    assert found is not None and apart is not None and found.difference is not None
    assert (found.test, apart.test) == (Significance.WILCOXON, Significance.MANN_WHITNEY)
    assert found.p == pytest.approx(2 / 2**10)  # all ten signs are equal
    assert apart.p > 0.5
    assert found.difference.median == pytest.approx(1.045)
    assert found.difference.low is not None and found.difference.low >= 1
    assert found.delta == apart.delta


@pytest.mark.parametrize(("n", "method"), [(12, "exact"), (50, "exact"), (51, "asymptotic")])
def test_the_paired_p_is_that_of_scipy(n: int, method: str) -> None:
    values = np.random.default_rng(n).normal(0.2, size=n)
    found = paired_effect(values.tolist(), [0.0] * n)
    assert found is not None
    assert found.p == pytest.approx(float(wilcoxon(values, method=method).pvalue))


def test_pairs_that_do_not_differ() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = paired_effect([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert found is not None
    assert (found.p, found.difference) == (1.0, Spread(n=3, median=0.0, low=0.0, high=0.0))
    assert paired_effect([1.0], [2.0]) is None


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=9))
def test_the_paired_p_is_that_of_all_signs(pairs: list[tuple[int, int]]) -> None:
    """Against the definition: every difference might as well have had the other sign."""
    values, reference = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    found = paired_effect(values, reference)
    assert found is not None
    differences = np.subtract(values, reference)
    differences = differences[differences != 0]
    sizes = abs(differences)
    ranks = [float(np.mean(np.flatnonzero(np.sort(sizes) == size)) + 1) for size in sizes]
    signs = [np.dot(sign, ranks) for sign in itertools.product((-1, 1), repeat=len(ranks))]
    seen = abs(np.dot(np.sign(differences), ranks)) if len(ranks) else 0
    assert found.p == pytest.approx(float(np.mean(np.abs(signs) >= seen - 1e-9)))


def test_one_value_has_no_effect() -> None:
    assert effect([1.0], [2.0, 3.0]) is None
    assert effect([2.0, 3.0], [1.0]) is None
