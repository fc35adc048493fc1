"""Whether a guest that was held was stopped before it had ended."""

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
    """All that a pauser sees of a guest.

    `scenario_over`: it ends its processes. It writes `to_come` more records when it goes on.
    """

    scenario_over: bool = False
    to_come: int = 2
    records: int = 3
    runs: bool = True
    said: list[str] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def ended_ns(self) -> int:
        return 40 if self.scenario_over else 0

    def newest_ns(self) -> int:
        return 30

    def claimed(self) -> int:
        return self.records

    def look(self) -> Any:
        return SimpleNamespace(findings=(Finding.OOM_KILL,))

    def first_of(self, finding: Finding) -> int:
        return 2

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        yield
        self.records += self.to_come
        self.goes_on.set()

    async def give(self, descriptor: int, name: str) -> None:
        raise InfrastructureError("qmp", "this QEMU takes no sockets")

    async def execute(self, command: str) -> None:
        self.said.append(command)


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


@pytest.mark.parametrize("scenario_over", [False, True])
def test_a_stop_counts_while_the_guest_has_records_to_write(scenario_over: bool) -> None:
    guest, held = Guest(scenario_over=scenario_over), list[Held]()

    async def held_once() -> Pauser:
        async with pauser_of(guest, held) as pauser:
            watching = asyncio.ensure_future(pauser.watch())
            await guest.goes_on.wait()
            watching.cancel()
            return pauser

    pauser = asyncio.run(held_once())
    assert [one.reasons for one in held] == [("oom-kill: process 7 (from record 2 on)",)]
    assert guest.said == ["stop"]
    assert guest.records > held[0].record + 1
    assert pauser.stopped


def test_a_guest_that_is_held_after_its_end_was_not_stopped() -> None:
    guest, held = Guest(scenario_over=True, to_come=0), list[Held]()

    async def held_at_end() -> Pauser:
        async with pauser_of(guest, held) as pauser:
            await pauser.at_end({Finding.CLIENT: "client 0"}, EMPTY)
            return pauser

    pauser = asyncio.run(held_at_end())
    assert [(one.ended, one.record) for one in held] == [(True, guest.records - 1)]
    assert pauser.held_seconds > 0 and not pauser.stopped
