"""Symbols for gdb, from a kernel's System.map.

The kernels are built without debug information, so only names and addresses are known; System.map
has them. gdb wants them in an ELF file. This module writes one with a symbol table and no code,
because gdb reads the code from the guest.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from memnotify.errors import InputError
from memnotify.model import Arch

_EXEC, _I386, _X86_64 = 2, 3, 62
_SYMTAB, _STRTAB, _NOBITS = 2, 3, 8
_ALLOC_EXEC = 0x2 | 0x4
_FUNCTION, _OBJECT, _GLOBAL = 2, 1, 1
_TEXT_INDEX, _ABSOLUTE = 1, 0xFFF1
_CODE = frozenset("tTwW")
_NAMES = b"\0.text\0.symtab\0.strtab\0"


def _header(word: str) -> np.dtype[Any]:
    fields = ("ident", "S16"), ("type", "<u2"), ("machine", "<u2"), ("version", "<u4")
    places = [(name, word) for name in ("entry", "phoff", "shoff")]
    sizes = [(name, "<u2") for name in ("ehsize", "phsize", "phnum", "shsize", "shnum", "names")]
    return np.dtype([*fields, *places, ("flags", "<u4"), *sizes])


def _section(word: str) -> np.dtype[Any]:
    wide = [(name, word) for name in ("flags", "address", "offset", "size")]
    rest = [("link", "<u4"), ("info", "<u4"), ("align", word), ("entry", word)]
    return np.dtype([("name", "<u4"), ("type", "<u4"), *wide, *rest])


def _symbol(arch: Arch) -> np.dtype[Any]:
    name, info = [("name", "<u4")], [("info", "u1"), ("other", "u1"), ("section", "<u2")]
    if arch is Arch.X86_64:
        return np.dtype([*name, *info, ("value", "<u8"), ("size", "<u8")])
    return np.dtype([*name, ("value", "<u4"), ("size", "<u4"), *info])


def read_symbols(system_map: Path) -> list[tuple[int, str, str]]:
    """Return address, kind and name of each symbol of a System.map.

    Raises InputError if the file is not a System.map.
    """
    try:
        rows = [
            line.split(maxsplit=2) for line in system_map.read_text(encoding="utf-8").splitlines()
        ]
        found = [(int(address, 16), kind, name) for address, kind, name in rows]
        if not any(kind in _CODE for _, kind, _ in found):
            raise ValueError("it has no code")
    except (OSError, ValueError) as error:
        raise InputError(f"not a System.map: {error}", file=system_map) from error
    return found


def write_symbols(system_map: Path, output: Path, *, arch: Arch) -> None:
    """Write an ELF file with the symbols of a System.map. Raises as `read_symbols` does."""
    found = read_symbols(system_map)
    start = min(address for address, kind, _ in found if kind in _CODE)
    # Lower values are offsets into per-CPU memory.
    found = sorted(row for row in found if row[0] >= start)
    end = max(address for address, kind, _ in found if kind in _CODE) + 1
    symbols = _table(found, arch)
    strings = b"\0" + b"".join(name.encode() + b"\0" for *_, name in found)
    output.write_bytes(_file(arch, symbols, strings, text=(start, end - start)))


def _table(found: list[tuple[int, str, str]], arch: Arch) -> npt.NDArray[Any]:
    table = np.zeros(1 + len(found), _symbol(arch))
    addresses = np.array([address for address, *_ in found], "u8")
    edges = np.unique(np.append(addresses, addresses[-1] + np.uint64(1)))
    code = np.array([kind in _CODE for _, kind, _ in found])
    body = table[1:]
    lengths = (len(name.encode()) + 1 for *_, name in found[:-1])
    body["name"] = list(itertools.accumulate(lengths, initial=1))
    body["value"] = addresses
    # Up to the next symbol with another address.
    body["size"] = edges[np.searchsorted(edges, addresses, side="right")] - addresses
    body["info"] = _GLOBAL << 4 | np.where(code, _FUNCTION, _OBJECT)
    body["section"] = np.where(code, _TEXT_INDEX, _ABSOLUTE)
    return table


def _file(arch: Arch, symbols: npt.NDArray[Any], strings: bytes, *, text: tuple[int, int]) -> bytes:
    """Assemble header, section headers, symbols, strings and section names."""
    wide = arch is Arch.X86_64
    word = "<u8" if wide else "<u4"
    header, sections = np.zeros(1, _header(word)), np.zeros(5, _section(word))
    parts = [symbols.tobytes(), strings, _NAMES]
    starts = itertools.accumulate(map(len, parts), initial=header.itemsize + sections.nbytes)
    _, code, symtab, strtab, names = sections
    code["name"], code["type"], code["flags"] = _NAMES.index(b".text"), _NOBITS, _ALLOC_EXEC
    code["address"], code["size"] = text
    symtab["name"], symtab["type"] = _NAMES.index(b".symtab"), _SYMTAB
    symtab["link"], symtab["info"], symtab["entry"] = 3, 1, symbols.itemsize
    for section in (strtab, names):
        section["name"], section["type"] = _NAMES.index(b".strtab"), _STRTAB
    for section, part, start in zip((symtab, strtab, names), parts, starts, strict=False):
        section["offset"], section["size"] = start, len(part)
    header["ident"] = b"\x7fELF" + bytes([2 if wide else 1, 1, 1])
    header["type"], header["machine"], header["version"] = _EXEC, _X86_64 if wide else _I386, 1
    header["shoff"], header["ehsize"] = header.itemsize, header.itemsize
    header["shsize"], header["shnum"], header["names"] = sections.itemsize, len(sections), 4
    return b"".join([header.tobytes(), sections.tobytes(), *parts])
