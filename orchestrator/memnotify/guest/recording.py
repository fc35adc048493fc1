"""Records a guest with QEMU's record/replay, so that the run can be replayed bit for bit.

QEMU records each input from outside the guest, and at which instruction it arrived. A rendezvous is
not part of it: on replay, the guest pauses again and has to be answered as before.

To go back in time, QEMU loads the last snapshot and runs forward from there; it would stop at every
rendezvous on the way. So a snapshot is taken after each rendezvous.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from memnotify.errors import InfrastructureError
from memnotify.guest import snapshots
from memnotify.guest.qemu import Tape
from memnotify.guest.qmp import Monitor
from memnotify.guest.vm import Vm
from memnotify.model import Cell, Clock
from memnotify.process import CommandLog
from memnotify.records.layout import State

_LOOKS, _LOOK_SECONDS = 100, 0.02  # for a guest to continue; a hung one loses nothing
_QUIT_SECONDS = 60.0  # QEMU writes back the snapshots


def why_no_tape(cell: Cell) -> str | None:
    """Return why a cell cannot be recorded, or None; docs/howto/debugging.md has what was tried."""
    machine = cell.machine
    if cell.clock is Clock.REAL:
        return "it runs in real time"
    if machine.smp > 1:
        return f"QEMU records one CPU, and machine {machine.name} has {machine.smp}"
    if machine.waits_for_the_host:
        return f"machine {machine.name} has a disk, which a recording does not cover"
    return None


def new_tape(folder: Path, *, log: CommandLog) -> Tape:
    """Make a folder with an empty tape. Raises InfrastructureError; InputError without qemu-img."""
    folder.mkdir(parents=True, exist_ok=True)
    tape = Tape(folder, play=False)
    snapshots.create(tape.snapshots, log=log)
    return tape


class Recorder:
    """Resumes a guest that is being recorded, and ends the recording."""

    def __init__(self, vm: Vm, monitor: Monitor) -> None:
        self._vm = vm
        self._monitor = monitor
        self._resumed = 0

    async def resume(self) -> None:
        """Take a snapshot of the paused guest, and resume it. Raises InfrastructureError."""
        if self._resumed:  # QEMU itself takes the first one
            command = f"savevm rendezvous-{self._resumed}"
            said = await self._monitor.execute("human-monitor-command", **{"command-line": command})
            if said:
                raise InfrastructureError("recording", f"{command}: {said.strip()}")
        self._resumed += 1
        await self._monitor.execute("cont")

    async def finish(self) -> None:
        """End QEMU so that its recording is complete. Raises InfrastructureError."""
        # The guest's last actions are only replayed if the tape continues after them.
        await self._monitor.execute("cont")
        for _ in range(_LOOKS):
            if self._vm.parts.region.ask().state != State.RENDEZVOUS:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        self._vm.may_end = True
        await self._monitor.execute("quit")
        try:
            async with asyncio.timeout(_QUIT_SECONDS):
                await self._monitor.ended()
        except TimeoutError as error:
            raise InfrastructureError("recording", "QEMU did not exit") from error
