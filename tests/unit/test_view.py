"""A running guest is seen through the memory that it shares: cheaply, and whatever it writes."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.guest import view as view_module
from memnotify.guest.console import KernelConsole
from memnotify.guest.region import Region
from memnotify.guest.view import Glimpse, View
from memnotify.model import Finding
from memnotify.records import layout
from memnotify.records.clients import notified
from memnotify.records.layout import Kind
from memnotify.scenario import Program, Scenario

CAPACITY = 64
S = 10**9
SCENARIO = Scenario(name="x", start_ns=10 * S, duration_ns=40 * S, sample_ns=S, steps=())


class Guest:
    """Writes what a guest would write, through the file that QEMU has too."""

    def __init__(self, region: Region, *programs: Program) -> None:
        self.region = region
        self.console = SimpleNamespace(panic=None, oom=None)
        self.view = View(region, cast(KernelConsole, self.console), SCENARIO, programs)
        self.count = 0

    def header(self, name: str, value: int) -> None:
        fields = layout.HEADER.fields
        assert fields is not None
        form, at = fields[name][:2]
        os.pwrite(self.region.fd, value.to_bytes(form.itemsize, "little"), at)

    def write(self, kind: int, *value: int, commit: int | None = None, client: int = 0) -> int:
        index, self.count = self.count, self.count + 1
        self.header("next", self.count)
        commit = index + 1 if commit is None else commit
        self.put(index, kind, *value, commit=commit, client=client)
        return index

    def put(self, index: int, kind: int, *value: int, commit: int, client: int = 0) -> None:
        row = np.zeros(1, layout.RECORD)
        row["kind"], row["commit"], row["client"] = kind, commit, client
        row["value"][0, : len(value)] = value
        at = layout.RECORDS_OFFSET + index * layout.RECORD.itemsize
        os.pwrite(self.region.fd, row.tobytes(), at)

    def look(self) -> Glimpse:
        found = self.view.look()
        assert found is not None
        return found


@pytest.fixture
def guest() -> Any:
    with Region(CAPACITY) as region:
        yield Guest(region)


def test_seconds_are_those_of_the_scenario(guest: Guest) -> None:
    for newest_s, seconds in ((0, 0), (9, 0), (12.5, 2.5), (50, 40), (2e9, 40)):
        guest.header("newest_ns", int(newest_s * S))
        assert guest.look() == Glimpse(guest_s=seconds, of_s=40, wakeups=0)


def test_notifications_are_counted_as_in_the_figures(guest: Guest) -> None:
    guest.write(Kind.WAKEUP, 1, 1)
    guest.write(Kind.POLL, 1)
    assert guest.look().wakeups == 1
    guest.write(Kind.WAKEUP, 1, 1)
    guest.write(Kind.WAKEUP, 1, 2**64 - 1)  # a failed poll() with stale revents
    guest.write(Kind.WAKEUP, 4, 1)
    assert guest.look().wakeups == 2 == len(notified(guest.region.records()))
    assert guest.look().wakeups == 2


def test_a_record_that_is_being_written_counts_once_it_is(guest: Guest) -> None:
    index = guest.write(Kind.WAKEUP, 1, 1, commit=0)
    guest.write(Kind.WAKEUP, 1, 1)
    assert guest.look().wakeups == 1
    assert guest.look().wakeups == 1
    guest.put(index, Kind.WAKEUP, 1, 1, commit=index + 1)
    assert guest.look().wakeups == 2
    assert guest.look().wakeups == 2


@pytest.mark.parametrize(
    ("kind", "value", "finding"),
    [
        (Kind.RECLAIM, (0, 0, 0, 0, 1), Finding.OOM_KILL),
        (Kind.EXIT, (0, 9, 0, 1), Finding.OOM_KILL),
        (Kind.EXIT, (12, 0, 0, 3), Finding.AGENT),
        (Kind.BALLOON, (3, 1), Finding.BALLOON),
        (Kind.EXIT, (0, 9, 1, 1), None),
        (Kind.BALLOON, (2, 1), None),
        (Kind.RECLAIM, (7, 7, 7, 7, 0), None),
    ],
)
def test_findings(
    guest: Guest, kind: Kind, value: tuple[int, ...], finding: Finding | None
) -> None:
    assert guest.look().findings == ()
    guest.write(kind, *value)
    for _ in range(2):
        assert guest.look().findings == (() if finding is None else (finding,))


def test_how_a_program_of_the_users_own_ends_is_a_finding_about_it() -> None:
    with Region(CAPACITY) as region:
        guest = Guest(
            region, Program(name="x", digest=""), Program(name="y", expect_status=3, digest="")
        )
        guest.write(Kind.PROGRAM, 2, client=0)
        guest.write(Kind.EXIT, 3, 0, 0, 1, client=0)
        guest.write(Kind.PROGRAM, 1, client=1)
        assert guest.look().findings == ()
        guest.write(Kind.EXIT, 3, 0, 0, 1, client=1)
        assert guest.look().findings == (Finding.CLIENT,)
        guest.write(Kind.EXIT, 3, 0, 0, 1, client=2)
        assert guest.look().findings == (Finding.AGENT, Finding.CLIENT)
        assert [guest.view.first_of(one) for one in (Finding.CLIENT, Finding.AGENT)] == [3, 4]
        assert guest.view.first_of(Finding.PANIC) is None


def test_the_console_tells_of_a_panic(guest: Guest) -> None:
    guest.write(Kind.BALLOON, 3, 1)
    guest.console.panic = "Kernel panic"
    assert guest.look().findings == (Finding.PANIC, Finding.BALLOON)


def test_only_what_is_new_is_copied(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[tuple[int, int]] = []
    some = Region.some

    def spy(region: Region, first: int, end: int) -> Any:
        copied.append((first, end))
        return some(region, first, end)

    monkeypatch.setattr(Region, "some", spy)
    monkeypatch.setattr(view_module, "_AT_ONCE", 2)
    for _ in range(5):
        guest.write(Kind.WAKEUP, 1, 1)
    assert guest.look().wakeups == 5
    assert copied == [(0, 2), (2, 4), (4, 5)]
    guest.look()
    assert len(copied) == 3


def test_a_guest_that_has_ended_shows_nothing() -> None:
    with Region(CAPACITY) as region:
        guest = Guest(region)
        guest.write(Kind.WAKEUP, 1, 1)
    assert guest.view.look() is None


@given(st.binary(min_size=208, max_size=208), st.binary(max_size=64 * CAPACITY))
def test_any_memory_can_be_looked_at(header: bytes, records: bytes) -> None:
    with Region(CAPACITY) as region:
        guest = Guest(region)
        os.pwrite(region.fd, header[layout.HOST_PART :], layout.HOST_PART)
        os.pwrite(region.fd, records, layout.RECORDS_OFFSET)
        for _ in range(3):
            found = guest.look()
        assert 0 <= found.guest_s <= found.of_s and found.wakeups <= CAPACITY
