"""Stops a guest that shows a finding, and holds it while somebody looks at it.

Guest time stands still meanwhile, but for some hundred nanoseconds in a few runs: a cell whose
guest was stopped before it had ended is not exact. Nothing is looked at but the memory that the
guest shares; QEMU is only told to stop once that shows a finding.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

from memnotify.errors import InfrastructureError
from memnotify.guest.gdb_relay import GdbRelay
from memnotify.guest.held import Held, Holder
from memnotify.guest.qmp import Monitor
from memnotify.guest.region import Region
from memnotify.guest.rendezvous import Host
from memnotify.guest.view import View
from memnotify.model import Finding
from memnotify.records.log import RecordLog
from memnotify.units import NS_PER_S

_LOOK_SECONDS = 0.05
_GDB = "memnotify-gdb"

Findings = Mapping[Finding, str]


class Pauser:
    """Watches one guest, and has it held once for each kind of finding.

    `found` returns the findings of a guest that is stopped, by its log. `held_seconds` is how long
    it was held in all, and `stopped` is whether it was stopped before it had ended: only then may
    its records differ from those of a guest that was not held. Its scenario may be over by then:
    the guest writes records until it has ended its processes.
    """

    def __init__(
        self,
        holder: Holder,
        *,
        view: View,
        region: Region,
        host: Host,
        monitor: Monitor,
        start_ns: int,
        found: Callable[[], Findings],
    ) -> None:
        self.held_seconds = 0.0
        self.stopped = False
        self._holder = holder
        self._view = view
        self._region = region
        self._host = host
        self._monitor = monitor
        self._start_ns = start_ns
        self._found = found
        self._seen: set[Finding] = set()
        self._relay: GdbRelay | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Pauser:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def watch(self) -> NoReturn:
        """Stop the guest at each new kind of finding. Raises what `Monitor.execute` raises."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            glimpse = self._view.look()
            new = set(glimpse.findings if glimpse is not None else ()) - self._seen
            if not new or not self._host.runs:
                continue
            async with self._host.held():
                self.stopped = True
                await self._monitor.execute("stop")
                said = self._found()
                # Others, such as tests of a self-check that did not run, are findings only when the
                # guest has ended.
                await self._hold({one: said.get(one, "") for one in Finding if one in new})

    async def at_end(self, found: Findings, log: RecordLog) -> None:
        """Hold a guest that has ended, before it is taken away, if it shows anything new."""
        more = [f"{log.lost} records did not fit into the log"] if log.lost else []
        more += self._holder.more(log)
        new = {one: said for one, said in found.items() if one not in self._seen}
        if new or more:
            await self._hold(new, more, ended=True)

    async def _hold(self, new: Findings, more: Sequence[str] = (), *, ended: bool = False) -> None:
        self._seen |= set(new)
        started = time.monotonic()
        try:
            relay = await self._listen()
            held = Held(
                reasons=(*(self._words(one, said) for one, said in new.items()), *more),
                seconds=(self._region.newest_ns() - self._start_ns) / NS_PER_S,
                record=self._region.claimed() - 1,
                ended=ended,
                monitor=self._monitor,
                gdb=relay,
            )
            await self._holder.hold(held)
        finally:
            self.held_seconds += time.monotonic() - started

    def _words(self, finding: Finding, said: str) -> str:
        number = self._view.first_of(finding)
        where = "" if number is None else f" (from record {number} on)"
        return f"{finding}{': ' if said else ''}{said}{where}"

    async def _listen(self) -> GdbRelay | None:
        """Have QEMU wait for gdb; None if this QEMU does not."""
        if self._relay is not None:
            return self._relay
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                await self._monitor.give(theirs.fileno(), _GDB)
            address = {"type": "fd", "data": {"str": _GDB}}
            backend = {"type": "socket", "data": {"addr": address, "server": False}}
            await self._monitor.execute("chardev-add", id=_GDB, backend=backend)
            command = {"command-line": f"gdbserver chardev:{_GDB}"}
            await self._monitor.execute("human-monitor-command", **command)
        except InfrastructureError as error:
            ours.close()
            if error.kind == "qmp-lost":
                raise
            return None
        # A socket's path must be short, so it is not in the run's folder.
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="memnotify-"))
        relay = GdbRelay(Path(folder) / "gdb", ours)
        self._relay = await self._stack.enter_async_context(relay)
        return self._relay
