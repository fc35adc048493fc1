"""How the other revisions differ from v4: all of them on the trees, and v6 in real guests.

The numbers are copied from docs/explanation/history.md, not from the patches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from memnotify.kernel.apply import series_on
from memnotify.kernel.base import load_base
from memnotify.kernel.source import ensure_source
from memnotify.kernel.tree import work_tree
from memnotify.model import Arch
from memnotify.records.layout import Kind
from memnotify.scenario import ClientKind
from memnotify.series.apply import apply_series
from memnotify.series.quilt import MEM_NOTIFY, revisions
from memnotify.store import Store

from tests.support.bases import FORWARD
from tests.support.kernels import given_source
from tests.support.ours import REVISIONS
from tests.support.squeezed import (
    JIFFY,
    LATE,
    SECOND,
    Guest,
    Runner,
    notifications,
    squeeze,
)

pytestmark = pytest.mark.guest


# What the ports were made against; another stable release may move lines.
MADE_AGAINST = {"6.1": "6.1.192", "6.12": "6.12.118"}


@pytest.mark.parametrize("base", [*FORWARD, "2.6.24", "2.6.25"])
def test_every_patch_fits_without_fuzz_or_offset(
    base: str,
    user_store: Store,
    kernel_artifact: Callable[..., object],
) -> None:
    kernel_artifact("none", base=base)  # skips or fails if the source is unavailable
    known = load_base(base)
    source = ensure_source(known, given_source(base), store=user_store, progress=print)
    ours = {name for name, bases in revisions().items() if base in bases and name in REVISIONS}
    assert ours >= {"v4", "v5", "v6"}
    # Elsewhere, the third patch of v4, and of series that extend v4, is the mail's: made for -mm.
    (mails,) = (MEM_NOTIFY / "v4" / base).glob("0003-*.patch")
    exempt = b"" if base in FORWARD else mails.read_bytes()
    exact = source.version == MADE_AGAINST.get(base, base)
    with work_tree(source, Arch.X86_64, store=user_store, progress=print) as tree:
        for revision in sorted(ours):
            series = series_on(known, revision, tree.original)
            done = apply_series(series, tree.original).patches
            its_own = [one for one in done if revision in one.patch.path.parts]
            assert its_own, revision
            shifted = [one for one in its_own if any(hunk.fuzz or exact for hunk in one.shifted)]
            assert all(one.patch.path.read_bytes() == exempt for one in shifted), revision


@pytest.fixture(scope="module", params=FORWARD)
def base(request: pytest.FixtureRequest) -> str:
    """The base that v6 is tried on."""
    return str(request.param)


@pytest.fixture(scope="module")
def few(squeezed: Runner, base: str) -> Guest:
    """3 clients that poll and 1 that wants SIGIO: a batch of 1 of each, and a guard of 0.8 s."""
    return squeezed("v6", squeeze(start_s=10, clients=3, fasync=1), base=base, arch=Arch.X86_64)


@pytest.fixture(scope="module")
def many(squeezed: Runner, base: str) -> Guest:
    """40 clients that poll: a batch of 40 / 16 + 1, and a guard of 8 s."""
    return squeezed("v6", squeeze(start_s=10, clients=40), base=base, arch=Arch.X86_64)


def of_kind(guest: Guest, kind: ClientKind) -> set[int]:
    clients = guest.log.kind(Kind.CLIENT)
    return set(clients["client"][clients["client_kind"] == kind].tolist())


def distances(guest: Guest, clients: set[int]) -> np.ndarray:
    """Return the times in ns between two wakeups of one client, for all of these clients."""
    return np.concatenate([np.diff(guest.times[guest.clients == client]) for client in clients])


def test_a_batch_is_a_sixteenth_and_one_in_the_order_in_which_they_came(many: Guest) -> None:
    batches = notifications(many.times)
    assert len(batches) >= 4
    assert [batch.size for batch in batches[:4]] == [3, 3, 3, 3]
    assert max(batch.size for batch in batches) == 3
    polled = many.log.kind(Kind.POLL)
    came = polled["client"][polled["polls"] == 0]
    assert set(many.clients[:12]) == set(came[:12])


def test_the_guard_is_200_ms_for_each_who_watches(few: Guest, many: Guest) -> None:
    again = distances(few, of_kind(few, ClientKind.POLL))
    assert again.size >= 10, "too few to test it"
    assert again.min() >= 4 * SECOND // 5 - JIFFY - LATE
    assert again.min() < 2 * SECOND, "the guard is not that of four watchers"
    again = distances(many, of_kind(many, ClientKind.POLL))
    assert again.size >= 10, "too few to test it"
    assert again.min() >= 8 * SECOND - JIFFY - LATE
    assert again.min() < 10 * SECOND, "the guard is not that of forty watchers"


def test_one_who_wants_signals_has_a_share_rounded_up(few: Guest) -> None:
    (signalled,) = of_kind(few, ClientKind.FASYNC)
    signals = few.times[few.clients == signalled]
    polls = few.times[few.clients != signalled]
    assert signals.size >= 10
    # A polling client is woken together with it, unless the guard keeps it from POLLIN.
    with_signal = [np.abs(signals - when).min() <= LATE for when in polls]
    assert np.mean(with_signal) > 0.9


def test_a_zone_below_a_tenth_of_its_node_is_ignored(squeezed: Runner, base: str) -> None:
    scenario = squeeze(start_s=2, clients=1, duration_s=1)
    calm = dataclasses.replace(scenario, steps=scenario.steps[:1])
    for memory_mib, status in ((64, 0), (192, -1)):
        guest = squeezed("v6", calm, base=base, arch=Arch.X86_64, memory_mib=memory_mib)
        zones = guest.log.kind(Kind.ZONE)
        assert set(zones["status"][zones["name"] == b"DMA"]) == {status}
        assert set(zones["status"][zones["name"] == b"DMA32"]) == {0}
