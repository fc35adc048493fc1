"""What one guest needs of the host, and what the host has for all guests: memory and cores."""

from __future__ import annotations

import math
from dataclasses import dataclass

from memnotify import host
from memnotify.guest.qemu import memories_of
from memnotify.model import Cell, Clock
from memnotify.records.layout import log_size
from memnotify.text import counted
from memnotify.units import BYTES_PER_MIB

QEMU_MIB = 130
"""QEMU's own memory: a full cache of translated code of 64 MiB, its program, device state."""

_TEMPLATE_MIB = 26
_TEMPLATE_SHARE = 1 / 48
"""Memory that a boot touches and a template holds: the kernel's own, and 64 bytes per 4 KiB page.

bench/template.py measures this and QEMU's own memory, and fails if it is more.
"""


@dataclass(frozen=True, slots=True)
class Need:
    """What one guest takes from the host."""

    memory_mib: int
    cores: int

    def __str__(self) -> str:
        return f"{self.memory_mib} MiB and {counted(self.cores, 'core')}"


def need(cell: Cell, *, cores: int) -> Need:
    """Return the most that a cell takes; a guest never counts for more than the host's `cores`.

    That is its memories (RAM, and swap or disk behind a PCI BAR), twice the log, which is copied
    before the guest's memory is released, QEMU's own memory, and the guest's template.
    """
    memories_mib = sum(memory.mib for memory in memories_of(cell))
    log_mib = math.ceil(2 * log_size(cell.log_records) / BYTES_PER_MIB)
    own_mib = QEMU_MIB + template_mib(cell.memory_mib)
    # In virtual time, all CPUs of a guest take turns on one thread.
    busy = 1 if cell.clock is Clock.VIRTUAL else cell.machine.smp
    return Need(memories_mib + log_mib + own_mib, min(busy, cores))


def template_mib(memory_mib: int) -> int:
    """Return the most memory that a template of a guest with this much RAM takes, in MiB."""
    return _TEMPLATE_MIB + math.ceil(memory_mib * _TEMPLATE_SHARE)


def host_capacity() -> Need:
    """Return what guests may take in total: a tenth, and at least 512 MiB, stay with the host."""
    memory = host.memory_mib()
    return Need(memory - max(512, memory // 10), host.cores())
