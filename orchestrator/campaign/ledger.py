"""How many guests may run at once: one ledger of memory, cores and boots for all runs of this user.

A claim is a file that its holder keeps locked, so the kernel drops it with the holder, however that
ends. What is claimed is written in it. Claims are counted and made under one more lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator import host
from orchestrator.errors import InputError
from orchestrator.guest.abi import region_size
from orchestrator.model import Cell, Clock, SwapKind

QEMU_MIB = 60
"""QEMU's own memory beside the guest's RAM: code, translated code, device state."""

_LOOK_AGAIN_S = 0.5
"""Other processes cannot tell us that they are done, so we look."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one guest takes from the host."""

    memory_mib: int
    cores: int


def need(cell: Cell, *, cores: int) -> Need:
    """Return what a cell takes. `cores` is what the host has: a guest never counts as more."""
    log_mib = -(-region_size(cell.log_records) // host.MIB)
    # With virtual time all CPUs of a guest take turns on one thread.
    busy = 1 if cell.clock is Clock.VIRTUAL else cell.machine.smp
    slram_mib = cell.machine.swap_mib if cell.machine.swap is SwapKind.SLRAM else 0
    return Need(cell.memory_mib + QEMU_MIB + log_mib + slram_mib, min(busy, cores))


class Ledger:
    """The claims below one folder, against what the host can give to guests.

    `boots` is how many guests may boot at once, by default half as many as there are cores and at
    least two: it is in a boot that a guest's memory and code come into being on the host.
    """

    def __init__(
        self, folder: Path, *, capacity: Need | None = None, boots: int | None = None
    ) -> None:
        self._folder = folder
        self.capacity = capacity or host_capacity()
        self._most_boots = boots or max(2, self.capacity.cores // 2)
        self._freed = asyncio.Event()

    def refuse_if_never(self, name: str, wanted: Need) -> None:
        """Raise InputError if a cell does not fit even when nothing else runs."""
        if wanted.memory_mib > self.capacity.memory_mib:
            raise InputError(
                f"{name} needs {wanted.memory_mib} MiB of the host, which has "
                f"{self.capacity.memory_mib} MiB for guests"
            )

    @asynccontextmanager
    async def claim(self, wanted: Need) -> AsyncIterator[Callable[[], None]]:
        """Hold memory and cores; waits for others to give them back.

        Calling what it gives ends the claim before the block does.
        """
        while (fd := self._try(wanted)) is None:
            self._freed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._freed.wait(), _LOOK_AGAIN_S)
        claims = [fd]

        def release() -> None:
            while claims:
                os.close(claims.pop())
            self._freed.set()

        try:
            yield release
        finally:
            release()

    def boot(self) -> AbstractAsyncContextManager[Callable[[], None]]:
        """Hold one of the boots that may go on at once, as `claim` holds the rest."""
        return self._boots.claim(Need(0, 1))

    @cached_property
    def _boots(self) -> Ledger:
        return Ledger(self._folder / "boots", capacity=Need(0, self._most_boots))

    def _try(self, wanted: Need) -> int | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            taken = self._taken()
            if (
                taken.memory_mib + wanted.memory_mib > self.capacity.memory_mib
                or taken.cores + wanted.cores > self.capacity.cores
            ):
                return None
            fd, name = tempfile.mkstemp(prefix="claim-", dir=self._folder)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                os.write(fd, json.dumps([wanted.memory_mib, wanted.cores]).encode())
            except BaseException:
                os.close(fd)
                Path(name).unlink()
                raise
            return fd

    def _taken(self) -> Need:
        memory = cores = 0
        for path in self._folder.glob("claim-*"):
            with contextlib.suppress(FileNotFoundError), path.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    try:
                        claimed_mib, claimed_cores = json.load(file)
                    except (ValueError, TypeError):
                        return self.capacity  # nobody knows how much of it: look again later
                    memory += claimed_mib
                    cores += claimed_cores
                else:
                    path.unlink()  # its holder is gone
        return Need(memory, cores)


def host_capacity() -> Need:
    """Return what guests may take in all: a tenth, and at least 512 MiB, stay with the host."""
    memory = host.memory_mib()
    return Need(memory - max(512, memory // 10), host.cores())
