"""Saving and restoring over QMP, and what is done to the stream."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from qemu.qmp import EventListener, Message

from orchestrator.errors import InfrastructureError
from orchestrator.guest import template
from orchestrator.guest.parts import memfd


class FakeMonitor:
    """A QEMU whose migration goes through `statuses`, as fast as it is asked."""

    patience = 0.05

    def __init__(self, *statuses: str) -> None:
        self.statuses = statuses
        self.given: dict[str, int] = {}
        self.commands: list[str] = []

    def listen(self, *names: str) -> EventListener:
        self.events = EventListener(names)
        return self.events

    async def give(self, name: str, fd: int) -> None:
        self.given[name] = fd

    async def execute(self, command: str, **arguments: Any) -> Any:
        self.commands.append(command)
        if command == "query-migrate":
            return {"status": "failed", "error-desc": "no room"}
        if command.startswith("migrate") and "uri" in arguments:
            assert arguments["uri"].removeprefix("fd:") in self.given
            for status in self.statuses:
                await self.events.put(Message({"event": "MIGRATION", "data": {"status": status}}))
        return {}


def migrate(monitor: FakeMonitor) -> None:
    asyncio.run(template._migrate(monitor, 7, "migrate"))  # type: ignore[arg-type]


def test_a_migration_ends_when_it_is_complete() -> None:
    monitor = FakeMonitor("setup", "active", "completed")
    migrate(monitor)
    assert monitor.commands == ["migrate-set-capabilities", "migrate"]
    assert monitor.given == {"state": 7}


def test_a_migration_that_fails_says_why() -> None:
    with pytest.raises(InfrastructureError, match="migrate failed: no room") as caught:
        migrate(FakeMonitor("setup", "active", "failed"))
    assert caught.value.kind == "template"


def test_a_migration_that_never_ends_is_given_up() -> None:
    with pytest.raises(InfrastructureError, match="not through with 'migrate'") as caught:
        migrate(FakeMonitor("setup", "active"))
    assert caught.value.kind == "qmp-timeout"


@pytest.fixture
def state() -> Iterator[int]:
    with ExitStack() as stack:
        yield memfd(stack, "state")


def block(name: bytes, size: int, address: int) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">QQ", size, address)


def test_only_the_address_of_the_log_is_taken_out_of_a_stream(state: int) -> None:
    ram, swap = block(b"ram", 64 << 20, 0), block(b"0000:00:06.0/swap", 1 << 27, 0xF0000000)
    log = b"0000:00:04.0/log"
    os.write(state, b"QEVM" + ram + block(log, 1 << 21, 0xF8000000) + swap + b"the rest")
    template._forget_address(state, "log")
    assert os.pread(state, 4096, 0) == b"QEVM" + ram + block(log, 1 << 21, 0) + swap + b"the rest"


@pytest.mark.parametrize("blocks", [0, 2])
def test_a_stream_that_is_not_as_expected_is_refused(state: int, blocks: int) -> None:
    os.write(state, b"QEVM" + block(b"0000:00:04.0/log", 1 << 21, 1 << 31) * blocks)
    with pytest.raises(InfrastructureError, match="not as expected"):
        template._forget_address(state, "log")
