"""A stopped guest that goes on in another QEMU, with an SSH server that came in from outside.

The first QEMU has nothing that the run did not have, so that its guest is the run's own up to the
moment at which it stopped. The second one continues it on the same machine with three more serial
ports, and does not let virtual time run ahead while the guest waits, since somebody sits there.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from memnotify.guest import probe, qemu, slram, snapshots
from memnotify.guest.backing import Parts
from memnotify.guest.inject import Injector
from memnotify.guest.mailbox import encode_scenario
from memnotify.guest.qmp import Monitor
from memnotify.guest.rendezvous import End, Host
from memnotify.guest.stopped import Stopped
from memnotify.guest.stub import Stub
from memnotify.guest.vm import first, live, open_vm
from memnotify.guest.watchdog import CpuClock, Limits
from memnotify.model import BootFiles, Cell, Clock
from memnotify.process import CommandLog
from memnotify.scenario import Scenario
from memnotify.units import NS_PER_S

FOLDER = "/debug"
_PROGRAM = "start"
_FOR_EVER_NS = 10 * 365 * 86_400 * NS_PER_S
_SAVED = "log"  # the name of the log's memory in a saved state


def without_end(scenario: Scenario) -> Scenario:
    """Return a scenario that goes on after its last step instead of ending its processes."""
    return dataclasses.replace(scenario, duration_ns=_FOR_EVER_NS)


def without_future(scenario: Scenario) -> Scenario:
    """Return a scenario of which nothing is left to do."""
    steps = tuple(dataclasses.replace(step, at_ns=_FOR_EVER_NS - 1) for step in scenario.steps)
    return dataclasses.replace(
        scenario, duration_ns=_FOR_EVER_NS, sample_ns=_FOR_EVER_NS, steps=steps
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A guest that is saved: its memories, and which state of the file it is in."""

    parts: Parts
    tag: str


async def save(guest: Stopped, *, restored: bool) -> Saved:
    """Save a stopped guest in its own files, which stay open when its QEMU ends.

    `restored` says whether it was loaded from the file of its state. Raises InfrastructureError.
    """
    parts = guest.vm.parts
    if restored:
        await snapshots.save_again(guest.monitor)
    else:
        await snapshots.save(guest.monitor, qemu.inherited(parts.state))
    states = 2 if restored else 1
    for name in (_SAVED, *slram.sizes(guest.vm.cell)):
        snapshots.forget_address(qemu.inherited(parts.state), name, states=states)
    snapshots.forget_clock(qemu.inherited(parts.state), states=states)
    stack = ExitStack()

    def kept(fd: int) -> int:
        copy = os.dup(fd)
        stack.callback(os.close, copy)
        return copy

    memories = tuple(dataclasses.replace(one, fd=kept(one.fd)) for one in parts.memories)
    fresh = dataclasses.replace(parts, memories=memories, state=kept(parts.state), ours=stack)
    return Saved(parts=fresh, tag=snapshots.AGAIN if restored else snapshots.READY)


async def visit(
    cell: Cell,
    saved: Saved,
    *,
    files: BootFiles,
    folder: Path,
    tools: Mapping[str, bytes],
    use: Callable[[socket.socket], Awaitable[None]],
    on_stage: Callable[[str], None],
    log: CommandLog | None = None,
) -> End | None:
    """Continue a saved guest, with files in an empty folder; start the server among `tools` in it,
    and let `use` talk to that.

    Returns how the guest ended if that came first. Raises InputError and InfrastructureError as
    `Injector.start` does, and as `run_cell`.
    """
    accel = await asyncio.to_thread(probe.choose, cell.accel, cell.clock)
    # The guest program reads it there whenever it looks for what comes next.
    saved.parts.region.post(encode_scenario(without_future(cell.scenario)))
    patience = Limits().qmp_seconds
    with ExitStack() as stack:
        ours, theirs = map(stack.enter_context, socket.socketpair())
        line, far = map(stack.enter_context, socket.socketpair())
        pair = [stack.enter_context(end) for end in socket.socketpair()]
        vm = stack.enter_context(
            open_vm(
                cell,
                saved.parts,
                accel=accel,
                files=files,
                folder=folder,
                gdb=theirs,
                lines=(far, *pair),
            )
        )

        async def conduct(monitor: Monitor, cpu: CpuClock) -> End | None:
            host = Host(
                monitor=monitor,
                region=saved.parts.region,
                scenario=cell.scenario,
                mail=b"",
                on_stage=lambda stage: None,
            )
            await snapshots.load(monitor, qemu.inherited(saved.parts.state), tag=saved.tag)

            async def enter() -> None:
                async with Stub(ours, patience=patience) as stub:
                    injector = Injector(monitor, stub, arch=cell.request.arch)
                    on_stage("starting a shell in the guest")
                    await injector.start(FOLDER, tools, [f"{FOLDER}/{_PROGRAM}"])
                    await monitor.execute("cont")
                    await use(line)

            return await first(host.go_on(), enter())

        return await live(vm, conduct, patience=patience, log=log)


def why_no_visit(cell: Cell) -> str | None:
    """Return why no shell can come into the guests of a cell, or None."""
    if cell.clock is Clock.REAL:
        return "it runs in real time, so it cannot be saved and continued"
    return None
