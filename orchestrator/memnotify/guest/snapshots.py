"""A guest's state in a qcow2 file: what QEMU calls an internal snapshot.

QEMU saves a guest either in this way or by migration; both use the same code. A QEMU that records
can only take snapshots (see `qemu.command_line`).
"""

from __future__ import annotations

import mmap
import re
import shutil
from pathlib import Path

from memnotify import process
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.qmp import Monitor
from memnotify.process import CommandLog

_QEMU_IMG = "qemu-img"
_NODE = "state"
READY = "ready"
AGAIN = "stopped"
"""The name of the state that `save_again` saves."""


def create(file: Path, *, log: CommandLog | None) -> None:
    """Make a qcow2 file without snapshots. Raises InputError without qemu-img."""
    # A paused QEMU that records never completes its own `blockdev-create`.
    if shutil.which(_QEMU_IMG) is None:
        raise InputError(f"{_QEMU_IMG} is not installed", hint="install the package qemu-utils")
    argv = [_QEMU_IMG, "create", "-q", "-f", "qcow2", str(file), "1M"]
    process.run(argv, timeout=60, log=log)


async def save(monitor: Monitor, file: Path) -> None:
    """Save a paused guest, without its disks and without memory that it shares with others.

    Raises InfrastructureError.
    """
    await _go(monitor, "snapshot-save", file)


async def save_again(monitor: Monitor) -> None:
    """Save a stopped guest into the file that it was loaded from. Raises InfrastructureError."""
    await monitor.job("snapshot-save", tag=AGAIN, vmstate=_NODE, devices=[_NODE])


async def load(monitor: Monitor, file: Path, *, tag: str = READY) -> None:
    """Load a state into a paused QEMU, which writes to the file. Raises InfrastructureError."""
    await _go(monitor, "snapshot-load", file, tag)


async def _go(monitor: Monitor, job: str, file: Path, tag: str = READY) -> None:
    # A migration capability; a snapshot also obeys it, and holds all memory without it.
    shared = {"capability": "x-ignore-shared", "state": True}
    await monitor.execute("migrate-set-capabilities", capabilities=[shared])
    node = {"node-name": _NODE, "file": {"driver": "file", "filename": str(file)}}
    await monitor.execute("blockdev-add", driver="qcow2", **node)
    await monitor.job(job, tag=tag, vmstate=_NODE, devices=[_NODE])


def forget_address(file: Path, name: str, *, states: int = 1) -> None:
    """Remove the guest address of shared memory behind a PCI BAR from all states in a file.

    With x-ignore-shared, QEMU compares the address before it restores PCI, while every BAR is still
    at 0 (ram_load in migration/ram.c). The file holds: length of the block's name, name, size,
    address. Raises InfrastructureError if it does not, and OSError.
    """
    block = re.compile(rb"[\x01-\xff][0-9a-f:.]+/%b.{16}" % name.encode(), re.DOTALL)
    _clear(file, block, states)


def forget_clock(file: Path, *, states: int = 1) -> None:
    """Set the clock of the host's time to 0 in all states in a file.

    A QEMU that lets virtual time pass as on the host starts by adding that clock to virtual time
    (`vm_clock_warp_start` is 0 in icount_configure()): the guest would jump ahead by what the first
    QEMU took. The file holds: name of the section, number, version, then three numbers, the clock
    being the last. Raises InfrastructureError if it does not, and OSError.
    """
    section = re.compile(rb"\x05timer.{4}\x00\x00\x00\x02.{24}", re.DOTALL)
    _clear(file, section, states)


def _clear(file: Path, number: re.Pattern[bytes], states: int) -> None:
    """Set the last 8 bytes of each match to 0; there has to be one in each state."""
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as text:
        ends = [found.end() for found in number.finditer(text)]
        if len(ends) != states:
            raise InfrastructureError("template", "QEMU's saved state is not as expected")
        for end in ends:
            text[end - 8 : end] = bytes(8)
