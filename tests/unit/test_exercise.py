"""What a scenario needs for a promise to be exercised, in words for its author."""

from __future__ import annotations

import dataclasses

import pytest
from memnotify.check.exercise import needed, without_series
from memnotify.check.promises import Asks, Gate, Invariant, Promises, Wakes

PLAIN = Promises(device=(10, 63, 0o400), gate=Gate(), asks=Asks.GATE, status=None, wakes=Wakes.FIFO)
# One notification wakes 100; the guard is longer for more clients, and so is the share of signals.
V4 = dataclasses.replace(
    PLAIN,
    shares=lambda watchers, signals: (signals, 100 + signals),
    guard_s=lambda watchers: watchers / 10,
)
LONGER = "memory so low for longer that clients are notified: a hog that grows, a smaller balloon"


def batches(size: dict[int, int], other: int) -> Promises:
    """Return promises of which one notification wakes this many of so many clients."""
    return dataclasses.replace(PLAIN, shares=lambda watchers, _: (0, size.get(watchers, other)))


@pytest.mark.parametrize(
    ("promises", "clients", "words"),
    [
        (PLAIN, 200, "pressure that lasts longer than 0 s after the first wakeup"),
        (V4, 100, "pressure that lasts longer than 10 s after the first wakeup"),
        (
            V4,
            101,
            "fewer clients: one notification wakes 100 of 101, so the same client is rarely next "
            "within 10.1 s; try 30",
        ),
        (
            batches({}, 2),
            5,
            "fewer clients: one notification wakes 2 of 5, so the same client is rarely next "
            "within 0 s; try 1",
        ),
    ],
)
def test_a_guard_needs_pressure_that_lasts_or_fewer_clients(
    promises: Promises, clients: int, words: str
) -> None:
    assert needed(Invariant.GUARD, promises, clients) == words


@pytest.mark.parametrize(
    ("promises", "clients", "words"),
    [
        (PLAIN, 200, f"{LONGER}; and clients whose guard is over"),
        (V4, 101, f"{LONGER}; and clients whose guard is over"),
        (V4, 100, "more than 100 clients: one notification wakes all of fewer"),
        (V4, 1, "more than 100 clients: one notification wakes all of fewer"),
        # So few clients are not looked for: the guest has more.
        (batches({10: 5}, 50), 30, "more than 50 clients: one notification wakes all of fewer"),
        (
            batches({}, 1_000_000),
            30,
            "more than 19999 clients: one notification wakes all of fewer",
        ),
    ],
)
def test_a_batch_needs_more_clients_than_one_notification_wakes(
    promises: Promises, clients: int, words: str
) -> None:
    assert needed(Invariant.BATCH, promises, clients) == words
    assert needed(Invariant.RATE, promises, clients) == words
    assert needed(Invariant.ORDER, promises, clients) == (
        f"{words}, some of whom began to wait 100 ms before others"
    )


def test_without_a_series_only_reclaim_is_missing() -> None:
    silence = "memory so low that the guest reclaims pages: a hog that grows, a smaller balloon"
    assert without_series(Invariant.SILENCE) == silence
    assert without_series(Invariant.DEVICE) == "a guest that gets as far as its scenario"


def test_every_promise_has_something_that_exercises_it() -> None:
    said = {one: needed(one, PLAIN, 30) for one in Invariant}
    assert all(said.values())
    assert said[Invariant.SILENCE] == LONGER
    assert said[Invariant.SIGNALS] == 'clients with fasync = true, or of kind = "fasync"'
