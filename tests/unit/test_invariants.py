"""Each invariant on made-up logs: kept, broken only by its own mutation, not exercised."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memnotify.check.invariants import check as check_log
from memnotify.check.promises import (
    HELD_UP_NS,
    LATE_NS,
    Answer,
    Asks,
    Break,
    Gate,
    Invariant,
    Promises,
    PromiseVerdict,
    Status,
    Wakes,
)
from memnotify.check.story import Story, Watchers
from memnotify.check.wakeups import windows
from memnotify.records.layout import NO_CLIENT, Kind
from memnotify.records.log import RecordLog
from memnotify.results.promises import promises_of
from memnotify.scenario import ClientKind, Habit, Op
from memnotify.series.quilt import MEM_NOTIFY
from memnotify.series.revision import load_revision

from tests.support.madeup import MS, PLENTY, MadeUp, Model, S

REVISIONS = MEM_NOTIFY.glob("*/revision.toml")
BATCH = 2
PROMISES = Promises(
    device=(1, 13, 0o444),
    gate=Gate(),
    asks=Asks.STATUS,
    status=Status.ZONE,
    wakes=Wakes.FIFO,
    rate_ns=200 * MS,
    guard_s=lambda watchers: 2.0,
    shares=lambda watchers, fasync: (0, BATCH),
)
WAKEUPS = {Invariant.GUARD, Invariant.RATE, Invariant.BATCH, Invariant.ORDER}


def answers(made: MadeUp, promises: Promises | None = PROMISES) -> dict[Invariant, Answer]:
    return {answer.invariant: answer for answer in check_log(made.log(), promises)}


def broken(made: MadeUp, promises: Promises | None = PROMISES) -> set[Invariant]:
    found = answers(made, promises)
    return {name for name, answer in found.items() if answer.verdict is PromiseVerdict.BROKEN}


def seen(made: MadeUp, invariant: Invariant, promises: Promises | None = PROMISES) -> str:
    """Return what the first break of an invariant says; its records must be in the log."""
    first = answers(made, promises)[invariant].breaks[0]
    assert first.records
    assert max(first.records) < len(made.rows)
    return first.seen


def names(made: MadeUp, place: Break) -> list[tuple[Kind, int]]:
    """Return kind and client of the records that a break names."""
    named = made.log().records[list(place.records)]
    return [
        (Kind(kind), client) for kind, client in zip(named["kind"], named["client"], strict=True)
    ]


def test_a_kernel_that_keeps_its_promises_is_put_to_the_test() -> None:
    found = answers(Model().run())
    assert {name: answer.verdict for name, answer in found.items()} == dict.fromkeys(
        found, PromiseVerdict.KEPT
    )
    assert found.keys() == WAKEUPS | {
        Invariant.DEVICE,
        Invariant.POLLIN,
        Invariant.GATE,
        Invariant.CLEARS,
    }
    # Five batches of two, of six clients: two batches are of clients that were woken before.
    assert found[Invariant.GUARD].tested == 4
    assert found[Invariant.BATCH].tested == 5
    assert found[Invariant.POLLIN].tested == 10


def test_without_wakeups_nothing_but_the_device_is_exercised() -> None:
    found = answers(replace(Model(), batch=0).run())
    tested = {name for name, answer in found.items() if answer.tested}
    assert tested == {Invariant.DEVICE, Invariant.CLEARS}
    assert found[Invariant.GUARD].verdict is PromiseVerdict.NOT_EXERCISED


def test_a_batch_that_has_room_for_all_tests_neither_rate_nor_order() -> None:
    found = answers(replace(Model(), clients=2).run())
    assert found[Invariant.RATE].verdict is PromiseVerdict.NOT_EXERCISED
    assert found[Invariant.ORDER].verdict is PromiseVerdict.NOT_EXERCISED


def test_a_promise_that_was_not_made_has_no_answer() -> None:
    fewer = replace(PROMISES, guard_s=None, rate_ns=None, asks=Asks.GATE, status=None)
    assert answers(Model().run(), fewer).keys() == {
        Invariant.DEVICE,
        Invariant.BATCH,
        Invariant.ORDER,
        Invariant.POLLIN,
    }


# One mutation for each invariant


def other_mode(made: MadeUp) -> None:
    made.change(made.of(Kind.DEVICE)[0], mode=0o666)


def not_opened(made: MadeUp) -> None:
    made.change(made.of(Kind.DEVICE)[0], errno=6)


def again_too_soon(made: MadeUp) -> None:
    """Wake client 0 for the second time after 1.4 s instead of 3."""
    second = made.of(Kind.WAKEUP, 0)[1]
    made.change(second, at=6 * S + 401 * MS)
    made.change(made.of(Kind.POLL, 0)[2], at=6 * S + 402 * MS)


def too_soon_after_boot(made: MadeUp) -> None:
    for kind in (Kind.CLIENT, Kind.POLL):
        made.change(made.of(kind, 0)[0], at=S)
    made.add(Kind.WAKEUP, S + 900 * MS, 0, revents=1, result=1, since_ns=S)
    made.add(Kind.POLL, S + 900 * MS + 1, 0)
    for number in made.of(Kind.ZONE):
        if S <= made.rows[number][1] < 2 * S:
            made.change(number, free=10, status=1)


def two_notifications(made: MadeUp) -> None:
    """Move the second notification to 60 ms after the first."""
    for number in (*made.of(Kind.WAKEUP), *made.of(Kind.POLL)):
        at = made.rows[number][1]
        if 6 * S <= at < 7 * S:
            made.change(number, at=at - S + 60 * MS)


def one_for_all(made: MadeUp) -> None:
    """Move the second notification into the first."""
    for number in (*made.of(Kind.WAKEUP), *made.of(Kind.POLL)):
        at = made.rows[number][1]
        if 6 * S <= at < 7 * S:
            made.change(number, at=at - S + 2 * MS)


def no_reason(made: MadeUp) -> None:
    """Give POLLIN at once to a client that a signal interrupted, with nothing low."""
    since = made.rows[made.of(Kind.POLL, 0)[-1]][1]
    made.add(Kind.WAKEUP, 20 * S, 0, revents=0, result=2**64 - 1, errno=4, since_ns=since)
    made.add(Kind.POLL, 20 * S + 1, 0)
    made.add(Kind.WAKEUP, 20 * S + 2, 0, revents=1, result=1, since_ns=20 * S + 1)


def above_the_gate(made: MadeUp) -> None:
    """Wake the client that has waited longest, with nothing low."""
    since = made.rows[made.of(Kind.POLL, 4)[-1]][1]
    made.add(Kind.WAKEUP, 20 * S, 4, revents=1, result=1, since_ns=since)


def stuck(made: MadeUp) -> None:
    made.change(made.of(Kind.ZONE)[-1], status=1)


@pytest.mark.parametrize(
    ("mutate", "caught"),
    [
        (other_mode, {Invariant.DEVICE}),
        (not_opened, {Invariant.DEVICE}),
        (again_too_soon, {Invariant.GUARD}),
        (too_soon_after_boot, {Invariant.GUARD}),
        (two_notifications, {Invariant.RATE}),
        (one_for_all, {Invariant.BATCH}),
        (no_reason, {Invariant.POLLIN}),
        # Nothing was low, so no status can have been 1 either.
        (above_the_gate, {Invariant.GATE, Invariant.POLLIN}),
        (stuck, {Invariant.CLEARS}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_mutation_is_caught_by_its_invariant_only(
    mutate: Callable[[MadeUp], None], caught: set[Invariant]
) -> None:
    made = Model().run()
    mutate(made)
    assert broken(made) == caught


DEVICE = "/dev/mem_notify 1:13, mode 0444, which can be opened"
DEVICES = [(Kind.DEVICE, NO_CLIENT)]
TWO_ZONES = [(Kind.ZONE, NO_CLIENT)] * 2


@pytest.mark.parametrize(
    ("mutate", "invariant", "promised", "saw", "records"),
    [
        (other_mode, Invariant.DEVICE, DEVICE, "/dev/mem_notify 1:13, mode 0666", DEVICES),
        (not_opened, Invariant.DEVICE, DEVICE, "none", DEVICES),
        (
            again_too_soon,
            Invariant.GUARD,
            "2.000 s from one POLLIN to the next",
            "1.400 s, at most 1.500 s",
            [(Kind.WAKEUP, 0)] * 2,
        ),
        (
            too_soon_after_boot,
            Invariant.GUARD,
            "2.000 s from boot to POLLIN",
            "1.900 s, at most 1.900 s",
            [(Kind.WAKEUP, 0)],
        ),
        (
            two_notifications,
            Invariant.RATE,
            "0.200 s between notifications",
            "4 woken within 0.061 s, in groups of 2, 2",
            [(Kind.WAKEUP, client) for client in range(4)],
        ),
        (
            one_for_all,
            Invariant.BATCH,
            "at most 2 woken at once",
            "4 woken within 0.003 s, in one batch",
            [(Kind.WAKEUP, client) for client in range(4)],
        ),
        (
            no_reason,
            Invariant.POLLIN,
            "POLLIN only while the status of a zone is 1",
            "19.950 s: DMA 1000 pages (gate 100), status 0; "
            "20.050 s: DMA 1000 pages (gate 100), status 0",
            [(Kind.WAKEUP, 0), *TWO_ZONES],
        ),
        (
            above_the_gate,
            Invariant.GATE,
            "a notification only when a zone has no more free pages than the gate allows",
            "19.450 s: DMA 1000 pages (gate 100), status 0; "
            "20.050 s: DMA 1000 pages (gate 100), status 0",
            [(Kind.WAKEUP, 4), *TWO_ZONES],
        ),
        (
            stuck,
            Invariant.CLEARS,
            "status 0 above 100 free pages",
            "DMA has 1000, and a status of 1",
            [(Kind.ZONE, NO_CLIENT)],
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_break_says_what_was_promised_and_what_was_seen(
    mutate: Callable[[MadeUp], None],
    invariant: Invariant,
    promised: str,
    saw: str,
    records: list[tuple[Kind, int]],
) -> None:
    made = Model().run()
    mutate(made)
    (first, *_) = answers(made)[invariant].breaks
    assert (first.promised, first.seen) == (promised, saw)
    assert names(made, first) == records
    named = made.log().records[list(first.records)]
    decides = named[-1] if invariant is Invariant.GUARD else named[0]
    assert first.time_ns == decides["time_ns"]
    one = invariant in (Invariant.GUARD, Invariant.POLLIN, Invariant.GATE)
    assert first.client == (decides["client"] if one else None)


@pytest.mark.parametrize(
    ("free", "verdict"), [(100, PromiseVerdict.KEPT), (101, PromiseVerdict.BROKEN)]
)
def test_a_status_need_not_be_0_while_a_zone_has_no_more_than_the_gate(
    free: int, verdict: PromiseVerdict
) -> None:
    made = Model().run()
    made.change(made.of(Kind.ZONE)[-1], status=1, free=free)
    assert answers(made)[Invariant.CLEARS].verdict is verdict


def test_too_small_a_batch_is_caught() -> None:
    made = replace(Model(), batch=1).run()
    assert broken(made) == {Invariant.BATCH}
    assert seen(made, Invariant.BATCH) == "1 in 0.500 s, though the status stayed 1"


def test_last_come_first_served_is_caught() -> None:
    made = replace(Model(), newest_first=True).run()
    assert broken(made) == {Invariant.ORDER}
    told = "4 skipped clients had waited up to 1.000 s longer than one that was woken"
    assert seen(made, Invariant.ORDER) == told


def test_a_break_names_its_records() -> None:
    made = Model().run()
    again_too_soon(made)
    (first,) = answers(made)[Invariant.GUARD].breaks
    records = made.log().records[list(first.records)]
    assert list(records["kind"]) == [Kind.WAKEUP, Kind.WAKEUP]
    assert list(records["client"]) == [0, 0]
    assert (first.client, first.time_ns) == (0, 6 * S + 401 * MS)


# Where one nanosecond decides

ONE = Model(notifications=[5 * S], batch=0)
FIRST = 5 * S + MS
LEAST = FIRST - LATE_NS
"""The earliest time of a notification of which the first wakeup is logged at FIRST."""


def waits(*spans: tuple[int, int, int | None], model: Model = ONE) -> MadeUp:
    """Let clients wait between two times: client, since, until; None: to the end."""
    made = replace(model, clients=1 + max(client for client, _, _ in spans)).run()
    made.rows = [row for row in made.rows if row[0] != Kind.POLL]
    for client, since, until in spans:
        made.add(Kind.POLL, since, client)
        if until is not None:
            made.add(Kind.WAKEUP, until, client, revents=1, result=1, since_ns=since)
    return made


def exercised(made: MadeUp, invariant: Invariant, promises: Promises = PROMISES) -> int:
    return answers(made, promises)[invariant].tested


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


# Undecidable from a log: neither broken nor a test


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


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), held_up=st.booleans(), clients=st.integers(1, 12))
def test_a_sound_kernel_never_breaks_anything(seed: int, held_up: bool, clients: int) -> None:
    chance = random.Random(seed)
    now, notifications = 5 * S, []
    for _ in range(20):
        notifications.append(now)
        now += chance.choice([200 * MS, 210 * MS, chance.randrange(200 * MS, 3 * S)])

    def late(_: int, position: int) -> int:
        most = HELD_UP_NS if held_up and position else LATE_NS
        return chance.randrange(MS, most)

    model = Model(
        clients=clients,
        notifications=notifications,
        late=late,
        on_ns=chance.choice([10, 150, 400]) * MS,
        end_ns=now + 5 * S,
    )
    assert not broken(model.run())


@pytest.mark.parametrize("name", ["none", *sorted(f.parent.name for f in REVISIONS)])
def test_a_log_of_nonsense_stops_no_check(name: str) -> None:
    revision = load_revision(name)
    promises = None if revision is None else promises_of(revision)
    asked = answers(Model().run(), promises).keys()
    assert asked >= {Invariant.DEVICE, Invariant.POLLIN if revision else Invariant.SILENCE}

    def check(log: RecordLog, promises: Promises | None) -> None:
        assert {answer.invariant for answer in check_log(log, promises)} == asked

    check(MadeUp().log(), promises)
    chance, whole = np.random.default_rng(7), Model().run().log()
    for kind in Kind:
        rest = whole.records[whole.records["kind"] != kind]
        check(RecordLog(rest, lost=0, torn=0), promises)
    for _ in range(20):
        records = whole.records.copy()
        some = chance.choice(len(records), 40, replace=False)
        records["value"][some] = chance.integers(0, 2**64, (40, 5), np.uint64)
        records["time_ns"][some[:20]] = chance.integers(0, 2**64, 20, np.uint64)
        records["client"][some[20:]] = chance.integers(0, 2**32, 20)
        check(RecordLog(records, lost=0, torn=0), promises)


# Signals, small zones, no mem_notify


def with_signals(count: int) -> MadeUp:
    """Return the model with clients 6 and 7 waiting for SIGIO, and `count` signals each time."""
    made = Model().run()
    for client in (6, 7):
        made.add(Kind.CLIENT, 2 * S, client, client_kind=ClientKind.FASYNC)
        made.add(Kind.POLL, 2 * S + 1, client, polls=0)
        since = 2 * S + 1
        for now in Model().notifications if client - 6 < count else ():
            made.add(Kind.WAKEUP, now + 5 * MS, client, revents=1, result=1, since_ns=since)
            since = now + 6 * MS
            made.add(Kind.POLL, since, client, polls=1)
        made.add(Kind.EXIT, 30 * S, client, sent_by_agent=1, op=Op.CLIENTS)
    return made


SIGNALLED = replace(PROMISES, fasync=True, shares=lambda watchers, fasync: (fasync // 2, BATCH))


def test_signals() -> None:
    found = answers(with_signals(1), SIGNALLED)
    assert found[Invariant.SIGNALS].verdict is PromiseVerdict.KEPT
    assert found[Invariant.SIGNALS].tested == 5
    for count, saw in ((0, "0 in 0.500 s"), (2, "2 signals")):
        wrong = with_signals(count)
        assert broken(wrong, SIGNALLED) == {Invariant.SIGNALS}
        first = answers(wrong, SIGNALLED)[Invariant.SIGNALS].breaks[0]
        assert (first.promised, first.seen) == ("1 signal with each notification", saw)
        assert first.time_ns == 5 * S + MS
        assert names(wrong, first) == [
            *((Kind.WAKEUP, client) for client in (0, 1, *range(6, 6 + count)))
        ]
    assert (
        answers(Model().run(), SIGNALLED)[Invariant.SIGNALS].verdict is PromiseVerdict.NOT_EXERCISED
    )


def test_a_signal_that_a_poller_left_pending_is_not_missed() -> None:
    made = with_signals(0)
    made.change(made.of(Kind.CLIENT, 0)[0], habits=Habit.FASYNC)
    found = answers(made, SIGNALLED)[Invariant.SIGNALS]
    assert (found.tested, found.breaks) == (0, ())


def test_a_share_that_is_least_between_the_bounds_is_no_wrong_number_of_signals() -> None:
    """v5 gives 2 · 8 // w signals with w watchers: 2, 1 and 1 with 15, 16 and 17.

    7 of 8 pollers wait; the last two are being started when the notification comes.
    """
    made, now = MadeUp(), 20 * S
    made.add(Kind.DEVICE, 1, present=1, major=1, minor=13, mode=0o444)
    made.add(Kind.STEP, S, op=Op.CLIENTS)
    made.add(Kind.STEP, now - 5 * MS, op=Op.CLIENTS)
    started = [2 * S + client for client in range(15)] + [now - MS, now + 50 * MS]
    for client, at in enumerate(started):
        kind = ClientKind.FASYNC if client < 8 else ClientKind.POLL
        made.add(Kind.CLIENT, at, client, client_kind=kind)
        made.add(Kind.POLL, at + 1, client, polls=0)
        made.add(Kind.EXIT, 30 * S, client, signal=9, sent_by_agent=1, op=Op.CLIENTS)
    for client, at in ((0, now + MS), (8, now + 2 * MS)):
        made.add(Kind.WAKEUP, at, client, revents=1, result=1)
        made.add(Kind.POLL, at + 1, client, polls=1)
    Model(clients=0, notifications=[now])._sample(made)
    made.add(Kind.END, 30 * S)
    revision = load_revision("v5")
    assert revision is not None
    assert broken(made, promises_of(revision)) == set()


def zones(small: int, status: int) -> MadeUp:
    made = Model().run()
    for number in made.of(Kind.ZONE):
        at = made.rows[number][1]
        made.add(Kind.ZONE, at, name=b"DMA32", free=PLENTY, high=1, status=status, present=small)
    return made


@pytest.mark.parametrize(
    ("present", "status", "verdict"),
    [
        (400, -1, PromiseVerdict.KEPT),
        (400, 0, PromiseVerdict.BROKEN),
        (1000, -1, PromiseVerdict.BROKEN),
        (1000, 0, PromiseVerdict.NOT_EXERCISED),
        (450, 0, PromiseVerdict.NOT_EXERCISED),  # a tenth, if the node has a few more pages
        (450, -1, PromiseVerdict.NOT_EXERCISED),
        # Of 4443, 4444, 4468 and 4469 pages.
        (443, -1, PromiseVerdict.KEPT),
        (444, 0, PromiseVerdict.NOT_EXERCISED),
        (468, -1, PromiseVerdict.NOT_EXERCISED),
        (469, -1, PromiseVerdict.BROKEN),
    ],
)
def test_small_zones(present: int, status: int, verdict: PromiseVerdict) -> None:
    promises = replace(PROMISES, small_zone_divisor=10)
    found = answers(zones(present, status), promises)
    assert found[Invariant.SMALL_ZONES].verdict is verdict


def test_a_break_of_a_small_zone_names_its_sample() -> None:
    made = zones(400, 0)
    promises = replace(PROMISES, small_zone_divisor=10)
    first = answers(made, promises)[Invariant.SMALL_ZONES].breaks[0]
    assert first.promised == "the status of a zone below 1/10 of its node is -1, of others 0 or 1"
    assert first.seen == "DMA32 has 400 of 4400 pages, status 0"
    (record,) = made.log().records[list(first.records)]
    assert (record["kind"], record["time_ns"]) == (Kind.ZONE, first.time_ns)
    assert record["value"][0].tobytes().startswith(b"DMA32")


def test_an_ignored_zone_is_no_reason() -> None:
    made = zones(400, -1)
    above_the_gate(made)
    for number in made.of(Kind.ZONE):
        if made.rows[number][3]["name"] == b"DMA32":
            made.change(number, free=0)
    assert broken(made) == {Invariant.GATE, Invariant.POLLIN}


def test_without_mem_notify_there_is_no_device_and_nobody_wakes() -> None:
    made = Model(batch=0).run()
    made.change(made.of(Kind.DEVICE)[0], present=0, errno=2)
    for number in made.of(Kind.CLIENT):
        made.change(number, errno=2)
    found = answers(made, None)
    assert {name: answer.tested for name, answer in found.items()} == {
        Invariant.DEVICE: 7,
        Invariant.SILENCE: 6,
    }
    assert not broken(made, None)
    made.add(Kind.WAKEUP, 9 * S, 0, revents=1, result=1, since_ns=2 * S)
    assert broken(made, None) == {Invariant.SILENCE}
    made.change(made.of(Kind.CLIENT)[0], errno=0)
    assert broken(made, None) == {Invariant.DEVICE, Invariant.SILENCE}
    told = {(b.promised, b.seen) for answer in answers(made, None).values() for b in answer.breaks}
    assert told == {("no client is woken", "POLLIN"), ("no /dev/mem_notify", "the device exists")}
    records = made.log().records
    for invariant, kind in ((Invariant.SILENCE, Kind.WAKEUP), (Invariant.DEVICE, Kind.CLIENT)):
        (one,) = answers(made, None)[invariant].breaks
        (record,) = records[list(one.records)]
        assert (record["kind"], record["client"], record["time_ns"]) == (kind, 0, one.time_ns)
        assert one.client == (0 if kind is Kind.WAKEUP else None)


def test_silence_is_put_to_the_test_only_in_a_guest_that_was_short_of_memory() -> None:
    made = Model(batch=0).run()
    for number in made.of(Kind.RECLAIM):
        made.change(number, pgscan=7)
    assert answers(made, None)[Invariant.SILENCE].tested == 0
    made.change(made.of(Kind.RECLAIM)[-1], pgscan=8)
    assert answers(made, None)[Invariant.SILENCE].tested == 6


# What is known of the clients, and of the guest


@pytest.mark.parametrize(("busy", "caught"), [(10, True), (11, False)])
def test_how_many_tasks_may_run_in_a_calm_guest(busy: int, caught: bool) -> None:
    assert bool(broken(replace(Model(), batch=1, runnable=busy).run())) == caught


@pytest.mark.parametrize(
    ("first", "caught"),
    [  # The sample at 5.05 s is more than 20 ms after the wakeup, and before the next notification.
        (5_030 * MS, False),
        (5_030 * MS - 1, True),
        (4_980 * MS, False),
        (4_980 * MS + 1, True),
    ],
)
def test_a_status_that_stayed_shows_that_a_batch_was_too_small(first: int, caught: bool) -> None:
    made = waits((0, 2 * S, first), (1, 2 * S, None))
    for number in made.of(Kind.ZONE):
        made.change(number, free=150, status=int(made.rows[number][1] == 5_050 * MS))
    assert (Invariant.BATCH in broken(made)) == caught


def opened(*, stop: Op | None = None) -> MadeUp:
    """Start client 0 at 2 s and client 1 at 3 s; client 0 is last heard of at 4 s."""
    made = MadeUp()
    made.add(Kind.STEP, S, op=Op.CLIENTS)
    made.add(Kind.STEP, 1_500 * MS, op=Op.HOG)
    for client in range(3):
        errno = 2 if client == 2 else 0
        made.add(Kind.CLIENT, (2 + client) * S, client, client_kind=ClientKind.POLL, errno=errno)
        made.add(Kind.POLL, (2 + client) * S + MS, client, polls=0)
    made.add(Kind.WAKEUP, 4 * S, 0, revents=1, result=1)
    for at in (4_500 * MS, 5_500 * MS, 8 * S):
        made.add(Kind.MEMINFO, at)
    if stop is not None:
        made.add(Kind.STEP, 5 * S, op=Op.STOP, arg0=stop)
    made.add(Kind.EXIT, 6 * S, 0, sent_by_agent=int(stop is not None), op=Op.CLIENTS)
    return made


def test_how_many_files_are_open_at_least_and_at_most() -> None:
    watchers = Watchers(opened().log())
    times = (2 * S - 1, 2 * S, 3 * S - 1, 3 * S)
    assert [watchers.at_least(at, at) for at in times] == [0, 1, 1, 2]
    assert [watchers.at_least(3 * S, at) for at in (4 * S - 1, 4 * S)] == [2, 1]
    # They may have been opened since the step that started them, and until the exit was seen.
    assert [watchers.at_most(0, at) for at in (S - 1, S)] == [0, 2]
    assert [watchers.at_most(at, 9 * S) for at in (6 * S - 1, 6 * S)] == [2, 1]


@pytest.mark.parametrize(
    ("stop", "leaves"),
    [(None, 4 * S), (Op.CLIENTS, 5 * S), (Op.HOG, 5_500 * MS)],
    ids=["by itself", "at a step", "at the end"],
)
def test_when_a_client_may_have_left(stop: Op | None, leaves: int) -> None:
    """At the end, the agent kills the clients after the last sample."""
    watchers = Watchers(opened(stop=stop).log())
    assert [watchers.at_least(3 * S, at) for at in (leaves - 1, leaves)] == [2, 1]


def test_a_file_has_fasync_before_its_client_first_waits() -> None:
    made = opened()
    made.change(made.of(Kind.CLIENT, 0)[0], client_kind=ClientKind.FASYNC)
    made.change(made.of(Kind.CLIENT, 1)[0], habits=Habit.FASYNC)
    made.change(made.of(Kind.POLL, 1)[0], polls=1)  # the first was lost
    watchers = Watchers(made.log(), fasync_only=True)
    first = 2 * S + MS
    assert [watchers.at_least(at, at) for at in (first - 1, first, 3 * S + MS)] == [0, 1, 1]
    assert [watchers.at_most(0, at) for at in (S - 1, S)] == [0, 2]
