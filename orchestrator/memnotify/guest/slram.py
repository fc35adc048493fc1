"""Disks in memory behind PCI BARs: their sizes, and the addresses that slram needs."""

from __future__ import annotations

from memnotify.model import Cell, DiskBus, SwapKind
from memnotify.records import layout

_GIB = 1 << 30
_WINDOW_END = 0xFEC00000  # the page of the I/O APIC
_WINDOW_STARTS = (2 * _GIB, 3 * _GIB, 0xE0000000)  # the first address that is not RAM
# As on QEMU's pc: from 3.5 GiB on, RAM beyond the first 3 GiB is placed above 4 GiB.
_MOST_BELOW, _SPLIT_AT = 3 * _GIB, 0xE0000000


def sizes(cell: Cell) -> dict[str, int]:
    """Return the size of each such disk in bytes, in the order of the slots."""
    machine = cell.machine
    kinds = {
        "swap": machine.swap_mib if machine.swap is SwapKind.SLRAM else 0,
        "disk": machine.disk_mib if machine.disk_bus is DiskBus.SLRAM else 0,
    }
    return {name: mib << 20 for name, mib in kinds.items() if mib}


def addresses(cell: Cell) -> dict[str, int]:
    """Return the addresses of the BARs, which slram needs at boot.

    SeaBIOS places the prefetchable BARs, one of which is the log's, so that they end below the I/O
    APIC's page: largest first, then in the order of the slots. If they do not fit there, all go
    above 4 GiB and above all RAM (src/fw/pciinit.c, pci_bios_init_root_regions_mem and
    pci_bios_map_devices). With wrong addresses, the guest would not find its disks.
    """
    slram = sizes(cell)
    bars = sorted(
        [("log", layout.region_size(cell.log_records)), *slram.items()], key=lambda bar: -bar[1]
    )
    largest = bars[0][1]
    start = (_WINDOW_END - sum(size for _, size in bars)) // largest * largest
    ram = cell.memory_mib << 20
    below = ram if ram < _SPLIT_AT else _MOST_BELOW
    if start < next(window for window in _WINDOW_STARTS if below <= window):
        align = max(largest, _GIB)
        start = -(-(4 * _GIB + ram - below) // align) * align
    found = {}
    for name, size in bars:
        found[name] = start
        start += size
    return {name: found[name] for name in slram}


def words(cell: Cell) -> list[str]:
    """Return the words for these disks on the kernel's command line."""
    slram, where = sizes(cell), addresses(cell)
    if not slram:
        return []
    parts = [f"{name},{where[name]:#x},+{size:#x}" for name, size in slram.items()]
    return [
        f"slram={','.join(parts)}",
        *(f"mn.{name}=/dev/mtdblock{number}" for number, name in enumerate(slram)),
    ]
