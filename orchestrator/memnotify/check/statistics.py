"""Statistics of a few values: medians with intervals, and how far two groups are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from memnotify.extras import extra

CONFIDENCE = 0.95
_RESAMPLES = 1_000
_EXACT = 50  # pairs
_EXTRA = ("compare", "comparing several runs")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How two groups differ.

    `delta` is Cliff's: the fraction of all pairs in which the group's value is greater, minus the
    fraction in which the reference's is; at 1 and -1 they do not overlap. `difference` is that of
    paired values, one of each group; None if there are no pairs.
    """

    delta: float
    test: Significance
    p: float
    difference: Spread | None = None


def spread(values: Sequence[float], *, interval: bool = True) -> Spread:
    """Return the median of some values, and its interval by the percentile bootstrap."""
    if not values:
        return Spread(n=0, median=None)
    median = float(np.median(values))
    if len(values) == 1 or not interval:
        return Spread(n=len(values), median=median)
    # Takes a second, so only when needed.
    with extra(*_EXTRA):
        from scipy.stats import bootstrap

    found = bootstrap(
        (np.asarray(values, dtype=float),),
        np.median,
        n_resamples=_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    low, high = float(found.low), float(found.high)
    return Spread(n=len(values), median=median, low=low, high=high)


def effect(values: Sequence[float], reference: Sequence[float]) -> Effect | None:
    """Return how a group differs from a reference; None if either has fewer than two values."""
    if min(len(values), len(reference)) < 2:
        return None
    with extra(*_EXTRA):
        from scipy.stats import mannwhitneyu

    test = mannwhitneyu(values, reference, alternative="two-sided")
    wins = float(test.statistic) / (len(values) * len(reference))
    return Effect(delta=2 * wins - 1, test=Significance.MANN_WHITNEY, p=float(test.pvalue))


def paired_effect(values: Sequence[float], reference: Sequence[float]) -> Effect | None:
    """Return the same for paired values: each belongs to the reference value at its index."""
    apart = effect(values, reference)
    if apart is None:
        return None
    differences = np.subtract(values, reference)
    return Effect(
        delta=apart.delta,
        test=Significance.WILCOXON,
        p=_signed_ranks(differences[differences != 0]),
        difference=spread(differences.tolist()),
    )


def _signed_ranks(differences: NDArray[np.float64]) -> float:
    """Return the p value of nonzero differences: exact, or for many by the normal approximation.

    With ties, scipy.stats.wilcoxon goes through all combinations of signs one by one, which takes
    a second for thirteen; the distribution of the sum gives the same at once.
    """
    with extra(*_EXTRA):
        from scipy.stats import rankdata, wilcoxon

    if differences.size > _EXACT:
        return float(wilcoxon(differences, method="asymptotic").pvalue)
    twice = np.rint(2 * rankdata(np.abs(differences))).astype(np.int64)  # ties have half ranks
    chances = np.ones(1)
    for rank in twice.tolist():
        either = np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))
        chances = either / 2
    middle = twice.sum() / 2
    apart = np.abs(np.arange(chances.size) - middle)
    seen = abs(twice[differences > 0].sum() - middle)
    return float(chances[apart >= seen].sum())
