"""Runs a guest again up to one of its records, and holds it there.

The guest is the one of the cell, to the last byte: it starts in the same way, and nothing is added
to it. A watchpoint on the place of the record in the log stops it at the instruction that makes the
record valid.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from qemu.qmp import EventListener

from memnotify import process
from memnotify.errors import InputError
from memnotify.guest import probe
from memnotify.guest.backing import Parts
from memnotify.guest.mailbox import encode_scenario
from memnotify.guest.qmp import Monitor
from memnotify.guest.region import Region
from memnotify.guest.rendezvous import End, Host
from memnotify.guest.stub import Stub
from memnotify.guest.template import Template
from memnotify.guest.view import UNWATCHED, Watcher
from memnotify.guest.vm import Vm, first, live, open_vm
from memnotify.guest.watchdog import CpuClock, Limits, watch
from memnotify.model import BootFiles, Cell
from memnotify.process import CommandLog
from memnotify.records import layout
from memnotify.scenario import Scenario

T = TypeVar("T")

_COMMIT_BYTES = 4
_AGENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where each process of a guest maps the part of the log that it writes to."""

    address: int
    records: int

    def place_of(self, number: int) -> int:
        """Return the address of what makes this record valid."""
        return self.address + number % self.records * layout.RECORD.itemsize


def window_of(agent: Path, log: CommandLog) -> Window:
    """Ask a guest program where its window is. Raises InputError if it is too old to know."""
    said = process.run([agent, "--abi"], timeout=_AGENT_SECONDS, log=log).stdout
    try:
        return Window(**json.loads(said)["window"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "the image of this cell does not state where its log is",
            hint="run the campaign again with a current image",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A guest that stands at the instruction after the one that made a record valid.

    `host` has answered the guest so far, and can go on.
    """

    vm: Vm
    monitor: Monitor
    stub: Stub
    host: Host
    cpu: CpuClock

    @property
    def region(self) -> Region:
        return self.vm.parts.region


async def stop_at(
    cell: Cell,
    *,
    files: BootFiles,
    folder: Path,
    parts: Parts,
    start: Template | None,
    window: Window,
    number: int,
    then: Callable[[Stopped], Awaitable[T]],
    scenario: Scenario | None = None,
    watcher: Watcher = UNWATCHED,
    log: CommandLog | None = None,
    limits: Limits | None = None,
) -> T:
    """Run a cell's guest until record `number`, from 0, is valid, and return what `then` returns.

    `parts` are those of its `start`. QEMU is gone afterwards. The guest gets `scenario` instead of
    its own, if that is given. Raises InputError if the guest ends without that record, and
    InfrastructureError as `run_cell` does.
    """
    accel = await asyncio.to_thread(probe.choose, cell.accel, cell.clock)
    limits = limits or Limits()
    scenario = scenario or cell.scenario
    with ExitStack() as stack:
        ours, theirs = map(stack.enter_context, socket.socketpair())
        vm = stack.enter_context(
            open_vm(cell, parts, accel=accel, files=files, folder=folder, gdb=theirs)
        )
        if start is not None:
            vm.console.begin(start.console)

        async def conduct(monitor: Monitor, cpu: CpuClock) -> T:
            events = monitor.listen("GUEST_PANICKED", "STOP")
            host = Host(
                monitor=monitor,
                region=parts.region,
                scenario=scenario,
                mail=encode_scenario(scenario),
                on_stage=watcher.on_stage,
            )
            async with Stub(ours, patience=limits.qmp_seconds) as stub:
                place = window.place_of(number)

                async def serve() -> End:
                    if start is None:
                        await stub.watch(place, _COMMIT_BYTES)
                        if (end := await host.boot()) is not None:
                            return end
                    else:
                        await start.restore(monitor, parts)
                        await stub.watch(place, _COMMIT_BYTES)
                    return await host.conduct()

                end = await first(
                    serve(),
                    watch(region=parts.region, cpu=cpu, monitor=monitor, cell=cell, limits=limits),
                    _reached(number, parts.region, monitor, events),
                )
                if end is not None:
                    why = end.finding or "it ended"
                    raise InputError(f"the guest never wrote record {number}: {why} {end.detail}")
                await stub.unwatch(place, _COMMIT_BYTES)
                return await then(Stopped(vm=vm, monitor=monitor, stub=stub, host=host, cpu=cpu))

        return await live(vm, conduct, patience=limits.qmp_seconds, log=log)


async def _reached(number: int, region: Region, monitor: Monitor, events: EventListener) -> None:
    """Return when the guest stands at a record; resume it where it wrote another to that place."""
    pauses = False
    while True:
        event = await events.get()
        if event["event"] == "GUEST_PANICKED":
            pauses = True  # it stops next, for the host to answer
        elif region.is_valid(number):
            return
        elif pauses:
            pauses = False
        else:
            await monitor.execute("cont")
