"""The host resources of a guest: log, memories and disks, all of them unnamed files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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
    state: int = -1  # file private to this guest: QEMU's saved state
    ours: ExitStack = field(default_factory=ExitStack)
    """Our files, which are not needed once QEMU has them and their sizes are known. The last close
    of a file frees its memory, which takes 20 ms for a guest of 64 MiB: that is better done by
    QEMU, as it exits, than by the thread that serves all other guests."""

    def taken_bytes(self) -> int:
        """Return how much host memory the in-memory files take. Memory without a file is QEMU's."""
        fds = [self.region.fd, self.state, *(memory.fd for memory in self.memories)]
        return sum(os.fstat(fd).st_blocks * 512 for fd in fds if fd >= 0)


@contextmanager
def new_parts(cell: Cell, folder: Path) -> Iterator[Parts]:
    """Make the parts of a guest that is switched on. Raises InputError and OSError."""
    with Region(cell.log_records) as region, qemu.open_disks(cell, folder) as disks:
        yield Parts(region, qemu.memories_of(cell), disks)


@contextmanager
def parts_to_save(cell: Cell, folder: Path, *, state: bytes) -> Iterator[Parts]:
    """Make parts like `new_parts`, but with memory files to read, and a file that holds `state`.

    Raises InputError and OSError.
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
    """Return a new memory file, closed with the stack, that QEMU can open as any user."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    stack.callback(os.close, fd)
    return fd
