"""Whether a figure moved, what shows that, and how far it may move."""

from __future__ import annotations

import pytest
from memnotify.check.change import LEAST_PAIRS, Change, Evidence, Limit, change, parse_limit
from memnotify.check.reaction import UNITS
from memnotify.text import shown

Pairs = list[tuple[float | None, float | None]]


def moved(by: list[float], *, exact: bool = True) -> Change:
    return change([(100.0 + n, 100.0 + n + apart) for n, apart in enumerate(by)], exact=exact)


@pytest.mark.parametrize(
    ("by", "exact", "evidence"),
    [
        ([0.0], True, Evidence.EQUAL),
        ([0.0] * 9, False, Evidence.EQUAL),
        ([7.0], True, Evidence.EXACT),
        ([7.0], False, Evidence.NONE),
        ([7.0, 8.0, 9.0], True, Evidence.EXACT),
        ([7.0, -8.0, 9.0], True, Evidence.NONE),
        ([7.0, 0.0, 9.0], True, Evidence.NONE),
        ([-7.0, 0.0, -9.0], True, Evidence.NONE),
        ([-7.0, -8.0], True, Evidence.EXACT),
        ([7.0] * (LEAST_PAIRS - 1), False, Evidence.NONE),
        ([7.0] * LEAST_PAIRS, False, Evidence.TEST),
        ([7.0, -8.0, 9.0, -10.0, 11.0, -12.0, 13.0], True, Evidence.NONE),
    ],
)
def test_what_shows_that_a_figure_moved(by: list[float], exact: bool, evidence: Evidence) -> None:
    assert moved(by, exact=exact).evidence is evidence


def test_the_least_number_of_pairs_is_the_one_that_a_test_needs() -> None:
    few, enough = moved([1.0] * (LEAST_PAIRS - 1)), moved([1.0] * LEAST_PAIRS)
    assert few.p is not None and few.p >= 0.05
    assert enough.p is not None and enough.p < 0.05


@pytest.mark.parametrize(
    ("pairs", "evidence"),
    [
        ([(5.0, None)], Evidence.EXACT),
        ([(None, 5.0), (None, 6.0)], Evidence.EXACT),
        ([(5.0, None), (5.0, 5.0)], Evidence.NONE),
        ([(5.0, None), (None, 5.0)], Evidence.NONE),
        ([(5.0, None)] * LEAST_PAIRS, Evidence.TEST),
        ([(None, None)] * 3, Evidence.EQUAL),
        ([], Evidence.EQUAL),
    ],
)
def test_a_figure_that_only_one_group_has(pairs: Pairs, evidence: Evidence) -> None:
    assert change(pairs, exact=True).evidence is evidence


def test_what_a_change_counts_and_measures() -> None:
    pairs: Pairs = [(100.0, 110.0), (200.0, 230.0), (400.0, 420.0), (None, 5.0), (7.0, None)]
    found = change([*pairs, (None, None)], exact=True)
    assert (found.pairs, found.lacking) == (5, 2)
    assert (found.before, found.after, found.by) == (150.0, 170.0, 20.0)
    assert found.delta == pytest.approx(1 / 3)
    assert found.p == 0.25
    gone = change([(5.0, None), (7.0, None)], exact=True)
    assert (gone.before, gone.after, gone.by, gone.delta) == (6.0, None, None, None)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([(5.0, 12.0)], "1 seed, which repeats exactly"),
        (
            [(5.0, 12.0), (6.0, 7.0)],
            "each of 2 seeds, which repeat exactly; 6 could be tested",
        ),
        ([(5.0, 5.0), (6.0, 6.0)], "equal, 2 seeds"),
        ([(5.0, 4.0), (6.0, 7.0)], "no evidence: 2 seeds; a test needs 6"),
        ([(5.0, 4.0), (6.0, 7.0)] * 3, "no evidence: p 1, 6 seeds"),
        ([(5.0, None), (None, 6.0)] * 3, "no evidence: 6 seeds"),
        ([(5.0, None)] * 6, "in each of 6 seeds"),
        ([(n, n + 7.0) for n in range(6)], "p 0.031, δ +1.00, 6 seeds"),
    ],
)
def test_the_evidence_in_words(pairs: Pairs, words: str) -> None:
    assert change(pairs, exact=True).said() == words


