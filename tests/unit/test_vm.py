"""What ends one QEMU: tests of guest/vm.py without a QEMU."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from memnotify.guest import vm
from memnotify.guest.usage import MemoryMeter, OomWatch


class Child:
    """Stands for a QEMU, which ends when it is told to."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    async def wait(self) -> int:
        await self.told.wait()
        return 0


def test_qemu_may_end_at_the_moment_its_conductor_is_done() -> None:
    """It happens when QEMU is told to quit, at the end of a recording."""
    quitting = cast("Any", SimpleNamespace(may_end=True))

    async def main() -> str:
        child = Child()

        async def conduct() -> str:
            await asyncio.sleep(0.01)
            child.told.set()
            return "the end"

        memory, oom = MemoryMeter(pid=0), OomWatch()
        death = vm._death(quitting, cast("Any", child), memory, oom)
        async with asyncio.timeout(20):
            return await vm.first(conduct(), death)

    assert asyncio.run(main()) == "the end"
