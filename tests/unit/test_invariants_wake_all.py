"""The checks of revisions that wake everyone: v2-wakeup, and v3's with their throttle."""

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

from tests.support.early import PLENTY, US, Early
from tests.support.early_models import (
    FIRST,
    LEAVE,
    THROTTLED,
    V1,
    V2_WAKEUP,
    WAKE_ALL,
    answers,
    broken,
    counts,
    promises,
    told,
    waking,
)
from tests.support.madeup import MS, S


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
