"""The revisions before v4 in real guests, on 2.6.24: whom an event reaches, and when.

The numbers are copied from docs/explanation/history.md, not from the patches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from memnotify.model import Arch, DeviceName
from memnotify.records.layout import Kind
from memnotify.scenario import ClientKind

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
from tests.support.steps import of_kind

pytestmark = pytest.mark.guest

BASE = "2.6.24"
CLIENTS = 12
SAMPLE = SECOND // 10

Run = Callable[..., Guest]


@pytest.fixture(scope="module")
def guest(squeezed: Runner) -> Run:
    """Return a function that runs a revision's guest, with clients that leave when they are woken.

    They have hardly any memory, so memory stays low after they have left.
    """

    def run(revision: str, kind: ClientKind = ClientKind.EXIT) -> Guest:
        scenario = squeeze(start_s=2, clients=CLIENTS, duration_s=45)
        clients, *steps = scenario.steps
        clients = of_kind(clients, kind)
        scenario = dataclasses.replace(scenario, steps=(clients, *steps))
        return squeezed(revision, scenario, base=BASE, arch=Arch.X86_64)

    return run


def test_v3_tells_one_client_at_an_event(guest: Run) -> None:
    told = guest("v3")
    assert np.unique(told.clients).size == told.clients.size >= 5
    assert {batch.size for batch in notifications(told.times)} == {1}
    assert np.diff(told.times).min() > MEM_NOTIFY_FREQ - LATE


def test_v3_gives_no_pollin_that_lasts(guest: Run) -> None:
    told = guest("v3", ClientKind.POLL)
    assert told.times.size >= 5
    assert np.diff(told.times).min() > MEM_NOTIFY_FREQ - LATE


def test_wake_all_tells_everyone_at_once(guest: Run) -> None:
    told = guest("v3-wake-all")
    assert np.unique(told.clients).size == told.clients.size == CLIENTS
    assert np.ptp(told.times) < JIFFY


@pytest.mark.parametrize("revision", ["v3-throttled", "v3-faster"])
def test_throttled_tells_one_client_in_a_tick(guest: Run, revision: str) -> None:
    told = guest(revision)
    assert np.unique(told.clients).size == told.clients.size == CLIENTS
    apart = np.diff(told.times)
    assert apart.min() > JIFFY / 2
    assert np.median(apart) <= 2 * JIFFY + JIFFY / 10


def test_v2_wakes_nobody_until_somebody_adds_it(guest: Run) -> None:
    assert guest("v2").times.size == 0
    assert guest("v2-wakeup").times.size >= 1


def test_v1_tells_everyone_a_second_after_swapout_began(guest: Run) -> None:
    told = guest("v1")
    (device,) = told.log.kind(Kind.DEVICE)
    assert (device["present"], device["major"], device["minor"]) == (DeviceName.OOM_NOTIFY, 1, 13)
    assert np.unique(told.clients).size == told.clients.size == CLIENTS
    assert np.ptp(told.times) < JIFFY
    reclaim = told.log.kind(Kind.RECLAIM)
    began = reclaim["time_ns"][reclaim["pswpout"] > 0][0]
    assert began - SAMPLE <= told.times[0] <= began + SECOND + LATE
