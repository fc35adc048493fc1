"""The checks of v1 and v2: who wakes after swap-out, and who sleeps on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memnotify.check.invariants import check
from memnotify.check.promises import (
    Asks,
    Invariant,
    PromiseVerdict,
)
from memnotify.records.layout import Kind
from memnotify.scenario import ClientKind

from tests.support.early import PLENTY
from tests.support.early_models import (
    LEAVE,
    V1,
    V2,
    V2_WAKEUP,
    V3,
    answers,
    asleep_until,
    broken,
    counts,
    promises,
    told,
    waking,
)
from tests.support.madeup import MS, S


@pytest.mark.parametrize(("name", "caught"), [("v3", True), ("v2", False)])
def test_high_memory_is_in_the_sum_of_v2_only(name: str, caught: bool) -> None:
    wrong = replace(V3, asks=Asks.STATUS, low=(), clients=1, scanned=()).run()
    for number in wrong.of(Kind.ZONE):
        at = wrong.rows[number][1]
        wrong.add(Kind.ZONE, at, name=b"HighMem", free=0, high=10**6, low=10**6, present=4000)
    assert (Invariant.POLLIN in broken(wrong, name)) == caught


def test_v1_tells_everyone_after_swap_out() -> None:
    found = counts(replace(V1, kind=LEAVE).run(), "v1")
    assert found[Invariant.SWAP] == found[Invariant.POLLIN] == 6
    assert not broken(replace(V1, kind=LEAVE).run(), "v1")
    # All six leave at once; of seven, one of which came late, six are left to be woken.
    assert counts(V1.run(), "v1")[Invariant.BATCH] == 1


def test_a_single_client_puts_v1_to_the_test() -> None:
    found = counts(replace(V1, kind=LEAVE, clients=1).run(), "v1")
    assert found[Invariant.SWAP] == found[Invariant.POLLIN] == 1


def test_swap_out_is_no_reason_if_memory_must_be_low_as_well() -> None:
    log = replace(V1, kind=LEAVE).run().log()
    found = check(log, replace(promises("v1"), asks=Asks.BOTH))
    (pollin,) = (answer for answer in found if answer.invariant is Invariant.POLLIN)
    assert pollin.verdict is PromiseVerdict.BROKEN


def test_v1_that_leaves_some_out_is_caught() -> None:
    for kind in (LEAVE, ClientKind.POLL):
        assert broken(replace(V1, deaf=2, kind=kind).run(), "v1") == {Invariant.BATCH}


def test_v1_that_wakes_without_swap_out_is_caught() -> None:
    wrong = replace(V1, always=True, events=(12 * S,), kind=LEAVE, swapped=())
    assert broken(asleep_until(wrong, 12 * S), "v1") == {Invariant.SWAP, Invariant.POLLIN}
    # A low zone is a reason for poll(), but not for the timer.
    low = replace(wrong, low=((12 * S - 300 * MS, 13 * S),))
    assert broken(asleep_until(low, 12 * S), "v1") == {Invariant.SWAP}


@pytest.mark.parametrize(
    ("woken_ms", "swapped_ms", "caught"),
    [  # 500 ms to log it, two runs of the timer, and 500 ms that the last one may be late
        (11_950, 8_950, {Invariant.SWAP, Invariant.POLLIN}),
        (11_950, 8_951, set()),
        (12_043, 9_000, set()),
    ],
)
def test_a_timer_of_v1_may_be_half_a_second_late(
    woken_ms: int, swapped_ms: int, caught: set[Invariant]
) -> None:
    """The first samples that count are at 8.95 s, and hardly so: 8.951 and 9.049 s are needed."""
    model = replace(V1, events=(), kind=LEAVE, swapped=(swapped_ms * MS,))
    assert broken(asleep_until(model, woken_ms * MS), "v1") == caught


def test_what_v1_saw_while_nobody_watched_may_be_told_to_the_first() -> None:
    """The total of the last check is kept, however long ago that was."""
    made = replace(V1, swapped=(S,), kind=LEAVE, events=(3 * S + 500 * MS,)).run()
    assert len(made.of(Kind.WAKEUP)) == 6
    assert not broken(made, "v1")
    assert counts(made, "v1")[Invariant.SWAP] == 0


def test_v2_wakes_nobody_but_who_looks_may_be_told() -> None:
    made = V2.run()
    assert not made.of(Kind.WAKEUP)
    assert counts(made, "v2") == {Invariant.DEVICE: 1, Invariant.SILENCE: 6, Invariant.POLLIN: 0}
    made = replace(V2, low=((2 * S + 500 * MS, 2 * S + 900 * MS),), pause=9 * MS).run()
    assert {made.rows[number][2] for number in made.of(Kind.WAKEUP)} == {3, 4}
    assert not broken(made, "v2")
    # Client 5 sleeps from before the first event, 3 and 4 from when the sum was no longer low.
    assert counts(made, "v2")[Invariant.SILENCE] == 6


def test_v2_does_not_count_who_sleeps_where_nothing_is_scanned() -> None:
    assert counts(replace(V2, scanned=()).run(), "v2")[Invariant.SILENCE] == 0


def test_v2_does_not_count_who_has_hardly_been_in_poll() -> None:
    made = replace(V2, clients=1, scanned=(2400 * MS,), end_ns=2800 * MS).run()
    assert counts(made, "v2")[Invariant.SILENCE] == 0


@pytest.mark.parametrize(
    ("scanned_ms", "more_ns", "tested"),
    [  # the client is in poll() from 2 s on; it may take half a second to fall asleep, and to log
        (2_300, 5 * S, 0),
        (2_600, 5 * S, 1),
        (2_500, 1, 1),
        (2_500, 0, 0),
    ],
)
def test_v2_counts_who_sleeps_while_pages_are_scanned(
    scanned_ms: int, more_ns: int, tested: int
) -> None:
    made = replace(V2, clients=1, scanned=(scanned_ms * MS,), end_ns=3 * S + 1 + more_ns).run()
    made.rows = [row for row in made.rows if row[0] != Kind.EXIT]
    assert counts(made, "v2")[Invariant.SILENCE] == tested


def test_a_wakeup_in_v2_is_caught() -> None:
    made = replace(V2_WAKEUP, events=(6 * S,), low=(), kind=LEAVE).run()
    assert broken(made, "v2") == {Invariant.SILENCE}
    (first,) = answers(made, "v2")[Invariant.SILENCE].breaks
    assert first.promised == "no client that sleeps in poll() is woken"


def test_who_was_held_up_on_the_way_into_poll_did_not_sleep() -> None:
    made = replace(V2, low=((2 * S, 4 * S),), events=(), clients=1, pause=4 * S, end_ns=5 * S).run()
    number = made.of(Kind.WAKEUP)[0]
    made.change(number, at=made.rows[number][1] + 990 * MS)
    assert not broken(made, "v2")
    made.change(number, at=made.rows[number][1] + 20 * MS)
    assert broken(made, "v2") == {Invariant.SILENCE}
    for sample in made.of(Kind.PAGING):
        made.change(sample, runnable=300)
    assert not broken(made, "v2")


@pytest.mark.parametrize(
    ("since", "until", "caught"),
    [
        (2_500 * MS, 3_500 * MS, False),
        (2_500 * MS, 3_500 * MS + 1, True),
        # The guest is busy at 4.05 s. The second before the wakeup counts.
        (2 * S, 4_050 * MS, True),
        (2 * S, 4_050 * MS + 1, False),
        (2 * S, 5_050 * MS - 1, False),
        (2 * S, 5_050 * MS, True),
    ],
)
def test_who_is_in_poll_for_a_second_of_a_calm_guest_sleeps(
    since: int, until: int, caught: bool
) -> None:
    made = waking([since], [until])
    for number in made.of(Kind.PAGING):
        if made.rows[number][1] == 4_050 * MS:
            made.change(number, runnable=11)
    assert (Invariant.SILENCE in broken(made, "v2")) == caught


def test_what_is_kept_for_atomic_allocations_may_make_a_zone_of_v1_low() -> None:
    wrong = asleep_until(replace(V1, events=(12 * S,), kind=LEAVE, swapped=()), 12 * S)
    for free, caught in ((2 * 45 + 4000 // 100 + 1024, False), (2 * 45 + 4000 // 100 + 1025, True)):
        for number in wrong.of(Kind.ZONE):
            wrong.change(number, free=free)
        assert (Invariant.POLLIN in broken(wrong, "v1")) == caught


def test_kswapd_may_have_run_for_one_zone_of_v2_though_the_sum_is_plenty() -> None:
    wrong = replace(V2_WAKEUP, low=(), takes=False, clients=1, pause=400 * MS, scanned=()).run()
    assert broken(wrong, "v2-wakeup") == {Invariant.POLLIN}
    for number in wrong.of(Kind.ZONE):
        at = wrong.rows[number][1]
        wrong.add(Kind.ZONE, at, name=b"DMA32", free=90, high=50, low=45, present=4000)
    assert not broken(wrong, "v2-wakeup")


@pytest.mark.parametrize(
    ("short_ms", "caught"),
    [(4_950, True), (5_050, False), (5_150, False), (5_350, False), (5_450, True)],
)
def test_one_sample_of_a_short_zone_is_enough_for_kswapd_of_v2(short_ms: int, caught: bool) -> None:
    """The samples that count are those around the two POLLINs."""
    made = told([5_100 * MS, 5_300 * MS])
    for number in made.of(Kind.ZONE):
        made.change(number, free=PLENTY)
    assert broken(made, "v2-wakeup") == {Invariant.POLLIN}
    made.add(Kind.ZONE, short_ms * MS, name=b"DMA32", free=90, high=50, low=45, present=4000)
    assert broken(made, "v2-wakeup") == ({Invariant.POLLIN} if caught else set())


@pytest.mark.parametrize("kind", [Kind.RECLAIM, Kind.PAGING])
def test_reclaim_that_was_not_sampled_decides_nothing_of_v2(kind: Kind) -> None:
    made = told([5_100 * MS, 5_300 * MS])
    for number in made.of(Kind.ZONE):
        made.change(number, free=PLENTY)
    made.rows = [row for row in made.rows if row[0] != kind]
    assert counts(made, "v2-wakeup")[Invariant.POLLIN] == 0


def test_pollin_of_v2_with_two_reasons_counts_once() -> None:
    """Memory is low in one sample, for which kswapd may have run as well."""
    made = told([5_100 * MS, 5_300 * MS])
    for number in made.of(Kind.ZONE):
        low = made.rows[number][1] == 5_150 * MS
        made.change(number, free=20 if low else PLENTY)
    assert counts(made, "v2-wakeup")[Invariant.POLLIN] == 1


def test_reclaim_is_known_from_the_first_sample_of_a_log_on() -> None:
    made = told([70 * MS, 90 * MS])
    for number in made.of(Kind.ZONE):
        made.change(number, free=PLENTY)
    assert Invariant.POLLIN in broken(made, "v2-wakeup")
