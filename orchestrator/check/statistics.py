"""What a few numbers say of many: medians with intervals, and how far two groups are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
_RESAMPLES = 1_000
_SEED = 2008  # the same numbers have the same interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median, with its bootstrap interval of CONFIDENCE if asked for and values are several."""

    n: int
    median: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How two groups differ.

    `delta` is Cliff's: the share of pairs in which the group's value is the greater, less the share
    in which the reference's is; 1 and -1: they do not overlap. `p` is of the two-sided Mann-Whitney
    U test.
    """

    delta: float
    p: float


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
    return Effect(delta=2 * wins - 1, p=float(test.pvalue))
