"""Templates: a guest that has booted and waits at READY, saved once, from which cells start.

A template holds QEMU's own state in a snapshot, the guest's memories and disks, and its log and
console so far. It holds nothing of a cell's scenario: the guest has not read its mailbox yet.
`memnotify.guest.templates` keeps templates in the store.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from memnotify.guest import qemu, slram, snapshots, sparse
from memnotify.guest.backing import Parts, memfd, parts_to_save, state_file
from memnotify.guest.qmp import Monitor
from memnotify.guest.region import Region
from memnotify.guest.rendezvous import Host
from memnotify.guest.vm import Vm, first, live, open_vm
from memnotify.guest.watchdog import CpuClock, Limits, watch
from memnotify.model import CONSOLE, Accel, BootFiles, Cell
from memnotify.process import CommandLog
from memnotify.records import layout
from memnotify.store import Artifact

_PACK = "guest"
_INDEX = "index.json"  # not among the facts, which the store does not verify
_STATE = "state.qcow2"
_LOG = "log"
# Sealed, so that a file cannot change after it was verified.
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Template:
    """A template in this process's memory. Its files are closed when nobody refers to it."""

    def __init__(self, artifact: Artifact) -> None:
        """Load a template that the store has verified. Raises OSError."""
        self.key = artifact.key
        self.console = artifact.file(CONSOLE).read_bytes()
        self._state = artifact.file(_STATE).read_bytes()
        with ExitStack() as stack, artifact.file(_PACK).open("rb") as file:
            self._files = {
                name: _load(stack, name, file.fileno(), entry)
                for name, entry in json.loads(
                    artifact.file(_INDEX).read_text(encoding="utf-8")
                ).items()
            }
            self.bytes = sum(os.fstat(fd).st_blocks * 512 for fd in self._files.values())
            weakref.finalize(self, stack.pop_all().close)

    @property
    def records(self) -> int:
        """Return how many records its guest has written."""
        header = os.pread(self._files[_LOG], layout.HEADER.itemsize, 0)
        return int(np.frombuffer(header, layout.HEADER)[0]["next"])

    @contextmanager
    def parts(self, cell: Cell, folder: Path) -> Iterator[Parts]:
        """Make the parts of a guest that continues from here. Raises InputError and OSError.

        All files are private to the guest. If it mapped our file copy-on-write, each page that it
        touches would be taken twice: a fault in a hole, even a read, first fills the hole with a
        page of zeros, which stays, and then copies that page.
        """
        with (
            Region(cell.log_records) as region,
            qemu.open_disks(cell, folder) as disks,
            ExitStack() as stack,
        ):
            sparse.copy(self._files[_LOG], region.fd)
            for disk in disks:
                sparse.copy(self._files[disk.name], disk.fd)
            memories = tuple(self._memory(stack, memory) for memory in qemu.memories_of(cell))
            state = state_file(stack, self._state)
            yield Parts(region, memories, disks, state, ours=stack)

    def _memory(self, stack: ExitStack, memory: qemu.Memory) -> qemu.Memory:
        fd = memfd(stack, memory.name)
        sparse.copy(self._files[memory.name], fd)
        return dataclasses.replace(memory, fd=fd)

    async def restore(self, monitor: Monitor, parts: Parts) -> None:
        """Restore the saved guest into a paused QEMU with these parts, and leave it paused.

        Raises InfrastructureError.
        """
        await snapshots.load(monitor, qemu.inherited(parts.state))


def _load(stack: ExitStack, name: str, pack: int, entry: dict[str, Any]) -> int:
    fd = memfd(stack, name)
    sparse.unpack(pack, entry, fd)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


async def make_template(
    cell: Cell,
    *,
    files: BootFiles,
    folder: Path,
    log: CommandLog | None,
    limits: Limits,
) -> dict[str, Any] | None:
    """Boot a guest and save it in `folder`. Return facts: the cost in seconds and bytes.

    Returns None if the guest does not reach READY: a cell will find out what is wrong with it.
    Raises InfrastructureError, InputError and OSError.
    """
    started = time.monotonic()
    state = folder / _STATE
    snapshots.create(state, log=log)
    with (
        parts_to_save(cell, folder, state=state.read_bytes()) as parts,
        open_vm(
            cell,
            parts,
            accel=Accel.TCG,
            files=files,
            folder=folder,
        ) as vm,
    ):

        async def conduct(monitor: Monitor, cpu: CpuClock) -> bool:
            host = Host(
                monitor=monitor,
                region=parts.region,
                scenario=cell.scenario,
                mail=b"",
                on_stage=lambda stage: None,
            )
            end = await first(
                host.boot(),
                watch(
                    region=parts.region,
                    cpu=cpu,
                    monitor=monitor,
                    cell=cell,
                    limits=limits,
                ),
            )
            if end is not None:
                return False
            await snapshots.save(monitor, qemu.inherited(parts.state))
            return True

        if not await live(vm, conduct, patience=limits.qmp_seconds, log=log):
            return None
        state.write_bytes(os.pread(parts.state, os.fstat(parts.state).st_size, 0))
        for name in (_LOG, *slram.sizes(cell)):
            snapshots.forget_address(state, name)
        size = _pack(vm)
    return {"seconds": round(time.monotonic() - started, 3), "bytes": size}


def _pack(vm: Vm) -> int:
    """Write the pack and its index; return the size of the pack in bytes."""
    sources = {_LOG: vm.parts.region.fd}
    sources |= {memory.name: memory.fd for memory in vm.parts.memories}
    sources |= {disk.name: disk.fd for disk in vm.parts.disks}
    with (vm.folder / _PACK).open("wb") as file:
        index = sparse.pack(sources, file.fileno())
        (vm.folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")
        return file.seek(0, os.SEEK_END)
