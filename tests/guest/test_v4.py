"""The seed's promises, seen in the logs of real guests.

The constants are copied from the seed, not from the port.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from memnotify.model import Arch
from memnotify.records.layout import Kind
from memnotify.scenario import Scenario

from tests.support.squeezed import (
    JIFFY,
    LATE,
    MEM_NOTIFY_FREQ,
    SECOND,
    Guest,
    Runner,
    notifications,
    squeeze,
)

pytestmark = pytest.mark.guest

PROC_WAKEUP_GUARD = 10 * SECOND
BATCH = 100


@pytest.fixture(
    scope="module",
    params=["6.1 x86_64", "6.12 x86_64", "7.3 x86_64", "2.6.24 i386", "2.6.24 x86_64"],
)
def target(request: pytest.FixtureRequest) -> tuple[str, Arch]:
    """Return the base and the architecture that everything here is tested on."""
    base, arch = request.param.split()
    return base, Arch(arch)


@pytest.fixture(scope="module")
def guest(target: tuple[str, Arch], squeezed: Runner) -> Callable[[str, Scenario], Guest]:
    base, arch = target
    return lambda series, scenario: squeezed(series, scenario, base=base, arch=arch)


@pytest.fixture(scope="module")
def v4(target: tuple[str, Arch], guest: Callable[[str, Scenario], Guest]) -> Guest:
    """Return 200 clients under pressure for as long as two rounds of the guard take."""
    # The same scenario presses 2.6.24 later than 6.1.
    duration_s = 45 if target[0] == "2.6.24" else 30
    return guest("v4", squeeze(start_s=10, clients=200, duration_s=duration_s))


def test_the_device_is_the_seeds(v4: Guest) -> None:
    (device,) = v4.log.kind(Kind.DEVICE)
    assert (device["present"], device["major"], device["minor"]) == (1, 1, 13)
    # A kernel before 2.6.32 does not announce the mode.
    assert device["mode"] == (0 if v4.base == "2.6.24" else 0o444)


def test_the_first_notification_wakes_a_hundred_in_the_order_in_which_they_came(v4: Guest) -> None:
    first = notifications(v4.times)[0]
    assert first.size == BATCH
    polled = v4.log.kind(Kind.POLL)
    came = polled["client"][polled["polls"] == 0]
    assert set(v4.clients[:BATCH]) == set(came[:BATCH])


def test_every_client_is_woken_and_no_notification_wakes_more_than_a_hundred(v4: Guest) -> None:
    assert set(v4.clients) == set(range(200))
    # A window shorter than the rate limit can only hold the wakeups of one notification.
    window = MEM_NOTIFY_FREQ - LATE
    ends = np.searchsorted(v4.times, v4.times + window, side="left")
    assert (ends - np.arange(v4.times.size)).max() == BATCH


def test_no_two_notifications_come_within_200_ms(v4: Guest) -> None:
    starts = np.array([batch[0] for batch in notifications(v4.times)])
    # The same scenario presses 2.6.24 less.
    assert starts.size >= (3 if v4.base == "2.6.24" else 4)
    assert np.diff(starts).min() >= MEM_NOTIFY_FREQ - JIFFY - LATE


def test_no_descriptor_gets_two_pollins_within_ten_seconds(v4: Guest) -> None:
    again = [np.diff(v4.times[v4.clients == client]) for client in range(200)]
    distances = np.concatenate(again)
    assert distances.size >= (10 if v4.base == "2.6.24" else BATCH), "too few to test it"
    # The guard runs from the check in poll(), the log from the return of poll() to the client;
    # reclaim may delay that while its pages are swapped in: by 0.28 s on i386 (6.1).
    assert distances.min() >= PROC_WAKEUP_GUARD - JIFFY - 4 * LATE


def test_a_status_is_set_and_cleared(v4: Guest) -> None:
    zones = v4.log.kind(Kind.ZONE)
    assert set(zones["status"]) == {0, 1}


def test_nothing_is_notified_in_the_first_ten_seconds_after_boot(
    guest: Callable[[str, Scenario], Guest],
) -> None:
    early = guest("v4", squeeze(start_s=1, clients=20, duration_s=20, rate_mib_s=12))
    reclaim = early.log.kind(Kind.RECLAIM)
    pressed = reclaim["time_ns"][reclaim["pswpout"] > 0]
    assert pressed[0] < 9 * SECOND, "there was no pressure before the time was up"
    assert early.times.size >= 20
    assert early.times[0] >= PROC_WAKEUP_GUARD - JIFFY


def test_none_wakes_nobody(guest: Callable[[str, Scenario], Guest]) -> None:
    none = guest("none", squeeze(start_s=10, clients=200))
    assert none.times.size == 0
    reclaim = none.log.kind(Kind.RECLAIM)
    assert reclaim["pswpout"][-1] > 0, "there was no pressure"
    assert len(none.log.kind(Kind.CLIENT)) == 200
    (device,) = none.log.kind(Kind.DEVICE)
    assert device["present"] == 0
