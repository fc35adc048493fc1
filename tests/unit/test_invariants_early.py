"""The checks of revisions that wake everyone, or nobody: kept, or broken by their own mutation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memnotify.check.invariants import check
from memnotify.check.promises import (
    Answer,
    Asks,
    Invariant,
    Promises,
    PromiseVerdict,
    Status,
    Wakes,
)
from memnotify.records.layout import NO_CLIENT, Kind
from memnotify.results.promises import promises_of
from memnotify.scenario import ClientKind
from memnotify.series.revision import load_revision

from tests.support.early import PLENTY, SHORT, TICK, US, Early
from tests.support.madeup import MS, MadeUp, S


def promises(name: str) -> Promises:
    revision = load_revision(name)
    assert revision is not None
    return promises_of(revision)


def answers(made: MadeUp, name: str) -> dict[Invariant, Answer]:
    return {answer.invariant: answer for answer in check(made.log(), promises(name))}


def broken(made: MadeUp, name: str) -> set[Invariant]:
    found = answers(made, name)
    for answer in found.values():
        for place in answer.breaks:
            assert place.records and max(place.records) < len(made.rows)
    return {name for name, answer in found.items() if answer.verdict is PromiseVerdict.BROKEN}


def counts(made: MadeUp, name: str) -> dict[Invariant, int]:
    return {name: answer.tested for name, answer in answers(made, name).items()}


LEAVE = ClientKind.EXIT
SHORT_TIMES = ((5 * S, 5 * S + 300 * MS), (7 * S, 7 * S + 100 * MS))
TIMER = tuple(range(2 * S + 1, 20 * S, S))
V1 = Early(
    asks=Asks.EITHER, status=Status.SWAPPED, events=TIMER, swapped=(8 * S + 200 * MS,), low=()
)
V2 = Early(asks=Asks.EITHER, status=Status.TAKEN, wakes=Wakes.NOBODY, low=SHORT_TIMES)
V2_WAKEUP = replace(V2, wakes=Wakes.EVERYONE)
V3 = Early(asks=Asks.BOTH, status=Status.TAKEN)
WAKE_ALL = Early(asks=Asks.BOTH, status=Status.UNREAD)
THROTTLED = replace(WAKE_ALL, throttled=True, pause=10 * US, low=((4 * S, 7 * S),))
MODELS = {
    "v1": V1,
    "v2": V2,
    "v2-wakeup": V2_WAKEUP,
    "v3": V3,
    "v3-wake-all": WAKE_ALL,
    "v3-throttled": THROTTLED,
    "v3-faster": THROTTLED,
}


# v3: one POLLIN for each notification


def test_v3_tells_one_of_many_and_each_time_it_is_put_to_the_test() -> None:
    for made in (V3.run(), replace(V3, clients=200, spacing=5 * MS, kind=LEAVE).run()):
        assert len(made.of(Kind.WAKEUP)) == 5
        assert counts(made, "v3") == {Invariant.DEVICE: 1, Invariant.ONCE: 5, Invariant.POLLIN: 5}
        assert not broken(made, "v3")


@pytest.mark.parametrize("kind", [ClientKind.POLL, ClientKind.EXIT])
@pytest.mark.parametrize("clients", [1, 16, 200])
def test_the_old_v3_is_caught_that_asked_the_sum_alone(clients: int, kind: ClientKind) -> None:
    """As first reconstructed: every client that found the sum low had POLLIN, and it lasted."""
    spacing = S // clients
    wrong = replace(V3, asks=Asks.GATE, low=((4 * S, 5 * S + 300 * MS),), pause=20 * MS)
    old = replace(wrong, clients=clients, kind=kind, spacing=spacing, events=(5 * S,)).run()
    caught = broken(old, "v3")
    # A client that leaves with its first POLLIN is one for one notification.
    assert caught == (set() if clients == 1 and kind is LEAVE else {Invariant.ONCE})
    if clients == 200 and kind is LEAVE:
        (first,) = answers(old, "v3")[Invariant.ONCE].breaks
        assert first.seen.startswith("200, logged within 0.0")
        assert len(first.records) == 200
        assert first.client is None


def test_a_status_that_nobody_clears_is_caught() -> None:
    assert broken(replace(V3, takes=False, pause=9 * MS).run(), "v3") == {Invariant.ONCE}


def told(times: Sequence[int], cpus: int = 1) -> MadeUp:
    """Wake one client at these times, each just after it went into poll()."""
    made = replace(V3, clients=1, events=(), cpus=cpus).run()
    made.rows = [row for row in made.rows if row[0] not in (Kind.POLL, Kind.EXIT)]
    for number, at in enumerate(times):
        made.add(Kind.POLL, at - US, 0, polls=number)
        made.add(Kind.WAKEUP, at, 0, revents=1, result=1, since_ns=at - US)
    return made


@pytest.mark.parametrize(
    ("apart_ms", "cpus", "verdict"),
    [  # the most that one CPU can do, with one left from before; a tick of 10 ms is allowed
        ([1], 1, PromiseVerdict.KEPT),
        ([1, 190], 1, PromiseVerdict.KEPT),
        ([1, 188], 1, PromiseVerdict.BROKEN),
        ([1, 190, 190, 190, 190, 190], 1, PromiseVerdict.KEPT),
        ([1, 190, 190, 1], 1, PromiseVerdict.BROKEN),
        ([1, 190, 190, 190, 190, 180], 1, PromiseVerdict.BROKEN),
        # With two CPUs, each may send one, and see what the other sees; so with the one before.
        ([0.1] * 5, 2, PromiseVerdict.KEPT),
        ([0.1] * 6, 2, PromiseVerdict.BROKEN),
        ([0.1] * 19, 4, PromiseVerdict.KEPT),
        ([0.1] * 20, 4, PromiseVerdict.BROKEN),
    ],
)
def test_how_many_there_may_be_in_a_time(
    apart_ms: list[float], cpus: int, verdict: PromiseVerdict
) -> None:
    times = [round(5 * S + ms * MS) for ms in accumulate(apart_ms, initial=0.0)]
    assert answers(told(times, cpus), "v3")[Invariant.ONCE].verdict is verdict


@pytest.mark.parametrize(
    ("later_ms", "counted"),
    [  # 10 in 9 ms; the next makes 11, and there may be 10 in 1.70 s, 11 in 1.71 s
        ([1_709], [11]),
        ([1_711], [10]),
        ([1_711, 1_711], [10]),
        ([5_000 + number for number in range(4)], [10, 4]),
    ],
)
def test_a_break_names_as_many_as_were_too_many(later_ms: list[int], counted: list[int]) -> None:
    times = [5 * S + ms * MS for ms in (*range(10), *later_ms)]
    breaks = answers(told(times), "v3")[Invariant.ONCE].breaks
    assert [len(found.records) for found in breaks] == counted


def test_a_rate_that_is_less_than_what_is_granted_decides_nothing() -> None:
    often = replace(WAKE_ALL, reads=True, pause=9 * MS).run().log()
    for name, invariant in (("v3", Invariant.ONCE), ("v3-wake-all", Invariant.RATE)):
        answer = {
            found.invariant: found
            for found in check(often, replace(promises(name), rate_ns=10 * MS))
        }[invariant]
        assert (answer.tested, answer.breaks) == (0, ())


def test_who_may_be_late_is_given_the_time() -> None:
    """Of five sleeping clients, four can have been woken in the half second before."""
    old = replace(V3, asks=Asks.GATE, kind=LEAVE, events=(6 * S,))
    assert not broken(replace(old, clients=4).run(), "v3")
    assert broken(replace(old, clients=5).run(), "v3") == {Invariant.ONCE}


def test_a_few_that_leave_put_nothing_to_the_test() -> None:
    made = replace(V3, clients=5, kind=LEAVE, events=(6 * S,)).run()
    assert counts(made, "v3")[Invariant.ONCE] == 0
    assert counts(replace(V3, clients=6, kind=LEAVE, events=(6 * S,)).run(), "v3") == {
        Invariant.DEVICE: 1,
        Invariant.ONCE: 1,
        Invariant.POLLIN: 1,
    }


def test_a_rate_of_the_whole_system_does_not_grow_with_its_cpus() -> None:
    """Each of two CPUs may see each of two notifications; with a rate of its own, three."""
    for many, kept in ((4, PromiseVerdict.KEPT), (5, PromiseVerdict.BROKEN)):
        log = told([5 * S + number * 100 * US for number in range(many)], cpus=2).log()
        found = check(log, replace(promises("v3"), rate_of_cpu=False))
        (once,) = (answer for answer in found if answer.invariant is Invariant.ONCE)
        assert once.verdict is kept


def test_clients_that_come_later_could_not_have_been_told() -> None:
    """Five of the seven are in poll() when the notification comes: too few for a test."""
    made = replace(V3, clients=7, kind=LEAVE, events=(2 * S + 900 * MS,), low=((2 * S, 9 * S),))
    assert counts(made.run(), "v3")[Invariant.ONCE] == 0
    later = replace(made, events=(3 * S + 100 * MS,))
    assert counts(later.run(), "v3")[Invariant.ONCE] == 1


def test_who_left_later_was_still_in_poll_before() -> None:
    """Five wait when the first of six leaves, enough for a test; four when the second does."""
    made = replace(V3, clients=6, kind=LEAVE, events=(5 * S, 6 * S)).run()
    assert counts(made, "v3")[Invariant.ONCE] == 1


def test_when_memory_is_back_nobody_else_could_be_told() -> None:
    for kind in (LEAVE, ClientKind.POLL):
        made = replace(V3, clients=20, kind=kind, low=((5 * S, 5 * S + 20 * MS),)).run()
        assert len(made.of(Kind.WAKEUP)) == 1
        assert counts(made, "v3")[Invariant.ONCE] == 0


def test_pollin_of_v3_is_given_only_while_the_sum_is_low() -> None:
    wrong = replace(V3, asks=Asks.STATUS, low=(), clients=1).run()
    assert broken(wrong, "v3") == {Invariant.POLLIN}
    # One page decides: 100 is not below the gate.
    for free, count in ((99, 5), (100, 0)):
        made = V3.run()
        for number in made.of(Kind.ZONE):
            made.change(number, free=free)
        assert counts(made, "v3")[Invariant.POLLIN] == count


@pytest.mark.parametrize(("name", "caught"), [("v3", True), ("v2", False)])
def test_high_memory_is_in_the_sum_of_v2_only(name: str, caught: bool) -> None:
    wrong = replace(V3, asks=Asks.STATUS, low=(), clients=1, scanned=()).run()
    for number in wrong.of(Kind.ZONE):
        at = wrong.rows[number][1]
        wrong.add(Kind.ZONE, at, name=b"HighMem", free=0, high=10**6, low=10**6, present=4000)
    assert (Invariant.POLLIN in broken(wrong, name)) == caught


# v1: a timer, and swap-out


def test_v1_tells_everyone_after_swap_out() -> None:
    found = counts(replace(V1, kind=LEAVE).run(), "v1")
    assert found[Invariant.SWAP] == found[Invariant.POLLIN] == 6
    assert not broken(replace(V1, kind=LEAVE).run(), "v1")
    # All six leave at once; of seven, one of which came late, six are left to be woken.
    assert counts(V1.run(), "v1")[Invariant.BATCH] == 1


def test_v1_that_leaves_some_out_is_caught() -> None:
    for kind in (LEAVE, ClientKind.POLL):
        assert broken(replace(V1, deaf=2, kind=kind).run(), "v1") == {Invariant.BATCH}


def test_v1_that_wakes_without_swap_out_is_caught() -> None:
    wrong = replace(V1, always=True, events=(12 * S,), kind=LEAVE, swapped=())
    assert broken(_asleep_until(wrong, 12 * S), "v1") == {Invariant.SWAP, Invariant.POLLIN}
    # A low zone is a reason for poll(), but not for the timer.
    low = replace(wrong, low=((12 * S - 300 * MS, 13 * S),))
    assert broken(_asleep_until(low, 12 * S), "v1") == {Invariant.SWAP}


def _asleep_until(wrong: Early, when: int) -> MadeUp:
    """Run a model whose status is set from `when` on."""
    made = replace(wrong, always=False).run()
    for client in range(wrong.clients):
        since = made.rows[made.of(Kind.POLL, client)[0]][1]
        at = when + (client + 1) * MS
        made.add(Kind.WAKEUP, at, client, revents=1, result=1, since_ns=since)
    return made


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
    assert broken(_asleep_until(model, woken_ms * MS), "v1") == caught


def test_what_v1_saw_while_nobody_watched_may_be_told_to_the_first() -> None:
    """The total of the last check is kept, however long ago that was."""
    made = replace(V1, swapped=(S,), kind=LEAVE, events=(3 * S + 500 * MS,)).run()
    assert len(made.of(Kind.WAKEUP)) == 6
    assert not broken(made, "v1")
    assert counts(made, "v1")[Invariant.SWAP] == 0


# v2: nobody is woken


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


# v2 with a wakeup


def test_v2_with_a_wakeup_tells_everyone_while_the_sum_is_low() -> None:
    kept = replace(V2_WAKEUP, low=((4500 * MS, 6 * S),), events=(5 * S + 100 * MS,), pause=9 * MS)
    assert counts(kept.run(), "v2-wakeup")[Invariant.BATCH] == 1
    assert not broken(kept.run(), "v2-wakeup")
    assert broken(replace(kept, deaf=2).run(), "v2-wakeup") == {Invariant.BATCH}


def test_a_status_that_v2_does_not_clear_is_caught() -> None:
    """It gives POLLIN forever; one that was left from before may wake one client once."""
    wrong = replace(V2_WAKEUP, low=(), takes=False, clients=1, pause=400 * MS)
    assert broken(wrong.run(), "v2-wakeup") == {Invariant.POLLIN}
    kept = replace(wrong, takes=True, events=(5 * S, 6 * S))
    assert len(kept.run().of(Kind.WAKEUP)) == 2
    assert not broken(kept.run(), "v2-wakeup")
    # The second one follows reclaim. Without reclaim there is no event, and no reason.
    assert counts(kept.run(), "v2-wakeup")[Invariant.POLLIN] == 1
    assert broken(replace(kept, scanned=()).run(), "v2-wakeup") == {Invariant.POLLIN}


@pytest.mark.parametrize(("model", "name"), [(WAKE_ALL, "v3-wake-all"), (V2_WAKEUP, "v2-wakeup")])
def test_a_sum_that_is_lifted_between_two_samples_accuses_nobody(model: Early, name: str) -> None:
    """Clients that look while kswapd has lifted the sum sleep on, unseen by any sample."""
    event = 6 * S + 20 * MS
    deep = replace(model, low=((5450 * MS, 8 * S),), events=(event,), clients=12, pause=50 * MS)
    if model is V2_WAKEUP:
        deep = replace(deep, pause=300 * MS)
    left = 0
    for late in (0, US, MS, 2 * MS):
        gap = (event + late, event + late + 30 * MS)
        log = replace(deep, near=True, gaps=(gap,)).run()
        left += 12 - len({log.rows[row][2] for row in log.of(Kind.WAKEUP)})
        assert not broken(log, name)
    assert left


# v3 and the three improvements


def test_wake_all_tells_everyone_who_opened_before() -> None:
    for kind, deaf in ((ClientKind.POLL, 2), (ClientKind.EPOLL, 2)):
        kept = replace(WAKE_ALL, pause=50 * MS, kind=kind)
        assert counts(kept.run(), "v3-wake-all")[Invariant.BATCH] == 1
        assert not broken(kept.run(), "v3-wake-all")
        assert broken(replace(kept, deaf=deaf).run(), "v3-wake-all") == {Invariant.BATCH}
    # Clients that leave give their memory back: the others may find enough.
    assert not broken(replace(WAKE_ALL, deaf=2, kind=LEAVE).run(), "v3-wake-all")


def test_who_waits_for_a_signal_is_not_in_the_queue() -> None:
    made = replace(WAKE_ALL, deaf=1, pause=50 * MS).run()
    made.change(made.of(Kind.CLIENT, 0)[0], client_kind=ClientKind.FASYNC)
    assert not broken(made, "v3-wake-all")


def test_where_memory_came_back_it_is_not_known_who_was_woken() -> None:
    made = replace(WAKE_ALL, deaf=2, pause=50 * MS, events=(5 * S,))
    assert broken(made.run(), "v3-wake-all") == {Invariant.BATCH}
    assert not broken(replace(made, low=((4 * S, 5 * S + 250 * MS),)).run(), "v3-wake-all")


def test_a_log_that_ends_or_a_guest_that_is_busy_does_not_say_who_was_woken() -> None:
    wrong = replace(WAKE_ALL, deaf=2, pause=50 * MS, events=(5 * S,))
    cut = replace(wrong, end_ns=5 * S + 450 * MS).run()
    cut.rows = [row for row in cut.rows if row[0] != Kind.EXIT]
    assert not broken(cut, "v3-wake-all")
    busy = wrong.run()
    for number in busy.of(Kind.PAGING):
        if 5 * S + 50 * MS < busy.rows[number][1] < 6 * S:
            busy.change(number, runnable=300)
    assert not broken(busy, "v3-wake-all")


def test_a_status_that_lasts_no_longer_than_one_is_late_tells_nothing() -> None:
    for look_ns, told_of in ((510 * MS, False), (510 * MS + 1, True)):
        found = check(V1.run().log(), replace(promises("v1"), look_ns=look_ns))
        assert (Invariant.BATCH in {answer.invariant for answer in found}) == told_of


FIRST = 5_950 * MS  # half a second from two samples


def waking(since: Sequence[int], until: Sequence[int | None], end_ns: int = 8 * S) -> MadeUp:
    """Let clients wait between these times, while memory is low; None: to the end."""
    made = replace(WAKE_ALL, clients=len(since), events=(), end_ns=end_ns).run()
    made.rows = [row for row in made.rows if row[0] not in (Kind.POLL, Kind.EXIT)]
    for client, (begin, end) in enumerate(zip(since, until, strict=True)):
        made.add(Kind.POLL, begin, client)
        if end is not None:
            made.add(Kind.WAKEUP, end, client, revents=1, result=1, since_ns=begin)
    return made


@pytest.mark.parametrize(
    ("since", "until", "end_ns", "tested", "caught"),
    [
        (2 * S, None, 8 * S, 1, True),
        # It may have been on the way into poll() for half a second.
        (FIRST - 500 * MS - 1, None, 8 * S, 1, True),
        (FIRST - 500 * MS, None, 8 * S, 1, False),
        # It may log the wakeup half a second late. What it logs then is a wakeup of its own.
        (2 * S, FIRST + 500 * MS - 1, 8 * S, 1, False),
        (2 * S, FIRST + 500 * MS, 8 * S, 2, True),
        (2 * S, None, FIRST + 500 * MS + 1, 1, True),
        (2 * S, None, FIRST + 500 * MS, 0, False),
    ],
)
def test_who_is_left_out_is_known_after_half_a_second(
    since: int, until: int | None, end_ns: int, tested: int, caught: bool
) -> None:
    made = waking([2 * S, 2 * S, since], [FIRST, FIRST + MS, until], end_ns)
    found = answers(made, "v3-wake-all")[Invariant.BATCH]
    assert (found.tested, bool(found.breaks)) == (tested, caught)


@pytest.mark.parametrize(("more_ns", "caught"), [(-1, False), (0, True), (1, False)])
def test_memory_must_be_low_for_half_a_second_before_and_after(more_ns: int, caught: bool) -> None:
    """Two samples that show enough are just outside of the second, or one is inside."""
    made = waking([2 * S] * 3, [FIRST + more_ns, FIRST + more_ns, None])
    for number in made.of(Kind.ZONE):
        if abs(made.rows[number][1] - FIRST) == 500 * MS:
            made.change(number, free=PLENTY)
    assert broken(made, "v3-wake-all") == ({Invariant.BATCH} if caught else set())


def test_a_notification_about_which_nothing_is_known_does_not_hide_the_next() -> None:
    made = waking([2 * S] * 3, [3 * S + 200 * MS, FIRST, None])  # memory is low from 4 s on
    found = answers(made, "v3-wake-all")[Invariant.BATCH]
    assert (found.tested, len(found.breaks)) == (1, 1)


@pytest.mark.parametrize(("more_ns", "caught"), [(0, False), (1, True)])
def test_who_left_by_itself_has_not_been_left_out(more_ns: int, caught: bool) -> None:
    late = FIRST + 500 * MS + more_ns  # the last that is known of it
    made = waking([2 * S] * 3, [FIRST, FIRST, late])
    made.add(Kind.EXIT, 7 * S, 2, sent_by_agent=0)
    assert broken(made, "v3-wake-all") == ({Invariant.BATCH} if caught else set())


def test_who_may_have_been_killed_has_not_been_left_out() -> None:
    made = replace(WAKE_ALL, deaf=1, pause=50 * MS).run()
    assert broken(made, "v3-wake-all") == {Invariant.BATCH}
    made.change(made.of(Kind.EXIT, 0)[0], at=5 * S + 300 * MS, sent_by_agent=0)
    assert not broken(made, "v3-wake-all")


def test_who_looks_by_itself_has_not_been_woken_with_the_others() -> None:
    """Client 5 comes while memory is low, with no event since: the others sleep on."""
    made = replace(WAKE_ALL, asks=Asks.GATE, events=(), low=((2 * S + 900 * MS, 4 * S),)).run()
    assert {made.rows[number][2] for number in made.of(Kind.WAKEUP)} == {5}
    assert not broken(made, "v3-wake-all")


def test_wake_all_without_the_gate_is_caught() -> None:
    wrong = replace(WAKE_ALL, asks=Asks.STATUS, low=(), pause=90 * MS)
    assert broken(wrong.run(), "v3-wake-all") == {Invariant.POLLIN}


@pytest.mark.parametrize("name", ["v3-throttled", "v3-faster"])
def test_one_poll_a_tick(name: str) -> None:
    found = counts(THROTTLED.run(), name)
    assert found.keys() == {
        Invariant.DEVICE,
        Invariant.RATE,
        Invariant.THROTTLE,
        Invariant.POLLIN,
    }
    assert found[Invariant.RATE] == 0
    assert found[Invariant.THROTTLE] > 100
    assert not broken(THROTTLED.run(), name)
    wrong = replace(THROTTLED, throttled=False, clients=2, low=((4 * S, 5 * S + 50 * MS),))
    assert broken(wrong.run(), name) == {Invariant.THROTTLE}


@pytest.mark.parametrize(
    ("apart_us", "verdict"), [(1000, PromiseVerdict.KEPT), (300, PromiseVerdict.BROKEN)]
)
def test_a_tick_may_be_as_short_as_a_millisecond(apart_us: int, verdict: PromiseVerdict) -> None:
    made = told([5 * S + number * apart_us * US for number in range(20)])
    found = answers(made, "v3-throttled")[Invariant.THROTTLE]
    assert (found.verdict, found.tested) == (verdict, 19)


def test_clients_that_leave_do_not_show_a_throttle() -> None:
    made = replace(THROTTLED, throttled=False, clients=200, spacing=MS, kind=LEAVE).run()
    assert counts(made, "v3-throttled")[Invariant.THROTTLE] == 0
    assert not broken(made, "v3-throttled")


@pytest.mark.parametrize("name", ["v3-wake-all", "v3-throttled"])
def test_who_reads_waits_for_the_next_notification(name: str) -> None:
    model = THROTTLED if name == "v3-throttled" else WAKE_ALL
    reading = replace(model, reads=True, clients=3, pause=9 * MS, low=((4 * S, 11 * S),))
    often = [5 * S + number * 190 * MS for number in range(8)]
    kept = replace(reading, events=often).run()
    assert len(kept.of(Kind.WAKEUP)) == 3 * 8
    # The last ones are read as well, so nothing follows until the end.
    assert counts(kept, name)[Invariant.RATE] == 3 * 8
    assert not broken(kept, name)
    wrong = replace(reading, events=[5 * S + number * 90 * MS for number in range(3)])
    assert broken(wrong.run(), name) == {Invariant.RATE}
    # A kernel whose read() does nothing gives POLLIN forever.
    assert broken(replace(reading, takes=False).run(), name) == {Invariant.RATE}
    assert not broken(replace(reading, takes=False, reads=False).run(), name)


def test_each_cpu_sends_for_who_reads() -> None:
    reading = replace(WAKE_ALL, reads=True, clients=1, pause=9 * MS, low=((4 * S, 11 * S),))
    often = [5 * S + number * 94 * MS for number in range(8)]
    assert not broken(replace(reading, events=often, cpus=2).run(), "v3-wake-all")
    # The rate of v3-throttled applies to all CPUs together.
    assert broken(replace(reading, events=often, cpus=2).run(), "v3-throttled") == {Invariant.RATE}


def test_who_reads_and_leaves_shows_no_rate() -> None:
    made = replace(WAKE_ALL, reads=True, kind=LEAVE).run()
    assert len(made.of(Kind.READ)) == 6
    assert counts(made, "v3-wake-all")[Invariant.RATE] == 0


def test_who_reads_only_after_the_next_pollin_has_not_read_the_first() -> None:
    made = told([5 * S, 5 * S + MS])
    made.add(Kind.READ, 5 * S + 2 * MS, 0, result=0)
    assert counts(made, "v3-wake-all")[Invariant.RATE] == 0
    made.add(Kind.READ, 5 * S + 1, 0, result=0)
    assert counts(made, "v3-wake-all")[Invariant.RATE] == 1


def test_a_read_that_failed_takes_nothing() -> None:
    made = replace(WAKE_ALL, reads=True, takes=False, clients=1, pause=9 * MS).run()
    for number in made.of(Kind.READ):
        made.change(number, result=2**64 - 1, errno=22)
    assert not broken(made, "v3-wake-all")
    assert counts(made, "v3-wake-all")[Invariant.RATE] == 0


def _two_samples(*times: str, gate: int) -> str:
    return "; ".join(f"{at} s: DMA 3000 pages (gate {gate}), status -" for at in times)


TWO_ZONES = [(Kind.ZONE, NO_CLIENT)] * 2
ALWAYS = _asleep_until(replace(V1, always=True, events=(12 * S,), kind=LEAVE, swapped=()), 12 * S)


@pytest.mark.parametrize(
    ("name", "made", "invariant", "promised", "saw", "records"),
    [
        (
            "v2",
            replace(V2_WAKEUP, events=(6 * S,), low=(), kind=LEAVE, clients=1).run(),
            Invariant.SILENCE,
            "no client that sleeps in poll() is woken",
            "POLLIN after 4.000 s",
            [(Kind.POLL, 0), (Kind.WAKEUP, 0)],
        ),
        (
            "v3",
            told([5 * S, 5 * S + MS, 5 * S + 189 * MS]),
            Invariant.ONCE,
            "one POLLIN for each notification: at most 2 in 0.189 s",
            "3, logged within 0.189 s",
            [(Kind.WAKEUP, 0)] * 3,
        ),
        (
            "v3-wake-all",
            replace(
                WAKE_ALL,
                reads=True,
                clients=1,
                pause=9 * MS,
                events=[5 * S, 5 * S + 90 * MS, 5 * S + 180 * MS],
            ).run(),
            Invariant.RATE,
            "a notification for each POLLIN read: at most 2 in 0.180 s",
            "3, logged within 0.180 s",
            [(Kind.WAKEUP, 0)] * 3,
        ),
        (
            "v3-throttled",
            told([5 * S + number * 300 * US for number in range(5)]),
            Invariant.THROTTLE,
            "at most one POLLIN per tick: at most 3 in 0.001 s",
            "5, logged within 0.001 s",
            [(Kind.WAKEUP, 0)] * 5,
        ),
        (
            "v1",
            replace(V1, deaf=2, kind=LEAVE).run(),
            Invariant.BATCH,
            "all waiting clients are woken",
            "2 were not woken within 0.500 s, though the status stays set",
            [(Kind.WAKEUP, 2), (Kind.POLL, 0), (Kind.POLL, 1)],
        ),
        (
            "v3-wake-all",
            replace(WAKE_ALL, deaf=2, pause=50 * MS).run(),
            Invariant.BATCH,
            "all waiting clients are woken",
            "2 were not woken within 0.500 s, though memory stayed low",
            [(Kind.WAKEUP, 2), (Kind.POLL, 0), (Kind.POLL, 1)],
        ),
        (
            "v2-wakeup",
            replace(V2_WAKEUP, low=(), takes=False, clients=1, pause=400 * MS).run(),
            Invariant.POLLIN,
            "POLLIN only while the sum of free pages is low, or once after reclaim",
            _two_samples("5.350", "5.850", gate=45),
            [(Kind.WAKEUP, 0), *TWO_ZONES],
        ),
        (
            "v3-wake-all",
            replace(WAKE_ALL, asks=Asks.STATUS, low=(), pause=90 * MS).run(),
            Invariant.POLLIN,
            "POLLIN only while the sum of free pages is low",
            _two_samples("4.450", "5.050", gate=100),
            [(Kind.WAKEUP, 1), *TWO_ZONES],
        ),
        (
            "v1",
            ALWAYS,
            Invariant.POLLIN,
            "POLLIN only while a zone is low, or pages were swapped out just before",
            _two_samples("8.950", "12.050", gate=45),
            [(Kind.WAKEUP, 0), *TWO_ZONES],
        ),
        (
            "v1",
            ALWAYS,
            Invariant.SWAP,
            "a wakeup only after pages were swapped out",
            _two_samples("8.950", "12.050", gate=45),
            [(Kind.WAKEUP, 0), *TWO_ZONES],
        ),
    ],
    ids=range(10),
)
def test_a_break_says_what_was_promised_and_what_was_seen(
    name: str,
    made: MadeUp,
    invariant: Invariant,
    promised: str,
    saw: str,
    records: list[tuple[Kind, int]],
) -> None:
    (first, *_) = answers(made, name)[invariant].breaks
    assert (first.promised, first.seen) == (promised, saw)
    named = made.log().records[list(first.records)]
    assert list(zip(named["kind"], named["client"], strict=True)) == records
    (woken,) = np.flatnonzero(named["kind"] == Kind.WAKEUP)[:1]
    assert first.time_ns == named["time_ns"][woken]
    assert first.client == (None if invariant is Invariant.BATCH else named["client"][woken])


# All of them


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(MODELS)),
    seed=st.integers(0, 2**32),
    held_up=st.booleans(),
    clients=st.integers(1, 20),
    leave=st.booleans(),
    cpus=st.sampled_from([1, 2, 4]),
)
def test_a_sound_kernel_never_breaks_anything(
    name: str, seed: int, held_up: bool, clients: int, leave: bool, cpus: int
) -> None:
    chance = random.Random(seed)
    model, ends = MODELS[name], 16 * S
    events: Sequence[int] = model.events
    if model.status is not Status.SWAPPED:
        # Each CPU at its own rate, as often as allowed; v2 has no rate.
        least = US if name.startswith("v2") else 200 * MS + 1
        sources = cpus if name in ("v3", "v3-wake-all") else 1
        events = sorted(
            4 * S + at
            for _ in range(sources)
            for at in accumulate(
                chance.choice([least, least + MS, least + chance.randrange(S)]) for _ in range(20)
            )
        )
    # Not so short that no sample shows it: memory does not come and go that fast.
    short = [chance.randrange(2 * S, ends) for _ in range(3)]
    made = replace(
        model,
        events=[at for at in events if at < ends],
        swapped=sorted(chance.randrange(2 * S, ends) for _ in range(chance.randrange(4))),
        low=[(at, at + chance.randrange(150 * MS, 4 * S)) for at in short],
        clients=clients,
        kind=LEAVE if leave else ClientKind.POLL,
        cpus=cpus,
        reads=chance.choice([True, False]),
        held_up=held_up,
        seed=seed,
        spacing=chance.choice([MS, 50 * MS]),
        pause=chance.choice([TICK, 50 * MS]),
        end_ns=ends,
    ).run()
    assert not broken(made, name)


def test_the_model_has_both_kinds_of_memory() -> None:
    made = V3.run()
    assert {made.rows[number][3]["free"] for number in made.of(Kind.ZONE)} == {SHORT, PLENTY}


def test_what_is_kept_for_atomic_allocations_may_make_a_zone_of_v1_low() -> None:
    wrong = _asleep_until(replace(V1, events=(12 * S,), kind=LEAVE, swapped=()), 12 * S)
    for free, caught in ((2 * 45 + 4000 // 100 + 1024, False), (2 * 45 + 4000 // 100 + 1025, True)):
        for number in wrong.of(Kind.ZONE):
            wrong.change(number, free=free)
        assert (Invariant.POLLIN in broken(wrong, "v1")) == caught


@pytest.mark.parametrize(("free", "caught"), [(200, False), (201, True)])
def test_twice_as_much_as_the_gate_asks_for_is_plenty(free: int, caught: bool) -> None:
    wrong = replace(V3, asks=Asks.STATUS, low=(), clients=1).run()
    for number in wrong.of(Kind.ZONE):
        wrong.change(number, free=free)
    assert (Invariant.POLLIN in broken(wrong, "v3")) == caught


def test_kswapd_may_have_run_for_one_zone_of_v2_though_the_sum_is_plenty() -> None:
    wrong = replace(V2_WAKEUP, low=(), takes=False, clients=1, pause=400 * MS, scanned=()).run()
    assert broken(wrong, "v2-wakeup") == {Invariant.POLLIN}
    for number in wrong.of(Kind.ZONE):
        at = wrong.rows[number][1]
        wrong.add(Kind.ZONE, at, name=b"DMA32", free=90, high=50, low=45, present=4000)
    assert not broken(wrong, "v2-wakeup")


def test_one_sample_of_a_short_zone_is_enough_for_kswapd_of_v2() -> None:
    made = told([5_100 * MS, 5_300 * MS])
    for number in made.of(Kind.ZONE):
        made.change(number, free=PLENTY)
    assert broken(made, "v2-wakeup") == {Invariant.POLLIN}
    made.add(Kind.ZONE, 5_150 * MS, name=b"DMA32", free=90, high=50, low=45, present=4000)
    assert not broken(made, "v2-wakeup")


def test_what_came_after_the_last_sample_decides_nothing() -> None:
    made = told([19 * S, 19_960 * MS])
    for number in made.of(Kind.ZONE):
        made.change(number, free=PLENTY)
    assert counts(made, "v2-wakeup")[Invariant.POLLIN] == 0
