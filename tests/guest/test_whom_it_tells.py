"""Whom v3 and the steps after it tell, and when v6 is told with ageing counted: real guests, 6.1.

The numbers stand here as docs/history.md gives them, not as the patches do.
"""

from __future__ import annotations

import numpy as np
import pytest
from squeezed import JIFFY, MEM_NOTIFY_FREQ, Guest, Runner, notifications, squeeze

from orchestrator.model import Arch, ClientKind

pytestmark = pytest.mark.guest

CLIENTS = 16
# They leave when they are woken, so each is woken once; those of v3 + 1 would spin if they stayed.
SCENARIO = squeeze(start_s=2, clients=CLIENTS, kind=ClientKind.EXIT)


def told(squeezed: Runner, series: str) -> Guest:
    return squeezed(series, SCENARIO, base="6.1", arch=Arch.X86_64)


def test_v3_gives_an_event_to_one_poll_only(squeezed: Runner) -> None:
    guest = told(squeezed, "v3")
    assert guest.times.size >= 5, "hardly tested"
    # Strictly more than HZ/5 between two events of the only CPU; whoever takes one may come late.
    assert np.diff(guest.times).min() > MEM_NOTIFY_FREQ - JIFFY


def test_v3_and_one_gives_it_to_all(squeezed: Runner) -> None:
    first = notifications(told(squeezed, "v3-wake-all").times)[0]
    assert first.size == CLIENTS
    assert np.ptp(first) < JIFFY, "they are not told at once"


def test_v3_and_two_lets_one_pass_in_a_tick(squeezed: Runner) -> None:
    first = notifications(told(squeezed, "v3-throttled").times)[0]
    assert first.size == CLIENTS
    # One in a tick, whenever in the tick it runs: of any three, two are a tick apart.
    assert (first[2:] - first[:-2]).min() > JIFFY
