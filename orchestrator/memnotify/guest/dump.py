"""The memory of a stopped guest in a file that gdb, drgn and crash open.

QEMU writes it (dump-guest-memory), as an ELF core file. In that of a guest of 64 bits, drgn and
crash look for a note that kernels give to a crash dump, VMCOREINFO: which kernel it is, and where
its first page table is. These kernels are built without crash dumps, so the note is added here. The
file of a guest of 32 bits is only for gdb, so it has the addresses of the kernel instead, by the
page tables of the moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from memnotify.errors import InfrastructureError
from memnotify.guest.qmp import Monitor, data_of
from memnotify.model import Arch

_EXECUTE = "dump-guest-memory"
_PATIENCE_SECONDS = 900.0
_PT_NOTE = 4
_NAME = b"VMCOREINFO\0\0"  # padded to words
_FIRST_TABLES = ("swapper_pg_dir", "init_top_pgt", "init_level4_pgt")

_HEADER = np.dtype(
    [
        *[("ident", "S16"), ("type", "<u2"), ("machine", "<u2"), ("version", "<u4")],
        *[("entry", "<u8"), ("phoff", "<u8"), ("shoff", "<u8"), ("flags", "<u4")],
        *[(name, "<u2") for name in ("ehsize", "phsize", "phnum", "shsize", "shnum", "names")],
    ]
)
_SEGMENT = np.dtype(
    [
        *[("type", "<u4"), ("flags", "<u4")],
        *[(name, "<u8") for name in ("offset", "vaddr", "paddr", "filesz", "memsz", "align")],
    ]
)


async def dump_memory(monitor: Monitor, file: IO[bytes], *, arch: Arch) -> None:
    """Have QEMU write the memory of a stopped guest into an empty file.

    Raises InfrastructureError, and what QEMU says if the disk is full is in it.
    """
    events = monitor.listen("DUMP_COMPLETED")
    await monitor.give(file.fileno(), "vmcore")
    await monitor.execute(
        _EXECUTE, paging=arch is Arch.I386, protocol="fd:vmcore", detach=True, format="elf"
    )
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            done = data_of(await events.get())
    except TimeoutError as error:
        text = f"QEMU did not finish {_EXECUTE!r} within {_PATIENCE_SECONDS:g} s"
        raise InfrastructureError("qmp-timeout", text) from error
    if (why := done.get("error")) is not None:
        raise InfrastructureError("dump", f"QEMU could not write the memory: {why}")


def vmcoreinfo(symbols: Mapping[str, int], *, release: str) -> bytes:
    """Return the text of the note for a kernel that runs where it was linked to.

    `symbols` are those of its System.map. Raises InfrastructureError if none is its page table.
    """
    table = next((symbols[name] for name in _FIRST_TABLES if name in symbols), None)
    if table is None:
        raise InfrastructureError("dump", f"the kernel has none of {', '.join(_FIRST_TABLES)}")
    lines: dict[str, str] = {
        "OSRELEASE": release,
        "PAGESIZE": "4096",
        "SYMBOL(swapper_pg_dir)": f"{table:x}",
        **{
            f"SYMBOL({name})": f"{symbols[name]:x}"
            for name in ("_stext", "init_uts_ns")
            if name in symbols
        },
        "NUMBER(phys_base)": "0",
        "KERNELOFFSET": "0",
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items()).encode()


def add_note(file: IO[bytes], text: bytes) -> None:
    """Add VMCOREINFO to the notes of an ELF core file of 64 bits, which move to its end.

    Raises InfrastructureError if it is no such file, and OSError.
    """
    header = _read(file, 0, _HEADER, 1)[0]
    if header["ident"][:5] != b"\x7fELF\x02":
        raise InfrastructureError("dump", "QEMU wrote no ELF file of 64 bits")
    places = int(header["phoff"])
    segments = _read(file, places, _SEGMENT, int(header["phnum"]))
    (number,) = np.flatnonzero(segments["type"] == _PT_NOTE)
    notes = segments[number]
    file.seek(int(notes["offset"]))
    content = file.read(int(notes["filesz"]))
    sizes = np.array([len(_NAME) - 1, len(text), 0], "<u4").tobytes()
    content += sizes + _NAME + text + bytes(-len(text) % 4)
    notes["offset"] = file.seek(0, 2)
    notes["filesz"] = notes["memsz"] = len(content)
    file.write(content)
    file.seek(places)
    file.write(segments.tobytes())


def _read(file: IO[bytes], offset: int, kind: np.dtype[Any], count: int) -> Any:
    file.seek(offset)
    return np.frombuffer(file.read(kind.itemsize * count), kind, count).copy()
