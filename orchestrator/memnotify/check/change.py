"""Whether a figure moved between two groups of guests, and what evidence there is for that."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from memnotify.check.statistics import paired_effect
from memnotify.text import counted, shown, unknown_name

LEAST_PAIRS = 6
"""With fewer pairs, no signed-rank test can give p < SIGNIFICANT: its least p is 2**(1 - pairs)."""

SIGNIFICANT = 0.05


class Evidence(StrEnum):
    """What shows that a figure moved, the strongest first.

    TEST: the signed-rank test of at least LEAST_PAIRS pairs. EXACT: there are fewer, but all of
    them moved in the same direction, and each guest repeats its records bit for bit, so that the
    difference is none of the host. NONE: neither. EQUAL: it did not move.
    """

    TEST = "test"
    EXACT = "exact"
    NONE = "none"
    EQUAL = "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a figure differs between pairs of guests with the same seed.

    `before` and `after` are medians: None if no guest has the figure. `by` is the median of the
    differences, `delta` is Cliff's, `p` is of Wilcoxon's test: None with a single pair. `pairs`
    counts those in which at least one of the two guests has the figure, `lacking` those in which
    only one has.
    """

    pairs: int
    lacking: int
    before: float | None
    after: float | None
    by: float | None
    delta: float | None
    p: float | None
    evidence: Evidence

    @property
    def share(self) -> float | None:
        """The difference as a part of what it was: infinite if that was 0."""
        if self.by is None or self.before is None:
            return None
        if not self.before:
            return math.copysign(math.inf, self.by) if self.by else 0.0
        return self.by / abs(self.before)

    @property
    def shown(self) -> bool:
        """Whether there is evidence that it moved."""
        return self.evidence in (Evidence.TEST, Evidence.EXACT)

    def said(self) -> str:
        """Return the evidence in words."""
        pairs = counted(self.pairs, "seed")
        match self.evidence:
            case Evidence.TEST if self.p is None:
                return f"in each of {pairs}"
            case Evidence.TEST:
                return f"p {self.p:.2g}, δ {self.delta:+.2f}, {pairs}"
            case Evidence.EXACT if self.pairs == 1:
                return "1 seed, which repeats exactly"
            case Evidence.EXACT:
                return f"each of {pairs}, which repeat exactly; {LEAST_PAIRS} could be tested"
            case Evidence.EQUAL:
                return f"equal, {pairs}"
        if self.pairs < LEAST_PAIRS:
            return f"no evidence: {pairs}; a test needs {LEAST_PAIRS}"
        return "no evidence: " + (f"p {self.p:.2g}, {pairs}" if self.p is not None else pairs)


def change(pairs: Sequence[tuple[float | None, float | None]], *, exact: bool) -> Change:
    """Return how the second values of some pairs differ from the first.

    `exact`: each guest would give the same value again, and they differ only in what is compared.
    """
    there = [pair for pair in pairs if pair != (None, None)]
    both = [(a, b) for a, b in there if a is not None and b is not None]
    old = [a for a, _ in there if a is not None]
    new = [b for _, b in there if b is not None]
    apart = [b - a for a, b in both]
    effect = paired_effect([b for _, b in both], [a for a, _ in both])
    p = None if effect is None else effect.p
    return Change(
        pairs=len(there),
        lacking=len(there) - len(both),
        before=median(old) if old else None,
        after=median(new) if new else None,
        by=median(apart) if apart else None,
        delta=None if effect is None else effect.delta,
        p=p,
        evidence=_evidence(len(there), apart, p, gone=not (old and new), exact=exact),
    )


def _evidence(
    pairs: int, apart: Sequence[float], p: float | None, *, gone: bool, exact: bool
) -> Evidence:
    """Return the evidence; `gone`: the figure is in all guests of a group, in none of the other."""
    if not pairs or (len(apart) == pairs and not any(apart)):
        return Evidence.EQUAL
    if pairs >= LEAST_PAIRS:
        significant = gone or (p is not None and p < SIGNIFICANT)
        return Evidence.TEST if significant else Evidence.NONE
    together = len(apart) == pairs and (min(apart) > 0 or max(apart) < 0)
    return Evidence.EXACT if exact and (gone or together) else Evidence.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How far a figure may move: `amount` in its unit or, with `relative`, as a part of itself.

    It may not rise by more if `amount` is positive (or `rising`), or fall by more.
    """

    text: str
    figure: str
    rising: bool
    amount: float
    relative: bool

    def broken(self, change: Change) -> bool:
        """Return whether a figure moved further than that, with evidence.

        A figure that the guests of only one group have has moved too.
        """
        return change.shown and self._passed(change)

    def unclear(self, change: Change) -> bool:
        """Return whether a figure seems to have moved further, without evidence."""
        return change.evidence is Evidence.NONE and self._passed(change)

    def _passed(self, change: Change) -> bool:
        moved = change.share if self.relative else change.by
        if moved is None:
            return True
        return moved > self.amount if self.rising else moved < self.amount


_LIMIT = re.compile(r"\s*([^\s<>=]+)\s*(<=|>=|==|<|>|=)\s*(.*?)\s*")
_AMOUNT = re.compile(r"([+\-−]?)\s*([0-9]{1,15}(?:\.[0-9]{1,15})?|\.[0-9]{1,15})\s*(.*)")


def parse_limit(text: str, units: Mapping[str, str]) -> Limit:
    """Return the limit in a text such as `wakeups > +10%`; `units` has the unit of each figure.

    Raises ValueError that says what is wrong with it.
    """
    found = _LIMIT.fullmatch(text)
    if found is None:
        name = next(iter(text.split()), "")
        if name and name not in units:
            raise ValueError(f"{shown(text)}: {_no_figure(name, units)}")
        raise ValueError(f"{shown(text)} is not like 'wakeups > +10%' ({_figures(units)})")
    figure, sign, rest = found.groups()
    if figure not in units:
        raise ValueError(f"{shown(text)}: {_no_figure(figure, units)}")
    unit = units[figure]
    if sign not in ("<", ">"):
        raise ValueError(f"{shown(text)}: use > for a rise, or < for a fall, not {sign}")
    rising = sign == ">"
    amount = _AMOUNT.fullmatch(rest)
    example = f"{figure} {sign} {'+' if rising else '-'}"
    if amount is None:
        raise ValueError(
            f"{shown(text)}: {shown(rest)} is not a change such as +10% or +5 {unit} "
            f"(write {example}10%, or {example}5 {unit})"
        )
    plus, number, of = amount.groups()
    if (plus == "+") is not rising or not plus:
        why = "the limit is a change, with its sign" if not plus else "it can never be useful"
        raise ValueError(f"{shown(text)}: {why} (write {example}{number}{of})")
    relative = of == "%"
    if of and not relative and of.lower() not in (unit.lower(), unit.lower().removesuffix("s")):
        raise ValueError(f"{shown(text)}: {figure} is in {unit}, not in {shown(of)} (or use %)")
    value = float(number) / (100 if relative else 1)
    return Limit(
        text=" ".join(text.split()),
        figure=figure,
        rising=rising,
        amount=value if rising else -value,
        relative=relative,
    )


def _no_figure(name: str, units: Mapping[str, str]) -> str:
    return f"there is no figure {shown(name)} ({unknown_name(name, units)})"


def _figures(units: Mapping[str, str]) -> str:
    return f"the figures are {', '.join(units)}"
