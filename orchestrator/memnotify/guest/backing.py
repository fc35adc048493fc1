"""What a guest is made of on the host: log, memories and disks, none of which has a name."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from memnotify.guest import qemu
from memnotify.guest.region import Region
from memnotify.model import Cell


@dataclass(frozen=True, slots=True)
class Parts:
    """Open until the context manager that made them ends."""

    region: Region
    memories: tuple[qemu.Memory, ...]
    disks: tuple[qemu.Disk, ...]
    state: int = -1  # a file of the guest's own: what QEMU was, or is, when the guest is saved

    def taken_bytes(self) -> int:
        """Return what the files in memory take of the host. Memory without one is QEMU's."""
        fds = [self.region.fd, self.state, *(memory.fd for memory in self.memories)]
        return sum(os.fstat(fd).st_blocks * 512 for fd in fds if fd >= 0)


@contextmanager
def new_parts(cell: Cell, folder: Path) -> Iterator[Parts]:
    """Make the parts of a guest that is switched on. Raises InputError, and OSError."""
    with Region(cell.log_records) as region, qemu.open_disks(cell, folder) as disks:
        yield Parts(region, qemu.memories_of(cell), disks)


@contextmanager
def parts_to_save(cell: Cell, folder: Path, *, state: bytes) -> Iterator[Parts]:
    """Make such parts with memories that can be read from here, and a file of that content.

    Raises InputError, and OSError.
    """
    with new_parts(cell, folder) as parts, ExitStack() as stack:
        memories = tuple(
            dataclasses.replace(memory, fd=memfd(stack, memory.name)) for memory in parts.memories
        )
        for memory in memories:
            os.truncate(memory.fd, memory.mib << 20)
        yield dataclasses.replace(parts, memories=memories, state=state_file(stack, state))


def state_file(stack: ExitStack, content: bytes) -> int:
    """Return a new file for QEMU's own state that is closed with the stack."""
    fd = memfd(stack, "state")
    with os.fdopen(fd, "wb", closefd=False) as file:
        file.write(content)
    return fd


def memfd(stack: ExitStack, name: str) -> int:
    """Return a new file in memory that is closed with the stack; any user's QEMU can open it."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    stack.callback(os.close, fd)
    return fd
