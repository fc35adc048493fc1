"""The initramfs, without a compiler."""

from __future__ import annotations

import builtins
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import libarchive
import pytest
from memnotify import places
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.image import initramfs, prebuilt
from memnotify.image.build import ensure_image
from memnotify.image.program import ensure_program, sources
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
    with pytest.raises(InputError, match=r"the data of the project \(\*\.c\) are missing"):
        sources(tmp_path)


class Compiler:
    """Stands for zig: `program.compile_program` and the version that is installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.version: str | None = "ziglang 0"
        monkeypatch.setattr("memnotify.image.program.compile_program", self.compile)
        monkeypatch.setattr("memnotify.image.program._compiler_version", lambda: self.version)

    def compile(self, arch: Arch, files: tuple[Path, ...], output: Path, **_: Any) -> None:
        self.calls += 1
        output.write_bytes(b"".join(path.read_bytes() for path in files if path.suffix == ".c"))


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    return Compiler(monkeypatch)


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of images/, which the project uses instead of its own."""
    copy = tmp_path / "images"
    shutil.copytree(places.IMAGES, copy)
    monkeypatch.setattr("memnotify.places.IMAGES", copy)
    return copy


def key(store: Path) -> str:
    return ensure_image(Arch.I386, store=Store(store), log=CommandLog()).key


def test_nothing_is_compiled_for_the_sources_of_the_project(
    tmp_path: Path, compiler: Compiler
) -> None:
    compiler.version = None
    for arch in Arch:
        image = ensure_image(arch, store=Store(tmp_path), log=CommandLog())
        assert image.file("agent").read_bytes() == prebuilt.path(arch).read_bytes()
        assert image.file("agent").stat().st_mode & 0o111
        assert ensure_program(arch, store=Store(tmp_path), log=CommandLog()).prebuilt
    assert compiler.calls == 0


@pytest.mark.parametrize("change", ["source", "flags", "example"])
def test_what_a_prebuilt_program_was_not_made_from_is_compiled(
    change: str, tmp_path: Path, images: Path, compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(tmp_path / "store")
    if change == "source":
        with (images / "guest" / "main.c").open("a") as file:
            file.write("/* changed */\n")
    elif change == "flags":
        monkeypatch.setattr("memnotify.image.program._FLAGS", ("-O2",))
    else:
        monkeypatch.setattr("memnotify.image.example.usage_example", lambda _: "int changed;\n")
    assert key(tmp_path / "store") != before
    assert compiler.calls == 1
    key(tmp_path / "store")
    assert compiler.calls == 1


def test_what_is_compiled_is_what_the_key_says(
    tmp_path: Path, images: Path, compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail is read once: it could change between the key and the compilation."""
    (images / "prebuilt" / "made.toml").unlink()
    calls = iter(["int first;\n"])
    monkeypatch.setattr("memnotify.image.example.usage_example", lambda _: next(calls))
    key(tmp_path / "store")
    assert compiler.calls == 1


def test_a_change_that_gives_the_same_program_gives_the_same_image(
    tmp_path: Path, images: Path, compiler: Compiler
) -> None:
    header = images / "guest" / "record.h"
    keys = set()
    for comment in ("/* one */\n", "/* two */\n"):
        header.write_text(header.read_text() + comment)
        keys.add(key(tmp_path / "store"))
    assert compiler.calls == 2
    assert len(keys) == 1


def test_without_a_compiler_changed_sources_are_refused(
    tmp_path: Path, images: Path, compiler: Compiler
) -> None:
    (images / "guest" / "more.c").write_text("int more;\n")
    compiler.version = None
    with pytest.raises(InfrastructureError) as caught:
        key(tmp_path / "store")
    assert str(images / "guest") in str(caught.value)
    assert "zig" in str(caught.value) and " install ziglang==" in str(caught.value)


def test_a_damaged_prebuilt_program_is_refused(
    tmp_path: Path, images: Path, compiler: Compiler
) -> None:
    with (images / "prebuilt" / "agent-i386").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InfrastructureError, match=r"agent-i386 is not the program that made\.toml"):
        key(tmp_path / "store")
    assert not list(tmp_path.glob("store/image/*"))


def test_without_the_folder_everything_is_compiled(
    tmp_path: Path, images: Path, compiler: Compiler
) -> None:
    shutil.rmtree(images / "prebuilt")
    key(tmp_path / "store")
    assert compiler.calls == 1
    compiler.version = None
    with pytest.raises(InfrastructureError, match=r"must be compiled.* install ziglang\)$"):
        key(tmp_path / "other")


def test_without_the_patches_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program includes an example that is part of a patch's mail."""
    monkeypatch.setattr(places, "PATCHES", tmp_path / "patches")
    assert main(["image", "build"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"memnotify: {tmp_path}/patches/mem_notify/v4/original: the data of the project "
        "(3-of-5.txt) are missing (set MEMNOTIFY_HOME to a checkout, or install memnotify again)"
    ]


def test_prebuild_writes_what_is_then_used(
    tmp_path: Path,
    images: Path,
    compiler: Compiler,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (images / "guest" / "main.c").write_text("int changed;\n")
    assert main(["image", "prebuild"]) == 0
    made = images / "prebuilt" / "made.toml"
    assert capsys.readouterr().out.splitlines() == [
        *(str(prebuilt.path(arch, own=own)) for own in (False, True) for arch in Arch),
        str(made),
    ]
    assert 'compiler = "ziglang 0"' in made.read_text()
    calls, compiler.version = compiler.calls, None
    assert key(tmp_path / "store")
    assert compiler.calls == calls == 4


@pytest.mark.parametrize("line", ['program = "x"', "more = 1"])
def test_a_made_toml_that_is_not_one_is_refused(
    line: str, tmp_path: Path, images: Path, compiler: Compiler
) -> None:
    made = images / "prebuilt" / "made.toml"
    text = re.sub('program = ".*"', line, made.read_text())
    made.write_text(text)
    with pytest.raises(InputError, match=r"made\.toml:"):
        key(tmp_path / "store")
