"""Successors of mem_notify, and the example of the patch, as clients in real guests.

The numbers are those of the kernel's documentation: a trigger fires once per window.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from memnotify.model import Arch
from memnotify.records.layout import Kind
from memnotify.scenario import ClientKind, Clients, Group, Hog, Level, Op, Scenario, Step

from tests.support.bases import FORWARD
from tests.support.squeezed import MIB, SECOND, Guest, Runner, squeeze
from tests.support.steps import of_kind

pytestmark = pytest.mark.guest

STALL_US, WINDOW_US = 150_000, 1_000_000


@pytest.fixture(params=FORWARD)
def base(request: pytest.FixtureRequest) -> str:
    """The base that everything here is tried on."""
    return str(request.param)


def limited(version: int, *kinds: Clients) -> Scenario:
    """Return three clients of each kind, and memory that grows in a group limited to 24 MiB."""
    clients = (Step(at_ns=SECOND // 10, action=kind) for kind in kinds)
    return Scenario(
        name="limited",
        start_ns=11 * SECOND,
        duration_ns=7 * SECOND,
        sample_ns=SECOND // 10,
        steps=(
            Step(at_ns=0, action=Group(version=version, limit_kib=24 * MIB)),
            *clients,
            Step(at_ns=SECOND, action=Hog(rate_kib_s=20 * MIB, ceiling_kib=96 * MIB)),
        ),
    )


def wakeups(guest: Guest, kind: ClientKind) -> list[np.ndarray]:
    """Return the times of the wakeups of each client of a kind."""
    clients = guest.log.kind(Kind.CLIENT)
    of_kind = clients["client"][clients["client_kind"] == kind]
    assert of_kind.size == 3
    return [guest.times[guest.clients == client] for client in of_kind]


def test_psi_speaks_once_a_window_and_memory_events_of_the_group(
    squeezed: Runner, base: str
) -> None:
    guest = squeezed(
        "v4",
        limited(
            2,
            Clients(kind=ClientKind.PSI, count=3, stall_us=STALL_US, window_us=WINDOW_US),
            Clients(kind=ClientKind.MEMORY_EVENTS, count=3),
            Clients(kind=ClientKind.POLL, count=3),
        ),
        base=base,
        arch=Arch.X86_64,
        memory_mib=96,
    )
    for times in wakeups(guest, ClientKind.PSI):
        assert times.size >= 2
        assert np.diff(times).min() >= WINDOW_US * 1000
    for times in wakeups(guest, ClientKind.MEMORY_EVENTS):
        assert times.size >= 10
    # The guest itself has memory to spare, and mem_notify only cares about that.
    assert all(times.size == 0 for times in wakeups(guest, ClientKind.POLL))


def test_pressure_level_tells_a_listener_at_the_root_of_a_group_below(
    squeezed: Runner, base: str
) -> None:
    guest = squeezed(
        "v4",
        limited(1, Clients(kind=ClientKind.PRESSURE_LEVEL, count=3, level=Level.LOW)),
        base=base,
        arch=Arch.X86_64,
        memory_mib=96,
    )
    assert all(times.size >= 10 for times in wakeups(guest, ClientKind.PRESSURE_LEVEL))


def test_the_example_of_the_patch_is_woken(squeezed: Runner, base: str) -> None:
    scenario = squeeze(start_s=10, clients=3, duration_s=25)
    poll, *pressure = scenario.steps
    example = of_kind(poll, ClientKind.USAGE)
    scenario = dataclasses.replace(scenario, steps=(example, *pressure))
    guest = squeezed("v4", scenario, base=base, arch=Arch.X86_64)
    assert [times.size for times in wakeups(guest, ClientKind.USAGE)] == [1, 1, 1]
    exits = guest.log.kind(Kind.EXIT)
    left = exits[(exits["op"] == Op.CLIENTS) & (exits["sent_by_agent"] == 0)]
    assert left["code"].tolist() == [0, 0, 0]
