"""What a log shows about guards, batches and order: who was in the queue, who woke."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memnotify.check.promises import (
    HELD_UP_NS,
    LATE_NS,
    Invariant,
    PromiseVerdict,
)
from memnotify.check.story import Story
from memnotify.check.wakeups import windows
from memnotify.records.layout import Kind
from memnotify.scenario import ClientKind

from tests.support.madeup import MS, Model, S
from tests.support.promised import (
    FIRST,
    LEAST,
    PROMISES,
    above_the_gate,
    answers,
    broken,
    exercised,
    names,
    waits,
)

BATCH_OF_TWO = ((0, 2 * S, FIRST), (1, 2 * S, FIRST + MS))


@pytest.mark.parametrize(
    ("since", "until", "exits", "counts"),
    [
        (2 * S, None, False, True),
        # It was in the queue if it was in poll() 20 ms before the notification at the latest.
        (LEAST - 20 * MS - 1, None, False, True),
        (LEAST - 20 * MS, None, False, False),
        # It was still there half a second after.
        (2 * S, FIRST + HELD_UP_NS + 1, True, True),
        (2 * S, FIRST + HELD_UP_NS, True, False),
    ],
)
def test_who_was_in_the_queue(since: int, until: int | None, exits: bool, counts: bool) -> None:
    """The rate is exercised if one more client could have been woken."""
    made = waits(*BATCH_OF_TWO, (2, since, until))
    if exits:
        made.change(made.of(Kind.EXIT, 2)[0], sent_by_agent=0)
    assert exercised(made, Invariant.RATE) == int(counts)


@pytest.mark.parametrize(("more_ns", "counts"), [(-1, True), (0, False)])
def test_who_is_guarded_could_not_have_been_woken(more_ns: int, counts: bool) -> None:
    before = LEAST - 2 * S - 10 * MS + more_ns
    made = waits((2, 2 * S, before), (2, before + 1, None), *BATCH_OF_TWO)
    assert exercised(made, Invariant.RATE) == int(counts)


@pytest.mark.parametrize(("more_ns", "caught"), [(-1, True), (0, False)])
def test_when_the_guard_is_over(more_ns: int, caught: bool) -> None:
    again = LEAST + 2 * S - 10 * MS + more_ns
    made = waits((0, 2 * S, FIRST), (0, FIRST + 1, again))
    assert (Invariant.GUARD in broken(made)) == caught


@pytest.mark.parametrize(
    ("guard_ns", "back", "counted"),
    [
        (2 * LATE_NS, FIRST + 1, 1),
        (2 * LATE_NS - 2, FIRST + 1, 0),  # half of it is less than what is not known of the first
        (2 * LATE_NS, LEAST + 2 * LATE_NS - 1, 1),
        (2 * LATE_NS, LEAST + 2 * LATE_NS, 0),
    ],
)
def test_what_puts_the_guard_to_the_test(guard_ns: int, back: int, counted: int) -> None:
    made = waits((0, 2 * S, FIRST), (0, back, 8 * S))
    promises = replace(PROMISES, guard_s=lambda _: guard_ns / S)
    assert exercised(made, Invariant.GUARD, promises) == counted


@pytest.mark.parametrize(("more_ns", "groups"), [(0, [3, 1]), (1, [3, 1, 1])])
def test_a_wakeup_long_after_the_last_is_of_another_notification(
    more_ns: int, groups: list[int]
) -> None:
    """Until 190 ms after the first may have come, all are of the same."""
    spans = [(0, 2 * S, FIRST), (1, 2 * S, FIRST + 89 * MS), (2, 2 * S, FIRST + 90 * MS - 1)]
    spans += [(3, 2 * S, FIRST + 90 * MS), (4, 2 * S, 8 * S)]
    spans += [(5, 2 * S, 8 * S + HELD_UP_NS + more_ns), (6, 8 * S - 20 * MS, 8 * S)]
    found = windows(Story(waits(*spans).log(), PROMISES))
    assert [window.polls.size for window in found] == groups
    assert (found[0].low, found[0].first) == (LEAST, FIRST)
    assert found[0].end == LEAST + 190 * MS
    assert not any(window.signals.size for window in found)


@pytest.mark.parametrize(("more_ns", "verdict"), [(0, Invariant.BATCH), (1, Invariant.RATE)])
def test_batches_a_tick_apart_are_two(more_ns: int, verdict: Invariant) -> None:
    times = [FIRST, FIRST + MS, FIRST + 11 * MS - 1 + more_ns, FIRST + 12 * MS]
    made = waits(*((client, 2 * S, at) for client, at in enumerate(times)))
    assert broken(made) == {verdict}


@pytest.mark.parametrize(("more_ns", "caught"), [(0, False), (1, True)])
def test_who_is_behind_in_the_queue(more_ns: int, caught: bool) -> None:
    late = 3 * S + 100 * MS + more_ns
    made = waits((0, 3 * S, None), (1, late, FIRST), (2, late, FIRST + MS))
    assert (Invariant.ORDER in broken(made)) == caught
    assert exercised(made, Invariant.ORDER) == int(caught)


def test_who_was_skipped_and_for_whom() -> None:
    """Client 1 came 100 ms after the one that was skipped: it may have been in front."""
    made = waits((0, 3 * S, None), (1, 3_100 * MS, FIRST), (2, 3_200 * MS, FIRST + MS))
    (first,) = answers(made)[Invariant.ORDER].breaks
    assert (first.time_ns, first.client) == (FIRST, None)
    assert names(made, first) == [(Kind.WAKEUP, 2), (Kind.POLL, 0)]


@pytest.mark.parametrize(
    ("until", "status", "caught"),
    [(None, 1, True), (None, 0, False), (FIRST + HELD_UP_NS - 1, 1, False)],
    ids=["skipped", "or its status was gone", "or late"],
)
def test_who_had_a_place_in_the_batch_may_have_been_woken(
    until: int | None, status: int, caught: bool
) -> None:
    made = waits((0, 3 * S, until), (1, 3_200 * MS, FIRST))
    for number in made.of(Kind.ZONE):
        made.change(number, free=150, status=status)
    found = answers(made)
    assert bool(found[Invariant.ORDER].breaks) == caught
    if caught:
        (first,) = found[Invariant.BATCH].breaks
        assert first.time_ns == FIRST
        assert names(made, first) == [(Kind.WAKEUP, 1), (Kind.POLL, 0)]


@pytest.mark.parametrize(("more_ns", "caught"), [(0, False), (1, True)])
def test_a_guarded_client_may_have_taken_a_place(more_ns: int, caught: bool) -> None:
    """Client 2 comes 100 ms after the last of the two that should be woken."""
    back = 3_600 * MS + more_ns
    made = waits(
        (2, 2 * S, back - 1), (2, back, None), (0, 3_500 * MS, FIRST), (1, 3_500 * MS, None)
    )
    assert (Invariant.BATCH in broken(made)) == caught


def test_each_batch_that_was_too_big_is_a_test() -> None:
    small = replace(PROMISES, shares=lambda *_: (0, 1))
    found = answers(Model().run(), small)[Invariant.BATCH]
    assert (found.tested, len(found.breaks)) == (5, 5)


@pytest.mark.parametrize(
    ("since", "until", "shown", "counted"),
    [  # The samples are at 4.95, 5.05, 5.15 and 5.25 s; one shows a status of 1.
        (5_050 * MS, 5_100 * MS, 4_950 * MS, 0),
        (5_050 * MS - 1, 5_100 * MS, 4_950 * MS, 1),
        (5_060 * MS, 5_150 * MS, 5_250 * MS, 0),
        (5_060 * MS, 5_150 * MS + 1, 5_250 * MS, 1),
        (5_060 * MS, 5_150 * MS, 5_050 * MS, 1),
        (5_060 * MS, 5_150 * MS, 5_150 * MS, 1),
    ],
)
def test_the_samples_around_a_wait_count(since: int, until: int, shown: int, counted: int) -> None:
    """Free pages are neither low nor plenty, so that nothing else decides."""
    made = waits((0, since, until))
    for number in made.of(Kind.ZONE):
        made.change(number, free=150, status=int(made.rows[number][1] == shown))
    found = answers(made)[Invariant.POLLIN]
    assert (found.tested, found.breaks) == (counted, ())


@pytest.mark.parametrize(("more_ns", "counted"), [(0, 0), (1, 1)])
def test_who_was_hardly_in_poll_may_have_needed_no_notification(more_ns: int, counted: int) -> None:
    made = waits((0, 5 * S - 20 * MS - more_ns, 5 * S))
    assert exercised(made, Invariant.GATE) == counted


def test_who_was_held_up_has_not_been_woken_too_soon() -> None:
    """As seen: 9.717 s between two log times, with a guard of 10 s, because the first was late."""
    late = {0: 283 * MS}
    made = replace(
        Model(),
        clients=3,
        batch=3,
        notifications=[12 * S, 22 * S + 4 * MS],
        guard_ns=10 * S,
        late=lambda number, position: (position + 1) * MS + late.get(number, 0) * (position > 0),
    ).run()
    promises = replace(PROMISES, guard_s=lambda _: 10.0, shares=lambda *_: (0, 3))
    times = [made.rows[number][1] for number in made.of(Kind.WAKEUP, 2)]
    assert times[1] - times[0] < 9_730 * MS
    assert not broken(made, promises)
    # Each client's second POLLIN against its first, and the first against the boot.
    assert answers(made, promises)[Invariant.GUARD].tested == 6


def test_a_guest_that_is_not_calm_decides_neither_rate_nor_batch_nor_order() -> None:
    """As seen with 2,000 clients: woken in order, hundreds of them were in reclaim for seconds."""
    for wrong in (replace(Model(), batch=1), replace(Model(), newest_first=True)):
        assert broken(wrong.run())
        assert not broken(replace(wrong, runnable=300).run())
    assert not answers(replace(Model(), runnable=300).run())[Invariant.BATCH].tested


def test_a_status_between_two_samples_is_no_break() -> None:
    made = replace(Model(), on_ns=10 * MS).run()
    for number in made.of(Kind.ZONE):
        made.change(number, status=0)
    found = answers(made)
    assert not broken(made)
    assert found[Invariant.POLLIN].verdict is PromiseVerdict.NOT_EXERCISED
    assert found[Invariant.GATE].verdict is PromiseVerdict.KEPT


def test_samples_that_are_far_apart_decide_nothing() -> None:
    made = Model().run()
    above_the_gate(made)
    near = [n for n in made.of(Kind.ZONE) if 19 * S < made.rows[n][1] < 21 * S]
    made.rows = [row for number, row in enumerate(made.rows) if number not in near]
    assert not broken(made)


@pytest.mark.parametrize(
    ("more_ns", "caught"), [(0, {Invariant.GATE, Invariant.POLLIN}), (1, set())]
)
def test_samples_may_be_two_intervals_apart(more_ns: int, caught: set[Invariant]) -> None:
    made = Model().run()
    above_the_gate(made)  # at 20 s, between the samples at 19.95 and 20.15 s
    (between,) = (n for n in made.of(Kind.ZONE) if made.rows[n][1] == 20 * S + 50 * MS)
    (after,) = (n for n in made.of(Kind.ZONE) if made.rows[n][1] == 20 * S + 150 * MS)
    made.change(after, at=20 * S + 150 * MS + more_ns)
    del made.rows[between]
    assert broken(made) == caught


def test_a_log_that_ends_with_the_batch_does_not_say_that_it_was_too_small() -> None:
    made = replace(Model(), batch=1, notifications=[5 * S], end_ns=5 * S + 100 * MS)
    assert not broken(made.run())
    assert not broken(replace(made, end_ns=5 * S + 400 * MS).run())
    whole = replace(made, end_ns=30 * S).run()
    assert broken(whole) == {Invariant.BATCH}
    for number in whole.of(Kind.PAGING):
        if whole.rows[number][1] == 5_350 * MS:
            whole.change(number, runnable=11)
    assert not broken(whole)


def test_who_may_have_been_killed_has_not_been_passed_over() -> None:
    made = replace(Model(), batch=1, clients=2).run()
    made.change(made.of(Kind.EXIT, 1)[0], at=20 * S, sent_by_agent=0)
    gone = {*made.of(Kind.WAKEUP, 1), *made.of(Kind.POLL, 1)[1:]}
    made.rows = [row for number, row in enumerate(made.rows) if number not in gone]
    assert Invariant.ORDER not in broken(made)


def test_clients_of_what_came_after_are_not_mem_notifys() -> None:
    made = Model().run()
    made.add(Kind.CLIENT, 2 * S, 9, client_kind=ClientKind.PRESSURE_LEVEL)
    made.add(Kind.POLL, 2 * S + 1, 9)
    for at in (20 * S, 20 * S + 200 * MS):
        made.add(Kind.WAKEUP, at, 9, revents=1, result=1, since_ns=2 * S + 1)
        made.add(Kind.POLL, at + 1, 9)
    assert answers(made) == answers(Model().run())


def test_a_poll_that_failed_has_no_pollin() -> None:
    made = Model().run()
    above_the_gate(made)
    made.change(made.of(Kind.WAKEUP)[-1], result=2**64 - 1, errno=4)
    assert not broken(made)


@pytest.mark.parametrize(("spacing", "caught"), [(30, set()), (60, {Invariant.ORDER})])
def test_who_comes_a_moment_later_may_stand_in_front(spacing: int, caught: set[Invariant]) -> None:
    """A client may lose the CPU before it queues: the last of four is 90 or 180 ms late."""
    one = replace(Model(), clients=4, notifications=[5 * S], spacing=spacing * MS)
    assert broken(replace(one, newest_first=True).run()) == caught
    assert answers(one.run())[Invariant.ORDER].tested == len(caught)


def test_where_somebody_waits_by_epoll_no_order_is_told() -> None:
    made = replace(Model(), newest_first=True).run()
    made.change(made.of(Kind.CLIENT, 3)[0], client_kind=ClientKind.EPOLL)
    assert not broken(made)
    assert answers(made)[Invariant.ORDER].verdict is PromiseVerdict.NOT_EXERCISED
