"""Made-up guests for the workers of a cluster. What they do may depend on the host they run on.

Workers import this module, so it knows its host and a folder for messages from the environment.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memnotify import process
from memnotify.errors import InfrastructureError
from memnotify.model import Cell, CellResult, Outcome
from memnotify.records.parquet import write_records

from tests.support.campaigns import Guests, finds, made_up_log

HOST, NOTES = "MEMNOTIFY_TEST_HOST", "MEMNOTIFY_TEST_NOTES"


def host() -> str:
    return os.environ[HOST]


def note(what: str, text: str = "") -> None:
    """Leave a message for the test."""
    (Path(os.environ[NOTES]) / f"{what}-{host()}-{os.getpid()}-{os.urandom(4).hex()}").write_text(
        text
    )


def noted(what: str) -> list[str]:
    """Return the messages that all hosts have left."""
    return [file.read_text() for file in Path(os.environ[NOTES]).glob(f"{what}-*")]


async def quick(cell: Cell, **rest: Any) -> CellResult:
    note("ran", cell.request.series)
    return await Guests()(cell, **rest)


async def finding(cell: Cell, **rest: Any) -> CellResult:
    return await Guests(finds)(cell, **rest)


async def full_disk_on_alpha(cell: Cell, **rest: Any) -> CellResult:
    if host() == "alpha":
        note("full")
        raise InfrastructureError("disk-full", "no space left on device")
    return await quick(cell, **rest)


async def slow_on_alpha(cell: Cell, **rest: Any) -> CellResult:
    if host() == "alpha":
        note("slow")
        await asyncio.sleep(60)
    return await quick(cell, **rest)


async def slow_on_alpha_and_fails(cell: Cell, **rest: Any) -> CellResult:
    """Fail on alpha as soon as beta has the same cell, which ends after that."""
    name = f"{cell.request.series} {cell.clients}"
    if host() == "alpha":
        note("slow", name)
        await _until(lambda: noted("copy"))
        note("failed")
        raise InfrastructureError("qemu-died", "it failed late")
    if name in noted("slow"):
        note("copy")
        await _until(lambda: noted("failed"))
        await asyncio.sleep(1)
    return await quick(cell, **rest)


async def _until(condition: Callable[[], object]) -> None:
    for _ in range(1200):
        if condition():
            return
        await asyncio.sleep(0.05)


async def hangs(cell: Cell, **rest: Any) -> CellResult:
    """Run a program, as a guest is one, for as long as the test does not end it."""
    async with await process.spawn(["sleep", "600"]) as guest:
        note("hangs", str(guest.pid))
        await guest.wait()
    return CellResult(outcome=Outcome(), guest_ns=0, wall_seconds=0.0, records=0, lost_records=0)


async def hangs_on_alpha(cell: Cell, **rest: Any) -> CellResult:
    if host() == "alpha":
        return await hangs(cell, **rest)
    return await quick(cell, **rest)


async def first_ends(cell: Cell, **rest: Any) -> CellResult:
    """Finish the cells without a series; the others hang until the file `go` is there."""
    if cell.request.series != "none":
        note("hangs", str(os.getpid()))
        await _until((Path(os.environ[NOTES]) / "go").exists)
    return await quick(cell, **rest)


async def back_on_beta(cell: Cell, **rest: Any) -> CellResult:
    """Hang on beta until its worker is killed; alpha ends when beta has run a cell after that."""
    if host() == "beta" and not noted("killed"):
        return await hangs(cell, **rest)
    if host() == "alpha":
        await _until(lambda: (Path(os.environ[NOTES]) / "beta-ran").exists())
    else:
        (Path(os.environ[NOTES]) / "beta-ran").touch()
    return await quick(cell, **rest)


async def other_records_on_beta(cell: Cell, **rest: Any) -> CellResult:
    result = await quick(cell, **rest)
    if host() == "beta":
        log = made_up_log(cell)
        log.records["time_ns"][-1] += 1
        write_records(log, rest["folder"] / "records.parquet")
    return result
