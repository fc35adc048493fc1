"""The initramfs, without a compiler."""

from __future__ import annotations

import builtins
import stat
from pathlib import Path
from typing import Any

import libarchive
import pytest
from memnotify.errors import InfrastructureError
from memnotify.image import initramfs
from memnotify.image.build import ensure_image, sources
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.store import Store


def test_it_has_the_program_and_the_nodes_that_the_kernel_wants(tmp_path: Path) -> None:
    path = tmp_path / "x.cpio"
    initramfs.write_initramfs(path, program=b"\x7fELF" + bytes(4999))
    assert path.read_bytes()[:6] == b"070701"
    found: dict[str, Any] = {}
    with libarchive.file_reader(str(path)) as archive:
        for entry in archive:
            data = b"".join(entry.get_blocks())
            found[entry.pathname] = (
                stat.filemode(entry.mode),
                (entry.rdevmajor, entry.rdevminor),
                len(data),
            )
            assert (entry.uid, entry.gid, entry.mtime) == (0, 0, 0)
    assert found == {
        "dev": ("drwxr-xr-x", (0, 0), 0),
        "dev/console": ("crw-------", (5, 1), 0),
        "dev/mem": ("crw-------", (1, 1), 0),
        "dev/null": ("crw-rw-rw-", (1, 3), 0),
        "proc": ("dr-xr-xr-x", (0, 0), 0),
        "sys": ("dr-xr-xr-x", (0, 0), 0),
        "init": ("-rwxr-xr-x", (0, 0), 5003),
    }


def test_the_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        initramfs.write_initramfs(tmp_path / name, program=b"program")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_library_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "libarchive":
            raise OSError("libarchive.so.13: cannot open shared object file")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InfrastructureError, match="apt-get install libarchive13") as caught:
        initramfs.write_initramfs(tmp_path / "x.cpio", program=b"")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"nowhere/x\.cpio cannot be written"):
        initramfs.write_initramfs(tmp_path / "nowhere" / "x.cpio", program=b"")


def test_no_sources_is_said(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="has no C sources"):
        sources(tmp_path)


def test_the_flags_of_the_compiler_are_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_program(arch: Arch, files: tuple[Path, ...], output: Path, **_: Any) -> None:
        output.write_bytes(b"program")

    def key() -> str:
        return ensure_image(Arch.I386, store=Store(tmp_path), log=CommandLog()).key

    monkeypatch.setattr("memnotify.image.build.compile_program", compile_program)
    before = key()
    assert key() == before
    monkeypatch.setattr("memnotify.image.build._FLAGS", ("-O2",))
    assert key() != before
