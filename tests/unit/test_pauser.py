"""Whether a guest that was held was stopped before its scenario ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from memnotify.errors import InfrastructureError
from memnotify.guest.held import Held, Holder
from memnotify.guest.pausing import Pauser
from memnotify.model import Finding
from memnotify.records.layout import RECORD
from memnotify.records.log import RecordLog

EMPTY = RecordLog(np.zeros(0, RECORD), lost=0, torn=0)


@dataclass
class Guest:
    """All that a pauser sees of a guest, which ends its scenario when it is stopped, or not."""

    ends_at_stop: bool = False
    ended: bool = False
    runs: bool = True
    said: list[str] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def ended_ns(self) -> int:
        return 40 if self.ended else 0

    def newest_ns(self) -> int:
        return 30

    def claimed(self) -> int:
        return 3

    def look(self) -> Any:
        return SimpleNamespace(findings=(Finding.OOM_KILL,))

    def first_of(self, finding: Finding) -> int:
        return 2

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        yield
        self.goes_on.set()

    async def give(self, descriptor: int, name: str) -> None:
        raise InfrastructureError("qmp", "this QEMU takes no sockets")

    async def execute(self, command: str) -> None:
        self.said.append(command)
        self.ended |= self.ends_at_stop


def pauser_of(guest: Guest, held: list[Held]) -> Pauser:
    async def hold(one: Held) -> None:
        held.append(one)

    every = cast(Any, guest)
    return Pauser(
        Holder(hold=hold),
        view=every,
        region=every,
        host=every,
        monitor=every,
        start_ns=0,
        found=lambda: {Finding.OOM_KILL: "process 7"},
    )


@pytest.mark.parametrize("ends_at_stop", [False, True])
def test_a_stop_counts_only_before_the_end_of_the_scenario(ends_at_stop: bool) -> None:
    guest, held = Guest(ends_at_stop=ends_at_stop), list[Held]()

    async def held_once() -> Pauser:
        async with pauser_of(guest, held) as pauser:
            watching = asyncio.ensure_future(pauser.watch())
            await guest.goes_on.wait()
            watching.cancel()
            return pauser

    pauser = asyncio.run(held_once())
    assert [one.reasons for one in held] == [("oom-kill: process 7 (from record 2 on)",)]
    assert guest.said == ["stop"]
    assert pauser.stopped is not ends_at_stop


def test_a_guest_that_is_held_after_its_end_was_not_stopped() -> None:
    guest, held = Guest(ended=True), list[Held]()

    async def held_at_end() -> Pauser:
        async with pauser_of(guest, held) as pauser:
            await pauser.at_end({Finding.CLIENT: "client 0"}, EMPTY)
            return pauser

    pauser = asyncio.run(held_at_end())
    assert [one.ended for one in held] == [True]
    assert pauser.held_seconds > 0 and not pauser.stopped