@pytest.mark.parametrize(
    ("text", "by", "broken"),
    [
        ("wakeups > +10%", 11.0, True),
        ("wakeups > +10%", 10.0, False),
        ("wakeups>+10 %", 11.0, True),
        ("wakeups < -10%", -11.0, True),
        ("wakeups < -10%", 11.0, False),
        ("wakeups < -10", -10.0, False),
        ("wakeups < -10", -11.0, True),
        ("wakeups > +10 wakeups", 11.0, True),
        ("wakeups > +10 Wakeup", 11.0, True),
        ("wakeups > +11", 11.0, False),
        ("wakeups > +0", 1.0, True),
        ("wakeups > +.5", 1.0, True),
    ],
)
def test_how_far_a_figure_may_move(text: str, by: float, broken: bool) -> None:
    limit = parse_limit(text, UNITS)
    assert limit.broken(moved([by])) == broken
    assert limit.unclear(moved([by], exact=False)) == broken
    assert not limit.broken(moved([by], exact=False))


def test_any_part_of_nothing_is_more_than_ten_percent() -> None:
    assert parse_limit("wakeups > +10%", UNITS).broken(change([(0.0, 1.0)], exact=True))
    assert not parse_limit("wakeups > +10%", UNITS).broken(change([(0.0, 0.0)], exact=True))
    below = change([(-100.0, -80.0)], exact=True)  # woken before the gate, as some are
    assert parse_limit("gate_to_first_ms > +10%", UNITS).broken(below)


@pytest.mark.parametrize("text", ["gate_to_first_ms > +5 ms", "gate_to_first_ms < -5 ms"])
def test_a_figure_that_is_gone_breaks_a_limit(text: str) -> None:
    assert parse_limit(text, UNITS).broken(change([(5.0, None)], exact=True))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("wakups > +10%", r"there is no figure 'wakups' \(did you mean wakeups\? there are: gate_"),
        ("zebra > +10%", r"there is no figure 'zebra' \(there are: gate_to_first_ms, .*cpu_ms\)"),
        ("zebra", "there is no figure 'zebra'"),
        ("wakeups", r"is not like 'wakeups > \+10%' \(the figures are gate_to_first_ms"),
        ("", "is not like"),
        ("wakeups > 10%", r"a change, with its sign \(write wakeups > \+10%\)"),
        ("wakeups > -10%", r"never be useful \(write wakeups > \+10%\)"),
        ("wakeups < +10", r"never be useful \(write wakeups < -10\)"),
        ("wakeups >= +10%", "use > for a rise, or < for a fall, not >="),
        ("wakeups > +", "is not a change such as"),
        ("wakeups > +ten", "is not a change such as"),
        ("wakeups > +10% more", "wakeups is in wakeups, not in '% more'"),
        ("gate_to_first_ms > +5 s", r"gate_to_first_ms is in ms, not in 's' \(or use %\)"),
        ("gate_to_first_ms > +nan", "is not a change"),
    ],
)
def test_a_limit_that_is_none(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_limit(text, UNITS)
    assert str(caught.value).startswith(shown(text))


def test_each_part_of_a_limit() -> None:
    assert parse_limit(" wakeups  <  -10 % ", UNITS) == Limit(
        text="wakeups < -10 %", figure="wakeups", rising=False, amount=-0.1, relative=True
    )
    assert parse_limit("wakeups > +.5", UNITS) == Limit(
        text="wakeups > +.5", figure="wakeups", rising=True, amount=0.5, relative=False
    )


def test_what_is_no_limit_at_all_is_answered_with_the_figures() -> None:
    units = {"wakeups": "wakeups", "cpu_ms": "ms"}
    with pytest.raises(ValueError, match=r"\(the figures are wakeups, cpu_ms\)$"):
        parse_limit("", units)
    with pytest.raises(ValueError, match=r"'\+ten' is not a change such as"):
        parse_limit("wakeups > +ten", units)
