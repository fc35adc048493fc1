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
    Asks,
    Invariant,
    Promises,
    PromiseVerdict,
)
from memnotify.records.layout import NO_CLIENT, Kind
from memnotify.records.log import RecordLog
from memnotify.results.promises import promises_of
from memnotify.series.quilt import MEM_NOTIFY
from memnotify.series.revision import load_revision

from tests.support.madeup import MS, MadeUp, Model, S
from tests.support.promised import (
    PROMISES,
    WAKEUPS,
    above_the_gate,
    answers,
    broken,
    names,
    seen,
)

REVISIONS = MEM_NOTIFY.glob("*/revision.toml")


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


# Undecidable from a log: neither broken nor a test


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


# What is known of the clients, and of the guest
