"""Statistics of a few values: medians with intervals, and how far two groups are apart."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from memnotify.extras import extra

CONFIDENCE = 0.95
_RESAMPLES = 1_000
_TAIL = (1 - CONFIDENCE) / 2
_EXACT = 50  # pairs
_EXTRA = ("compare", "a p value")
_SEED = 2008  # the same values give the same interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median; with its bootstrap interval of CONFIDENCE if wanted and for several values."""

    n: int
    median: float | None
    low: float | None = None
    high: float | None = None


class Significance(StrEnum):
    """The test behind a two-sided p value. WILCOXON: signed ranks of paired differences."""

    WILCOXON = "wilcoxon"
    MANN_WHITNEY = "mann-whitney"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How two groups differ.

    `delta` is Cliff's: the fraction of all pairs in which the group's value is greater, minus the
    fraction in which the reference's is; at 1 and -1 they do not overlap. `difference` is that of
    paired values, one of each group; None if there are no pairs.
    """

    delta: float
    test: Significance
    groups: tuple[tuple[float, ...], tuple[float, ...]] = field(repr=False)
    difference: Spread | None = None

    @functools.cached_property
    def p(self) -> float:
        """The p value of the test.

        SciPy takes a second to import, so it is imported only here. Raises
        InfrastructureError if it is needed and not installed.
        """
        if self.test is Significance.WILCOXON:
            differences = np.subtract(*self.groups)
            return _signed_ranks(differences[differences != 0])
        with extra(*_EXTRA):
            from scipy.stats import mannwhitneyu

        return float(mannwhitneyu(*self.groups, alternative="two-sided").pvalue)


def spread(values: Sequence[float], *, interval: bool = True) -> Spread:
    """Return the median of some values, and its interval by the percentile bootstrap."""
    if not values:
        return Spread(n=0, median=None)
    median = float(np.median(values))
    if len(values) == 1 or not interval:
        return Spread(n=len(values), median=median)
    medians = np.sort(_resampled_medians(np.asarray(values, dtype=float)))
    low, high = (_quantile(medians, part) for part in (_TAIL, 1 - _TAIL))
    return Spread(n=len(values), median=median, low=low, high=high)


def _resampled_medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each resample of some values."""
    order = np.argsort(values)
    ordered, middle = values[order], ((values.size - 1) // 2, values.size // 2)
    # How many of each resample are that value or a lesser one.
    below = np.cumsum(_draws(values.size).take(order, axis=1), axis=1, dtype=np.int32)
    one, other = (ordered[np.count_nonzero(below <= place, axis=1)] for place in middle)
    medians: NDArray[np.float64] = (one + other) / 2
    return medians


@functools.lru_cache(maxsize=2)
def _draws(n: int) -> NDArray[np.int32]:
    """Return how often each of n values is in each resample; a row is a resample.

    The groups of a comparison are mostly of one size, and the same seed draws the same for them.
    """
    drawn = np.random.default_rng(_SEED).integers(0, n, (_RESAMPLES, n))
    drawn += n * np.arange(_RESAMPLES)[:, np.newaxis]
    counts = np.bincount(drawn.ravel(), minlength=n * _RESAMPLES)
    return counts.astype(np.int32).reshape(_RESAMPLES, n)


def _quantile(ordered: NDArray[np.float64], part: float) -> float:
    """Return a quantile of sorted values, interpolated as `scipy.stats.quantile` does."""
    place = part * ordered.size + (1 - part)  # counted from 1
    after, rest = int(place), place % 1
    return float((1 - rest) * ordered[after - 1] + rest * ordered[after])


def effect(values: Sequence[float], reference: Sequence[float]) -> Effect | None:
    """Return how a group differs from a reference; None if either has fewer than two values."""
    if min(len(values), len(reference)) < 2:
        return None
    ordered = np.sort(np.asarray(reference, dtype=float))
    # Equal values count as half a win.
    twice = sum(int(np.searchsorted(ordered, values, side).sum()) for side in ("left", "right"))
    wins = twice / 2 / (len(values) * len(reference))
    groups = (tuple(values), tuple(reference))
    return Effect(delta=2 * wins - 1, test=Significance.MANN_WHITNEY, groups=groups)


def paired_effect(values: Sequence[float], reference: Sequence[float]) -> Effect | None:
    """Return the same for paired values: each belongs to the reference value at its index."""
    apart = effect(values, reference)
    if apart is None:
        return None
    difference = spread(np.subtract(values, reference).tolist())
    return replace(apart, test=Significance.WILCOXON, difference=difference)


def _signed_ranks(differences: NDArray[np.float64]) -> float:
    """Return the p value of nonzero differences: exact, or for many by the normal approximation.

    With ties, scipy.stats.wilcoxon goes through all combinations of signs one by one, which takes
    a second for thirteen; the distribution of the sum gives the same at once.
    """
    if differences.size > _EXACT:
        with extra(*_EXTRA):
            from scipy.stats import wilcoxon

        return float(wilcoxon(differences, method="asymptotic").pvalue)
    sizes = np.abs(differences)
    ordered = np.sort(sizes)
    # Those of equal size share the mean of their ranks, so that it may be half a rank.
    first, end = (np.searchsorted(ordered, sizes, side) for side in ("left", "right"))
    twice = first + 1 + end
    chances = np.ones(1)
    for rank in twice.tolist():
        either = np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))
        chances = either / 2
    middle = twice.sum() / 2
    apart = np.abs(np.arange(chances.size) - middle)
    seen = abs(twice[differences > 0].sum() - middle)
    return float(chances[apart >= seen].sum())
