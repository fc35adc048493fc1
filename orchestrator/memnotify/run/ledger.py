"""Limits how many guests run at once: one ledger of memory, cores and boots for a user's runs.

A claim is a file that its holder keeps locked, so the kernel releases it when the holder ends,
however that happens. The file says what is claimed. Each waiting guest has a similar file, a place
in a queue: first come, first served across all runs, so no run can starve another. Claims and
places are read and made under another lock, the gate. Nobody waits for the gate in a blocking call:
its holder may be stopped, and a blocked event loop does not see Ctrl-C.

Programs that are not our guests make no claims. So the guest at the head of the queue also waits
until the host has enough memory available. If no guest is left that could free it by ending, it
waits for ten minutes at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TextIO

from memnotify import host
from memnotify.errors import InfrastructureError, InputError
from memnotify.run.claims import CLAIM, PLACE, Claim, held_claims, is_ours, locked, waits
from memnotify.run.need import Need, host_capacity
from memnotify.text import counted

HOST_MEMORY = "host-memory"
"""The failure kind of a guest whose memory is held by other programs on the host."""

_LOOK_AGAIN_S = 0.1
"""Polling interval: other processes cannot tell us that they are done."""

_LOOKS = 10
"""While the folder does not change, only one look of so many goes through all claims. That one is
needed, because the folder does not show that a process was killed, nor the host's memory."""

_SELDOM_S = _LOOKS * _LOOK_AGAIN_S
"""The interval of looks while only our own guests hold what is missing. Each of them wakes us as it
ends, so nothing is missed; but other waiters pass over one that has not looked for seconds."""

_LONG_S = 5.0
"""A run that waits this long without any guest of its own is told why."""

_REMIND_S = 180.0
"""The interval at which it is told again, with new figures."""

PATIENCE_S = 600.0
"""How long to wait for host memory while no guest holds any that could be released."""

_SHOWN = 3


