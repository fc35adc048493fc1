"""Which clients v3 and the steps after it wake, and when v6 with ageing does: real guests.

The numbers are copied from docs/explanation/history.md, not from the patches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from memnotify.model import Arch
from memnotify.scenario import ClientKind, Clients, FileCache, Hog, Step

from tests.support.bases import FORWARD
from tests.support.squeezed import (
    JIFFY,
    LATE,
    MEM_NOTIFY_FREQ,
    MIB,
    SECOND,
    Guest,
    Runner,
    notifications,
    squeeze,
)

pytestmark = pytest.mark.guest

CLIENTS = 16
# They leave when they are woken, so each is woken once; those of v3 + 1 would spin if they stayed.
SCENARIO = squeeze(start_s=2, clients=CLIENTS, kind=ClientKind.EXIT)


@pytest.fixture(params=FORWARD)
def base(request: pytest.FixtureRequest) -> str:
    """The base that everything here is tried on."""
    return str(request.param)


@pytest.fixture
def told(squeezed: Runner, base: str) -> Callable[[str], Guest]:
    return lambda series: squeezed(series, SCENARIO, base=base, arch=Arch.X86_64)


def test_v3_gives_an_event_to_one_poll_only(told: Callable[[str], Guest]) -> None:
    guest = told("v3")
    assert guest.times.size >= 5, "hardly tested"
    # More than HZ/5 between two events on the only CPU; the client that takes one may come late.
    assert np.diff(guest.times).min() > MEM_NOTIFY_FREQ - LATE


def test_v3_and_one_gives_it_to_all(told: Callable[[str], Guest]) -> None:
    first = notifications(told("v3-wake-all").times)[0]
    assert first.size == CLIENTS
    assert np.median(np.diff(first)) < JIFFY / 2, "they are not told at once"


def test_v3_and_two_lets_one_pass_in_a_tick(told: Callable[[str], Guest]) -> None:
    guest = told("v3-throttled")
    assert guest.times.size >= 10, "hardly tested"
    # One per tick, whenever in the tick it runs: of any three, two are a tick apart.
    assert (guest.times[2:] - guest.times[:-2]).min() > JIFFY


# Not on 6.12: there a client runs before kswapd clears what it has set, so v6 itself notifies in
# this guest (patches/mem_notify/v6/6.12/README.md).
def test_ageing_tells_where_there_is_no_swap_and_much_page_cache(squeezed: Runner) -> None:
    scenario = dataclasses.replace(
        squeeze(start_s=12, clients=1, duration_s=32),
        steps=(
            Step(at_ns=0, action=FileCache(rate_kib_s=12 * MIB, total_kib=384 * MIB)),
            Step(at_ns=SECOND // 2, action=Clients(kind=ClientKind.POLL, count=1)),
            # So fast that it reclaims itself: kswapd clears what it has set before anyone looks.
            Step(at_ns=8 * SECOND, action=Hog(rate_kib_s=24 * MIB, ceiling_kib=68 * MIB)),
        ),
    )
    woken = {
        series: squeezed(
            series, scenario, base="6.1", arch=Arch.X86_64, memory_mib=96, machine="pc-disk"
        ).times.size
        for series in ("v6", "v6-ageing")
    }
    assert woken["v6"] == 0
    assert woken["v6-ageing"] >= 1
