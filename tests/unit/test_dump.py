"""The note that a dump gets, and the comparison of a kernel with one that has debug information."""

from __future__ import annotations

import gzip
import struct
import subprocess
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.guest.dump import add_note, vmcoreinfo
from memnotify.kernel.dwarf import same_kernel, unpacked

BUILD_ID = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"
SYMBOLS = {"init_top_pgt": 0xFFFFFFFF81A0C000, "_stext": 0xFFFFFFFF81000000}


def core(notes: bytes, memory: bytes) -> bytes:
    """Return an ELF core file of 64 bits, with the segments that QEMU writes."""
    places = 64 + 2 * 56
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    note = struct.pack("<IIQQQQQQ", 4, 0, places, 0, 0, len(notes), len(notes), 0)
    size = len(memory)
    load = struct.pack("<IIQQQQQQ", 1, 0, places + len(notes), 0, 0x1000, size, size, 0)
    return header + note + load + notes + memory


def test_the_note_is_added_to_those_that_are_there(tmp_path: Path) -> None:
    file = tmp_path / "vmcore"
    there = struct.pack("<III", 5, 4, 1) + b"CORE\0\0\0\0" + b"regs"
    file.write_bytes(core(there, b"memory of the guest"))
    text = vmcoreinfo(SYMBOLS, release="6.1.1")
    with file.open("r+b") as opened:
        add_note(opened, text)
    said = subprocess.run(["readelf", "-nW", file], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    assert "CORE" in said.stdout
    assert "VMCOREINFO" in said.stdout
    assert b"memory of the guest" in file.read_bytes()
    assert text in file.read_bytes()
    assert text.decode().splitlines()[:3] == [
        "OSRELEASE=6.1.1",
        "PAGESIZE=4096",
        "SYMBOL(swapper_pg_dir)=ffffffff81a0c000",
    ]


def test_a_kernel_without_a_page_table_has_no_note() -> None:
    with pytest.raises(InfrastructureError, match="swapper_pg_dir, init_top_pgt"):
        vmcoreinfo({"_stext": 1}, release="6.1.1")


def test_a_file_of_32_bits_gets_no_note(tmp_path: Path) -> None:
    file = tmp_path / "vmcore"
    file.write_bytes(b"\x7fELF\x01".ljust(200, b"\0"))
    with file.open("r+b") as opened, pytest.raises(InfrastructureError, match="64 bits"):
        add_note(opened, b"")


def kernels(tmp_path: Path, first: bytes, second: bytes, *, system_map: str = "1 T a\n") -> Path:
    """Write a kernel of the store, and one in a tree; the folder has `store` and `tree`."""
    store, tree = tmp_path / "store", tmp_path / "tree"
    (tree / "arch/x86/boot").mkdir(parents=True)
    store.mkdir()
    (store / "System.map").write_text("1 T a\n")
    (tree / "System.map").write_text(system_map)
    boot = b"MZ\x1f\x8b\x08\x00 no kernel yet "
    (store / "bzImage").write_bytes(boot + gzip.compress(first))
    (tree / "arch/x86/boot/bzImage").write_bytes(boot + gzip.compress(second))
    return tmp_path


def test_only_the_notes_that_name_the_file_may_differ(tmp_path: Path) -> None:
    first, second = (b"code" + BUILD_ID + bytes([digest]) * 20 + b"more code" for digest in (1, 2))
    folder = kernels(tmp_path, first, second)
    assert same_kernel(folder / "store", folder / "tree") == {"bytes": len(first), "build_ids": 1}


def test_one_other_byte_is_another_kernel(tmp_path: Path) -> None:
    folder = kernels(tmp_path, b"the same code", b"the name code")
    with pytest.raises(InfrastructureError, match="1 of its 13 bytes differ"):
        same_kernel(folder / "store", folder / "tree")


def test_another_address_is_another_kernel(tmp_path: Path) -> None:
    folder = kernels(tmp_path, b"code", b"code", system_map="2 T a\n")
    with pytest.raises(InfrastructureError, match="other addresses"):
        same_kernel(folder / "store", folder / "tree")


def test_a_kernel_that_gzip_has_not_packed_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(b"\x1f\x8b\x08\x00 and nothing more")
    with pytest.raises(InfrastructureError, match="gzip"):
        unpacked(image)