class Ledger:
    """The claims below one folder, and the host's capacity for guests.

    `boots` is how many guests may boot at once. The default is half the number of cores, and at
    least two: a guest allocates its memory and translated code on the host while it boots.
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
        self._names: dict[int, str] = {}  # of our claims, by descriptor
        self._seen: int | None = None  # the folder's mtime_ns when we last looked at the claims
        self._only_ours = False  # the last look found all that is missing with guests of ours
        self._hopeless_since: float | None = None

    def refuse_if_never(self, name: str, wanted: Need) -> None:
        """Raise InputError if a cell does not fit even when nothing else runs."""
        if wanted.memory_mib > self.capacity.memory_mib:
            raise InputError(
                f"{name} needs {wanted.memory_mib} MiB of the host, which has "
                f"{self.capacity.memory_mib} MiB for guests",
                hint="use a smaller memory_mib, swap_mib or log_records, or a larger host",
            )

    @asynccontextmanager
    async def claim(
        self, wanted: Need, *, waiting: Callable[[], None] | None = None
    ) -> AsyncIterator[Callable[[], None]]:
        """Hold memory and cores; wait until others release them, and for earlier waiters.

        Calling the value that it yields ends the claim before the block does. `waiting` is called
        if the wait is long and for other runs or programs, and again every few minutes.

        Raises InfrastructureError if the host has had too little memory available for too long,
        while no guest held the missing memory.
        """
        # If one of our own guests is still trying to enter the queue, it came first.
        fd = None if self._coming.locked() else self._try(wanted)
        if fd is None:
            with self._telling(wanted, waiting):
                async with self._coming:
                    while (file := self._line_up()) is None:
                        await self._pause()
                with _left_at_last(file) as place:
                    while (fd := self._try(wanted, place)) is None:
                        # No other waiter of ours has looked since: _try() does not wait.
                        await self._a_moment(self._seen)
            self._freed.set()  # wakes the next in the queue
        claims = [fd]
        self._held += 1

        def release() -> None:
            while claims:
                # Removed first, so that waiting processes see that the folder has changed.
                with contextlib.suppress(OSError):
                    Path(self._names.pop(claims[-1])).unlink()
                os.close(claims.pop())
                self._held -= 1
            self._freed.set()

        try:
            yield release
        finally:
            release()

    async def in_company(self) -> bool:
        """Return whether any guest other than the one of ours that asks holds memory or cores."""
        while True:
            with self._gate() as entered:
                if entered:
                    self._taken()  # removes the claims of dead processes
                    return len(list(self._folder.glob(f"{CLAIM}*"))) > 1
            await self._pause()

    def obstacle(self, wanted: Need) -> str:
        """Return what a guest that wants this much is waiting for, with figures and holders."""
        claims = list(held_claims(self._folder))
        taken = self._sum(claims)
        free = Need(
            max(0, self.capacity.memory_mib - taken.memory_mib),
            max(0, self.capacity.cores - taken.cores),
        )
        if wanted.memory_mib > free.memory_mib:
            why = (
                f"other runs, for memory: it takes up to {wanted.memory_mib} MiB, and of the "
                f"{self.capacity.memory_mib} MiB for guests {free.memory_mib} are free"
            )
        elif wanted.cores > free.cores:
            why = (
                f"other runs, for {counted(wanted.cores, 'core')}: of "
                f"{counted(self.capacity.cores, 'core')} {free.cores} are free"
            )
        elif (available := host.available_mib()) < wanted.memory_mib:
            holders = "guests and other programs" if taken.memory_mib else "other programs"
            why = (
                f"memory of the host: it takes up to {wanted.memory_mib} MiB, and {available} of "
                f"{host.memory_mib()} MiB are available; {holders} have the rest"
            )
        elif others := len([place for place in self._places() if not is_ours(place)]):
            why = f"other runs: {counted(others, 'guest')} came before it"
        else:
            why = f"other runs: one of them keeps {self._folder / 'lock'}, and may be stopped"
        shown = [str(claim) for claim in claims[:_SHOWN]]
        if len(claims) > _SHOWN:
            shown.append(f"{len(claims) - _SHOWN} more")
        return "; ".join([why, *shown])

    def _wait_for_host(self, wanted: Need, taken: Need) -> bool:
        """Return whether the host has too little memory available for the head of the queue.

        Raises InfrastructureError if that has lasted too long, and would remain so if all guests
        ended.
        """
        available = host.available_mib() if wanted.memory_mib else 0
        if available >= wanted.memory_mib:
            self._hopeless_since = None
            return False
        if available + taken.memory_mib >= wanted.memory_mib:
            self._hopeless_since = None
            return True
        now = time.monotonic()
        self._hopeless_since = self._hopeless_since or now
        if now - self._hopeless_since < PATIENCE_S:
            return True
        raise InfrastructureError(
            HOST_MEMORY,
            f"a guest needs up to {wanted.memory_mib} MiB of host memory, and less has been "
            f"available for {PATIENCE_S / 60:g} minutes: {available} of {host.memory_mib()} MiB "
            f"are available, guests hold {taken.memory_mib}, other programs have the rest",
            hint="stop other programs that use memory, or use a smaller memory_mib",
        )

    @contextmanager
    def _telling(self, wanted: Need, waiting: Callable[[], None] | None) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            again = _LONG_S
            # It is normal that guests of one run wait for each other: that is -j and the ledger.
            if waiting is not None and (not self._held or host.available_mib() < wanted.memory_mib):
                waiting()
                again = _REMIND_S
            timer = loop.call_later(again, look)

        timer = loop.call_later(_LONG_S, look)
        try:
            yield
        finally:
            timer.cancel()

    def boot(self) -> AbstractAsyncContextManager[Callable[[], None]]:
        """Hold one of the boots that may run at once, in the same way as `claim`."""
        return self._boots.claim(Need(0, 1))

    @cached_property
    def _boots(self) -> Ledger:
        return Ledger(self._folder / "boots", capacity=Need(0, self._most_boots))

    @contextmanager
    def _gate(self) -> Iterator[bool]:
        """Yield whether we entered; if not, somebody else is inside, and the caller tries again."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("a", encoding="utf-8") as gate:
            yield locked(gate)

    def _places(self) -> list[Path]:
        return sorted(self._folder.glob(f"{PLACE}*"))

    async def _a_moment(self, seen: int | None) -> None:
        """Wait until another look is worth it; `seen` is the folder's mtime_ns at the last one."""
        if self._only_ours:
            await self._pause(_SELDOM_S)
            return
        for _ in range(_LOOKS):
            if await self._pause() or seen is None or seen != self._changed_ns():
                return

    async def _pause(self, seconds: float = _LOOK_AGAIN_S) -> bool:
        """Wait so long at most; return whether one of our own claims was released."""
        self._freed.clear()
        try:
            # Not wait_for(), which can swallow a cancellation before Python 3.12.
            async with asyncio.timeout(seconds):
                await self._freed.wait()
        except TimeoutError:
            return False
        return True  # even if another waiter has cleared it since

    def _changed_ns(self) -> int | None:
        with contextlib.suppress(OSError):
            return self._folder.stat().st_mtime_ns
        return None

    def _line_up(self) -> TextIO | None:
        """Return a place at the end of the queue, or None if the gate is closed."""
        with self._gate() as entered:
            if not entered:
                return None
            last = max((int(other.name.removeprefix(PLACE)) for other in self._places()), default=0)
            file = (self._folder / f"{PLACE}{last + 1:09}").open("x", encoding="utf-8")
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(str(os.getpid()))
            file.flush()
            return file

    def _behind(self, place: Path | None) -> bool:
        """Return whether an earlier waiter is waiting, or any if we have no place yet."""
        before = itertools.takewhile(lambda other: other != place, self._places())
        return any(map(waits, before))

    def _try(self, wanted: Need, place: Path | None = None) -> int | None:
        if place is not None:
            os.utime(place)  # we are checking, even if the gate is closed
        with self._gate() as entered:
            self._seen = self._changed_ns() if entered else None
            self._only_ours = False
            if not entered or self._behind(place):
                return None
            claims = list(held_claims(self._folder, remove=True))
            taken = self._sum(claims)
            if (
                taken.memory_mib + wanted.memory_mib > self.capacity.memory_mib
                or taken.cores + wanted.cores > self.capacity.cores
            ):
                self._hopeless_since = None
                self._only_ours = {str(claim.path) for claim in claims} == set(self._names.values())
                return None
            if self._wait_for_host(wanted, taken):
                return None
            # The owner goes into the name: runs of any version read the content.
            prefix = f"{CLAIM}{os.getpid()}-"
            fd, name = tempfile.mkstemp(prefix=prefix, dir=self._folder)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                os.write(fd, json.dumps([wanted.memory_mib, wanted.cores]).encode())
                self._names[fd] = name
            except BaseException:
                os.close(fd)
                Path(name).unlink()
                raise
            return fd

    def _sum(self, claims: Iterable[Claim]) -> Need:
        memory = cores = 0
        for claim in claims:
            if claim.wanted is None:
                return self.capacity  # it is unknown how much: check again later
            memory += claim.wanted.memory_mib
            cores += claim.wanted.cores
        return Need(memory, cores)

    def _taken(self) -> Need:
        return self._sum(list(held_claims(self._folder, remove=True)))


@contextmanager
def _left_at_last(file: TextIO) -> Iterator[Path]:
    place = Path(file.name)
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)
        file.close()
