"""What a few numbers say of many: medians with intervals, and how far two groups are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_RESAMPLES = 1_000
_EXACT = 50  # pairs
_SEED = 2008  # the same numbers have the same interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median, with its bootstrap interval of CONFIDENCE if asked for and values are several."""

    n: int
    median: float | None
    low: float | None = None
    high: float | None = None


class Significance(StrEnum):
    """What a p value is of, two-sided. WILCOXON: the signed ranks of paired differences."""

    WILCOXON = "wilcoxon"
    MANN_WHITNEY = "mann-whitney"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How two groups differ.

    `delta` is Cliff's: the share of all pairs in which the group's value is the greater, less the
    share in which the reference's is; 1 and -1: they do not overlap. `difference` is of values that
    belong together, one of each group; None if none do.
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
    from scipy.stats import bootstrap  # takes a second, which only those who compare shall pay

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
    """Return how a group differs from a reference; None if either has less than two values."""
    if min(len(values), len(reference)) < 2:
        return None
    from scipy.stats import mannwhitneyu

    test = mannwhitneyu(values, reference, alternative="two-sided")
    wins = float(test.statistic) / (len(values) * len(reference))
    return Effect(delta=2 * wins - 1, test=Significance.MANN_WHITNEY, p=float(test.pvalue))


def paired_effect(values: Sequence[float], reference: Sequence[float]) -> Effect | None:
    """Return the same of values of which each belongs to the one at its place in the reference."""
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
    """Return the p value of differences, none of them 0: exact, or for many the normal limit's.

    Where differences are equal, scipy.stats.wilcoxon goes through all signs one by one, which
    for thirteen takes it a second; the distribution of the sum gives the same at once.
    """
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
