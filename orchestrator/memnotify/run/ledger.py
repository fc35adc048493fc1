"""How many guests may run at once: one ledger of memory, cores and boots for all runs of this user.

A claim is a file that its holder keeps locked, so the kernel drops it with the holder, however that
ends. What is claimed is written in it. Who has to wait has a file of that kind, too, a place in a
queue: first come, first served, whoever it is, so that no run can keep another one out. Claims and
places are looked at and made under one more lock, the gate. Nobody waits for that in a call that
blocks: who holds it may be stopped, and an event loop that blocks hears no Ctrl-C.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import json
import math
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

from memnotify import host
from memnotify.errors import InputError
from memnotify.guest.qemu import memories_of
from memnotify.model import Cell, Clock
from memnotify.records.layout import log_size
from memnotify.units import BYTES_PER_MIB

QEMU_MIB = 130
"""QEMU's own memory: 64 MiB of translated code when that is full, its program, device state."""

_TEMPLATE_MIB = 26
_TEMPLATE_SHARE = 1 / 48
"""What a boot touches, and a template holds: the kernel's own, and 64 bytes for each page of 4 KiB.

That, and what QEMU takes, is measured by bench/template.py, which fails if it is more.
"""

_LOOK_AGAIN_S = 0.1
"""Other processes cannot tell us that they are done, so we look."""

_LONG_S = 5.0
"""Who has to wait for so long, with nothing of its own under way, is told why."""

_PASSED_OVER_S = 5.0
"""Who has not looked for so long is stopped (Ctrl-Z), and others need not wait for it."""


_PLACE = "place-"


@dataclass(frozen=True, slots=True)
class Need:
    """What one guest takes from the host."""

    memory_mib: int
    cores: int


def need(cell: Cell, *, cores: int) -> Need:
    """Return what a cell takes at most. `cores` is what the host has: a guest counts as no more.

    That is its memories (RAM, and swap or disk behind a PCI BAR), the log twice, since it is copied
    before the guest's memory is given back, QEMU's own, and the template that it starts from.
    """
    memories_mib = sum(memory.mib for memory in memories_of(cell))
    log_mib = math.ceil(2 * log_size(cell.log_records) / BYTES_PER_MIB)
    own_mib = QEMU_MIB + template_mib(cell.memory_mib)
    # With virtual time all CPUs of a guest take turns on one thread.
    busy = 1 if cell.clock is Clock.VIRTUAL else cell.machine.smp
    return Need(memories_mib + log_mib + own_mib, min(busy, cores))


def template_mib(memory_mib: int) -> int:
    """Return what a template of a guest with so much RAM takes at most."""
    return _TEMPLATE_MIB + math.ceil(memory_mib * _TEMPLATE_SHARE)


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
        self._coming = asyncio.Lock()
        self._held = 0

    def refuse_if_never(self, name: str, wanted: Need) -> None:
        """Raise InputError if a cell does not fit even when nothing else runs."""
        if wanted.memory_mib > self.capacity.memory_mib:
            raise InputError(
                f"{name} needs {wanted.memory_mib} MiB of the host, which has "
                f"{self.capacity.memory_mib} MiB for guests",
                hint="take a smaller memory_mib, swap_mib or log_records, or a larger host",
            )

    @asynccontextmanager
    async def claim(
        self, wanted: Need, *, waiting: Callable[[], None] | None = None
    ) -> AsyncIterator[Callable[[], None]]:
        """Hold memory and cores; waits for others to give them back, and behind who came before.

        Calling what it gives ends the claim before the block does. `waiting` is called once if it
        is other runs that are waited for, and for long.
        """
        # Whoever of us still finds the gate shut came before.
        fd = None if self._coming.locked() else self._try(wanted)
        if fd is None:
            with self._telling(waiting):
                async with self._coming:
                    while (file := self._line_up()) is None:
                        await self._a_moment()
                with _left_at_last(file) as place:
                    while (fd := self._try(wanted, place)) is None:
                        await self._a_moment()
            self._freed.set()  # for the next in the queue
        claims = [fd]
        self._held += 1

        def release() -> None:
            while claims:
                os.close(claims.pop())
                self._held -= 1
            self._freed.set()

        try:
            yield release
        finally:
            release()

    async def in_company(self) -> bool:
        """Tell whether any other guest than the one of ours that asks holds memory or cores."""
        while True:
            with self._gate() as entered:
                if entered:
                    self._taken()  # the claims of the dead are gone afterwards
                    return len(list(self._folder.glob("claim-*"))) > 1
            await self._a_moment()

    @contextmanager
    def _telling(self, waiting: Callable[[], None] | None) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            if self._held:
                timer = loop.call_later(_LONG_S, look)
            elif waiting is not None:
                waiting()

        timer = loop.call_later(_LONG_S, look)
        try:
            yield
        finally:
            timer.cancel()

    def boot(self) -> AbstractAsyncContextManager[Callable[[], None]]:
        """Hold one of the boots that may go on at once, as `claim` holds the rest."""
        return self._boots.claim(Need(0, 1))

    @cached_property
    def _boots(self) -> Ledger:
        return Ledger(self._folder / "boots", capacity=Need(0, self._most_boots))

    @contextmanager
    def _gate(self) -> Iterator[bool]:
        """Give whether we are in: if not, somebody else is, and it is to be tried again."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as gate:
            yield _locked(gate)

    def _places(self) -> list[Path]:
        return sorted(self._folder.glob(f"{_PLACE}*"))

    async def _a_moment(self) -> None:
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), _LOOK_AGAIN_S)

    def _line_up(self) -> TextIO | None:
        """Return a place at the end of the queue."""
        with self._gate() as entered:
            if not entered:
                return None
            last = max(
                (int(other.name.removeprefix(_PLACE)) for other in self._places()), default=0
            )
            file = (self._folder / f"{_PLACE}{last + 1:09}").open("x")
            fcntl.flock(file, fcntl.LOCK_EX)
            return file

    def _behind(self, place: Path | None) -> bool:
        """Tell whether somebody waits who came before, or anyone if we do not wait yet."""
        before = itertools.takewhile(lambda other: other != place, self._places())
        return any(map(_waits, before))

    def _try(self, wanted: Need, place: Path | None = None) -> int | None:
        if place is not None:
            os.utime(place)  # we look, though the gate may be shut
        with self._gate() as entered:
            if not entered or self._behind(place):
                return None
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
                if _locked(file):
                    path.unlink()  # its holder is gone
                    continue
                try:
                    claimed_mib, claimed_cores = json.load(file)
                except (ValueError, TypeError):
                    return self.capacity  # nobody knows how much of it: look again later
                memory += claimed_mib
                cores += claimed_cores
        return Need(memory, cores)


@contextmanager
def _left_at_last(file: TextIO) -> Iterator[Path]:
    place = Path(file.name)
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)
        file.close()


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _waits(place: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), place.open() as file:
        if not _locked(file):
            return time.time() - os.fstat(file.fileno()).st_mtime < _PASSED_OVER_S
        place.unlink()  # whose it was is gone
    return False


def host_capacity() -> Need:
    """Return what guests may take in all: a tenth, and at least 512 MiB, stay with the host."""
    memory = host.memory_mib()
    return Need(memory - max(512, memory // 10), host.cores())
