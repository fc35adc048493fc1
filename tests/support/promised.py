"""Promises as the tests of the checker make them, and what a made-up log of them shows."""

from __future__ import annotations

from dataclasses import replace

from memnotify.check.invariants import check as check_log
from memnotify.check.promises import (
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
from memnotify.records.layout import Kind

from tests.support.madeup import MS, MadeUp, Model, S

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


def above_the_gate(made: MadeUp) -> None:
    """Wake the client that has waited longest, with nothing low."""
    since = made.rows[made.of(Kind.POLL, 4)[-1]][1]
    made.add(Kind.WAKEUP, 20 * S, 4, revents=1, result=1, since_ns=since)


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
