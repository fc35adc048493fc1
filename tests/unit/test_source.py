"""Sources, fetched from a stand-in for kernel.org or given, and the tools to build them."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.base import Base, load_base
from memnotify.kernel.download import download
from memnotify.kernel.source import ensure_source
from memnotify.kernel.stored import kept_source
from memnotify.kernel.toolchain import identify, missing_packages
from memnotify.model import Arch
from memnotify.process import Completed, run
from memnotify.store import Store

from tests.support.sources import (
    MAKEFILE,
    base,
    entry,
    fetch,
    kernel_org,
    kernel_tarball,
    publish,
    quiet,
    tarball,
)
from tests.support.website import Site


def test_the_newest_of_kernel_org_is_fetched_once(site: Site, store: Store) -> None:
    folder, address = site.folder, site.address
    publish(folder, "9", "10", "2")
    where = base(kernel_org(address))
    source = ensure_source(where, None, store=store, progress=quiet)
    assert (source.version, source.top) == ("6.1.10", "linux")
    assert source.digest == hashlib.sha256(source.tarball.read_bytes()).hexdigest()
    for file in folder.iterdir():
        file.unlink()
    assert ensure_source(where, None, store=store, progress=quiet) == source
    assert kept_source(where, store=store) == source


def test_a_wrong_checksum_leaves_nothing_and_says_both(site: Site, store: Store) -> None:
    folder, address = site.folder, site.address
    publish(folder, "9")
    file = folder / "linux-6.1.9.tar.xz"
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(file.read_bytes() + b"x")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(InfrastructureError) as caught:
        fetch(base(kernel_org(address)), store)
    said = str(caught.value)
    assert expected in said
    assert found in said
    assert "\n" not in said
    assert "memnotify kernel fetch 6.1 --source" in said
    assert not [
        path for path in store.root.rglob("*") if path.is_file() and "lock" not in str(path)
    ]


def test_a_download_is_there_whole_or_not_at_all(site: Site, tmp_path: Path) -> None:
    folder, address = site.folder, site.address
    (folder / "file").write_bytes(b"data")
    target = tmp_path / "target"
    with pytest.raises(InfrastructureError, match="404"):
        download(address + "other", target, "0" * 64)
    with pytest.raises(InfrastructureError, match="was expected"):
        download(address + "file", target, "0" * 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]
    download(address + "file", target, hashlib.sha256(b"data").hexdigest())
    assert target.read_bytes() == b"data"


def test_without_a_network_one_line_says_what_was_tried(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # hides apt-get
    where = base(
        {"kind": "debian", "package": "linux-source-6.1", "member": "x"},
        kernel_org("http://127.0.0.1:1/"),
    )
    with pytest.raises(InfrastructureError) as caught:
        fetch(where, store)
    assert caught.value.kind == "unreachable"
    said = str(caught.value)
    assert "\n" not in said
    for part in ("linux-source-6.1: this is not a Debian", "127.0.0.1:1", "--source"):
        assert part in said


def test_a_given_source_is_kept_for_later(tmp_path: Path, store: Store) -> None:
    file = kernel_tarball(tmp_path / "mine.tar.xz")
    source = fetch(base(), store, file)
    file.unlink()
    assert ensure_source(base(), None, store=store, progress=quiet) == source
    assert source.tarball.name == "mine.tar.xz"


@pytest.mark.parametrize("cut", [False, True])
def test_a_bad_tarball_is_refused_under_its_own_name_and_not_kept(
    tmp_path: Path, store: Store, cut: bool
) -> None:
    makefile = entry("linux/Makefile", MAKEFILE)
    link = entry("linux/link", kind=tarfile.SYMTYPE, link="/etc/passwd")
    large = entry("linux/a", bytes(90_000))
    file = tarball(tmp_path / "mine.tar", makefile, large, link, compression="")
    if cut:
        file.write_bytes(file.read_bytes()[:80_000])
    said = (
        "not a whole tar archive: unexpected end"
        if cut
        else "linux/link is a link that leaves the tree"
    )
    with pytest.raises(InputError, match=said) as caught:
        fetch(base(), store, file)
    assert caught.value.file == file
    assert kept_source(base(), store=store) is None
    assert store.listing("source") == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("include/generated/autoconf.h", "has been built in this tree (run make mrproper in it)"),
        (".config", "has been built in this tree (run make mrproper in it)"),
    ],
)
def test_a_tree_that_was_built_in_is_refused(
    tmp_path: Path, store: Store, make: str, said: str
) -> None:
    tree = tmp_path / "tree"
    (tree / make).parent.mkdir(parents=True)
    (tree / make).touch()
    (tree / "Makefile").write_bytes(MAKEFILE)
    with pytest.raises(InputError) as caught:
        fetch(base(), store, tree)
    assert said in str(caught.value)


def test_a_source_that_is_not_there_or_not_the_base(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match="no such tree or tarball"):
        fetch(base(), store, tmp_path / "nothing")
    file = tarball(tmp_path / "x", entry("l/Makefile", MAKEFILE.replace(b"= 1\n", b"= 12\n")))
    with pytest.raises(InputError, match=r"Linux 6\.12\.9, which is not 6\.1"):
        fetch(base(), store, file)
    assert kept_source(base(), store=store) is None


# --- tools


def test_missing_tools_are_one_line_with_their_packages() -> None:
    where = base(tools={"no-such-tool": "such-tools", "gcc": "gcc", "nor-this": "such-tools"})
    assert missing_packages(where) == {"no-such-tool": "such-tools", "nor-this": "such-tools"}
    with pytest.raises(InfrastructureError) as caught:
        identify(where, Arch.X86_64, None)
    assert str(caught.value) == (
        "building 6.1 needs no-such-tool, nor-this (sudo apt-get install such-tools)"
    )


def test_a_missing_header_counts() -> None:
    table = load_base("6.1").table.model_copy(
        update={"tools": {"gcc": "gcc"}, "headers": {"no-such.h": "such-dev", "stdio.h": "libc"}}
    )
    assert missing_packages(Base("6.1", table, Path())) == {"no-such.h": "such-dev"}


def test_gcc_is_asked_for_headers_once_and_again_when_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run asks for each kernel, several times; each time took a gcc for each header."""
    asked: list[str] = []

    def counting(argv: Sequence[str], **options: Any) -> Completed:
        asked.append(" ".join(argv))
        return run(argv, **options)

    monkeypatch.setattr("memnotify.kernel.toolchain.run", counting)
    headers = [tmp_path / "one.h", tmp_path / "a blank.h"]
    for header in headers:
        header.touch()
    packages = {str(header): f"lib{number}-dev" for number, header in enumerate(headers)}
    table = load_base("6.1").table.model_copy(update={"tools": {"gcc": "gcc"}, "headers": packages})
    where = Base("6.1", table, Path())
    assert (missing_packages(where), missing_packages(where), len(asked)) == ({}, {}, 1)
    headers[1].unlink()
    assert missing_packages(where) == {str(headers[1]): "lib1-dev"}
    headers[1].touch()
    assert missing_packages(where) == {}


def test_a_compiler_that_is_not_there() -> None:
    with pytest.raises(InputError, match="there is no compiler no-such-cc"):
        identify(base(tools={"gcc": "gcc"}), Arch.X86_64, "no-such-cc")


def test_a_compiler_is_asked_once_and_again_when_it_is_another(tmp_path: Path) -> None:
    """A run asks for the toolchain of each kernel several times; each time took a second."""
    cc, asked = tmp_path / "own-cc", tmp_path / "asked"
    where = base(tools={"gcc": "gcc"})

    def install(version: str) -> None:
        cc.write_text(
            f'#!/bin/sh\necho "$*" >>{asked}\n[ "$1" != --version ] || echo own {version}\n'
        )
        cc.chmod(0o755)

    install("1.0")
    first = identify(where, Arch.X86_64, str(cc))
    once = asked.read_text()
    assert identify(where, Arch.X86_64, str(cc)) == first
    assert asked.read_text() == once
    assert first.versions["cc"] == "own 1.0"
    install("1.0.1")
    assert identify(where, Arch.X86_64, str(cc)).versions["cc"] == "own 1.0.1"
