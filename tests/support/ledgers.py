"""Shared by tests of the ledger: its files, a process that holds a claim, a gate that is shut."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from memnotify.run.ledger import Ledger
from memnotify.run.need import Need

TWO = Need(memory_mib=200, cores=2)


def claims(folder: Path) -> list[Path]:
    return list(folder.glob("claim-*"))


HOLDER = """
import asyncio, sys
from functools import partial
from pathlib import Path
from memnotify.run.ledger import Ledger
from memnotify.run.need import Need, host_capacity
async def main():
    async with Ledger(Path(sys.argv[1]), capacity=Need(200, 2)).claim(Need(200, 2)):
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def claimed(folder: Path, *, seconds: float) -> bool:
    """Return whether something small can be claimed within `seconds`."""

    async def main() -> None:
        async with asyncio.timeout(seconds), Ledger(folder, capacity=TWO).claim(Need(1, 1)):
            pass

    try:
        asyncio.run(main())
    except TimeoutError:
        return False
    return True


async def hold(ledger: Ledger, wanted: Need, seconds: float, got: list[str], name: str) -> None:
    async with ledger.claim(wanted):
        got.append(name)
        await asyncio.sleep(seconds)


def places(folder: Path) -> list[Path]:
    return list(folder.glob("place-*"))


def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("not within half a minute")


@contextlib.contextmanager
def shut(folder: Path, *, seconds: float = 60) -> Iterator[None]:
    """Hold the gate as a process does that is stopped inside; for `seconds` at most."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        opens = threading.Timer(seconds, fcntl.flock, [gate, fcntl.LOCK_UN])
        opens.start()
        try:
            yield
        finally:
            opens.cancel()
            opens.join()
