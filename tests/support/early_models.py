"""Models of the revisions before v4, and what a log of theirs shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
from memnotify.records.layout import Kind
from memnotify.results.promises import promises_of
from memnotify.scenario import ClientKind
from memnotify.series.revision import load_revision

from tests.support.early import US, Early
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


def told(times: Sequence[int], cpus: int = 1) -> MadeUp:
    """Wake one client at these times, each just after it went into poll()."""
    made = replace(V3, clients=1, events=(), cpus=cpus).run()
    made.rows = [row for row in made.rows if row[0] not in (Kind.POLL, Kind.EXIT)]
    for number, at in enumerate(times):
        made.add(Kind.POLL, at - US, 0, polls=number)
        made.add(Kind.WAKEUP, at, 0, revents=1, result=1, since_ns=at - US)
    return made


def asleep_until(wrong: Early, when: int) -> MadeUp:
    """Run a model whose status is set from `when` on."""
    made = replace(wrong, always=False).run()
    for client in range(wrong.clients):
        since = made.rows[made.of(Kind.POLL, client)[0]][1]
        at = when + (client + 1) * MS
        made.add(Kind.WAKEUP, at, client, revents=1, result=1, since_ns=since)
    return made


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
