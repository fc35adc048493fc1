"""What a log shows about signals, open files, small zones and the status."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memnotify.check.promises import (
    HELD_UP_NS,
    Invariant,
    PromiseVerdict,
)
from memnotify.check.story import Story, Watchers
from memnotify.records.layout import Kind
from memnotify.records.log import ints
from memnotify.results.promises import promises_of
from memnotify.scenario import ClientKind, Habit, Op
from memnotify.series.revision import load_revision

from tests.support.madeup import MS, PLENTY, MadeUp, Model, S
from tests.support.promised import (
    BATCH,
    FIRST,
    PROMISES,
    above_the_gate,
    answers,
    broken,
    names,
    waits,
)


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


def test_a_single_file_with_fasync_puts_signals_to_the_test() -> None:
    made = with_signals(1)
    made.rows = [row for row in made.rows if row[2] != 7]
    one = replace(SIGNALLED, shares=lambda _, fasync: (fasync, BATCH))
    found = answers(made, one)[Invariant.SIGNALS]
    assert (found.tested, found.breaks) == (5, ())


def test_a_notification_that_sent_only_signals_does_not_hide_the_next() -> None:
    made = with_signals(1)
    since = made.rows[made.of(Kind.POLL, 6)[0]][1]
    made.add(Kind.WAKEUP, 4 * S, 6, revents=1, result=1, since_ns=since)
    made.add(Kind.POLL, 4 * S + MS, 6, polls=1)
    found = answers(made, SIGNALLED)
    assert found[Invariant.SIGNALS].tested == 6
    assert found[Invariant.BATCH].tested == 5


@pytest.mark.parametrize(("more_ns", "caught"), [(-1, False), (0, True)])
def test_a_signal_counts_for_half_a_second(more_ns: int, caught: bool) -> None:
    """Those of the other notifications do not count."""
    made = with_signals(1)
    number = made.of(Kind.WAKEUP, 6)[-1]
    assert made.rows[number][1] == 9 * S + 5 * MS
    made.change(number, at=9 * S + MS + HELD_UP_NS + more_ns)
    made.change(made.of(Kind.POLL, 6)[-1], at=11 * S)
    assert bool(answers(made, SIGNALLED)[Invariant.SIGNALS].breaks) == caught


def test_a_share_of_signals_that_is_not_known_has_bounds() -> None:
    """Client 8 was started when the first notification came: 8 or 9 files are open."""
    made = with_signals(2)
    made.add(Kind.CLIENT, 5 * S + 500 * MS, 8, client_kind=ClientKind.POLL)
    promises = replace(SIGNALLED, shares=lambda watchers, _: (watchers % 2, BATCH))
    first = answers(made, promises)[Invariant.SIGNALS].breaks[0]
    assert (first.promised, first.seen) == (
        "0 to 1 signals with each notification",
        "2 signals",
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


def test_a_break_shows_all_zones_of_a_sample() -> None:
    made = zones(400, -1)
    above_the_gate(made)
    (first,) = answers(made)[Invariant.GATE].breaks
    assert first.seen == "; ".join(
        f"{at} s: DMA 1000 pages (gate 100), status 0, DMA32 1000 pages (gate 2), status -1"
        for at in ("19.450", "20.050")
    )
    assert len(first.records) == 5


def test_a_status_is_put_to_the_test_when_its_own_zone_is_above_the_gate_again() -> None:
    """In the sample that follows the last one with a status of 1."""
    made = Model().run()
    assert answers(made)[Invariant.CLEARS].tested == 1
    made.change(made.of(Kind.ZONE)[-1], status=1)
    found = answers(made)[Invariant.CLEARS]
    assert (found.tested, len(found.breaks)) == (2, 1)
    # Another zone, whose first sample follows that in no sense.
    first = made.rows[made.of(Kind.ZONE)[0]]
    made.add(Kind.ZONE, first[1], name=b"Normal", free=PLENTY, high=1, status=0, present=4000)
    assert answers(made)[Invariant.CLEARS].tested == 2


def test_an_ignored_zone_is_no_reason() -> None:
    made = zones(400, -1)
    above_the_gate(made)
    for number in made.of(Kind.ZONE):
        if made.rows[number][3]["name"] == b"DMA32":
            made.change(number, free=0)
    assert broken(made) == {Invariant.GATE, Invariant.POLLIN}


def test_a_reason_in_the_first_sample_of_a_log_counts() -> None:
    made = waits((0, 60 * MS, 70 * MS))
    found = answers(made)[Invariant.POLLIN]
    assert (found.tested, len(found.breaks)) == (1, 1)
    made.change(made.of(Kind.ZONE)[0], free=10, status=1)
    found = answers(made)[Invariant.POLLIN]
    assert (found.tested, found.breaks) == (1, ())


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
    for number in made.of(Kind.RECLAIM)[1:]:
        made.change(number, pgscan=8)
    assert answers(made, None)[Invariant.SILENCE].tested == 6


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


def test_a_counter_is_compared_from_the_sample_before_to_the_sample_after() -> None:
    made = MadeUp()
    for second in (1, 2, 3):
        made.add(Kind.RECLAIM, second * S, pgscan=second)
    spans = [(S, S, False), (S, S + 1, True), (2 * S, 2 * S, False), (2 * S - 1, 2 * S, True)]
    since, until = (ints([span[at] for span in spans]) for at in (0, 1))
    known, grew = Story(made.log(), PROMISES).grew("pgscan", since, until)
    assert known.all()
    assert grew.tolist() == [span[2] for span in spans]
    known, _ = Story(made.log(), PROMISES).grew("pgscan", ints([S - 1, S]), ints([S, 3 * S + 1]))
    assert not known.any()


@pytest.mark.parametrize(
    ("busy", "low"),
    [
        ((), FIRST - HELD_UP_NS),
        ((4_950 * MS,), 4_850 * MS - HELD_UP_NS),
        ((4_850 * MS, 4_950 * MS), 4_750 * MS - HELD_UP_NS),
        (None, FIRST - HELD_UP_NS),
    ],
    ids=["calm", "busy", "busy for two samples", "no samples"],
)
def test_a_decision_was_at_most_half_a_second_before_a_calm_guest_logged_it(
    busy: tuple[int, ...] | None, low: int
) -> None:
    made = waits((0, 2 * S, FIRST))
    for number in made.of(Kind.PAGING):
        if busy is not None and made.rows[number][1] in busy:
            made.change(number, runnable=11)
    made.rows = [row for row in made.rows if busy is not None or row[0] != Kind.PAGING]
    assert Story(made.log(), PROMISES).waits.low.tolist() == [low]


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


def test_a_client_that_polled_again_was_there_until_then() -> None:
    made = opened()
    made.add(Kind.POLL, 4_200 * MS, 0, polls=1)
    watchers = Watchers(made.log())
    assert [watchers.at_least(3 * S, at) for at in (4_200 * MS - 1, 4_200 * MS)] == [2, 1]


def test_a_stop_may_come_at_the_time_of_the_exit() -> None:
    made = opened(stop=Op.CLIENTS)
    (stop,) = (number for number in made.of(Kind.STEP) if made.rows[number][1] == 5 * S)
    made.change(stop, at=6 * S)
    watchers = Watchers(made.log())
    assert [watchers.at_least(3 * S, at) for at in (6 * S - 1, 6 * S)] == [2, 1]


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


def test_the_guard_for_a_number_of_watchers() -> None:
    log = Model().run().log()
    story = Story(log, replace(PROMISES, guard_s=lambda watchers: watchers * 0.5))
    assert [story.guard_ns(watchers) for watchers in (-1, 0, 1, 3)] == [
        *(0, 0, 500 * MS, 1_500 * MS)
    ]
    assert Story(log, replace(PROMISES, guard_s=None)).guard_ns(3) == 0


def test_clients_that_are_woken_at_one_time_stay_in_their_order() -> None:
    early = [(client, 2 * S, FIRST) for client in range(100)]
    story = Story(waits(*early, (100, 2 * S, FIRST - 1)).log(), PROMISES)
    assert story.waits.client[story.woken()].tolist() == [100, *range(100)]
