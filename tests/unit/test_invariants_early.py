"""The checks of v3, and what all revisions before v4 share: kept, or broken by a mutation."""

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
    Asks,
    Invariant,
    PromiseVerdict,
    Status,
)
from memnotify.records.layout import NO_CLIENT, Kind
from memnotify.scenario import ClientKind

from tests.support.early import PLENTY, SHORT, TICK, US
from tests.support.early_models import (
    LEAVE,
    MODELS,
    V1,
    V2_WAKEUP,
    V3,
    WAKE_ALL,
    answers,
    asleep_until,
    broken,
    counts,
    promises,
    told,
)
from tests.support.madeup import MS, MadeUp, S

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


# v3 and the three improvements


def _two_samples(*times: str, gate: int) -> str:
    return "; ".join(f"{at} s: DMA 3000 pages (gate {gate}), status -" for at in times)


TWO_ZONES = [(Kind.ZONE, NO_CLIENT)] * 2
ALWAYS = asleep_until(replace(V1, always=True, events=(12 * S,), kind=LEAVE, swapped=()), 12 * S)


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


@pytest.mark.parametrize(("free", "caught"), [(200, False), (201, True)])
def test_twice_as_much_as_the_gate_asks_for_is_plenty(free: int, caught: bool) -> None:
    wrong = replace(V3, asks=Asks.STATUS, low=(), clients=1).run()
    for number in wrong.of(Kind.ZONE):
        wrong.change(number, free=free)
    assert (Invariant.POLLIN in broken(wrong, "v3")) == caught


def test_what_came_after_the_last_sample_decides_nothing() -> None:
    made = told([19 * S, 19_960 * MS])
    for number in made.of(Kind.ZONE):
        made.change(number, free=PLENTY)
    assert counts(made, "v2-wakeup")[Invariant.POLLIN] == 0
