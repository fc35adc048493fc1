"""Pieces of a base that a user gives, and those that are not what they should be."""

from __future__ import annotations

import bz2
import gzip
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify.digest import digest_tree
from memnotify.errors import InfrastructureError, InputError

from tests.support.in_pieces import (
    LINUX,
    MAKEFILE,
    MM1,
    PRESS,
    RC6,
    Lab,
    tarball,
)
from tests.support.tarballs import trust_all
from tests.support.website import serve


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with serve(tmp_path / "site") as site:
        yield Lab(site, tmp_path)


def test_the_makefile_has_the_last_word(lab: Lab) -> None:
    lab.publish_mm1(MM1.replace(b"+EXTRAVERSION = -rc6-mm1", b"+EXTRAVERSION = -rc6-mm2"))
    with pytest.raises(InfrastructureError, match=r"2\.6\.24-rc6-mm2, which is not 2\.6\.24-rc6"):
        lab.fetch()
    assert not lab.base.lock.exists(), "a wrong file was pinned"
    assert lab.store.listing("source") == []
    lab.publish_mm1(MM1)
    lab.fetch()


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        (MM1.replace(b" SUBLEVEL = 24", b" SUBLEVEL = 25"), "does not apply .* Makefile hunk 1"),
        (MM1.replace(b"a/mm/pagewalk.c", b"a/../../evil"), "leads out of the tree"),
        (MM1.replace(b"a/mm/pagewalk.c", b"/tmp/evil"), "/tmp/evil leads out of the tree"),
        (b"diff --git a/x b/x\nnew file mode 120000\n" + MM1, "symbolic link"),
        (MM1[:-20], "incomplete hunk header"),
        (MM1[:-5], "does not apply|cut off"),
        (MM1[:-16], "truncated within a hunk"),
        (b"<html>Please log in</html>\n", "no unified diff"),
        (b"--- a/Makefile\n+++ a/Makefile\n1c\nevil\n.\n!touch evil\n", "no unified diff"),
    ],
)
def test_a_bad_patch_is_refused_and_not_pinned(lab: Lab, patch: bytes, complaint: str) -> None:
    lab.publish_mm1(patch)
    with pytest.raises(InfrastructureError, match=complaint) as caught:
        lab.fetch()
    assert "\n" not in str(caught.value)
    assert not lab.base.lock.exists()
    assert not list(lab.store.root.rglob("evil"))
    assert lab.store.listing("source") == []


def test_a_patch_that_needs_fuzz_is_refused(lab: Lab) -> None:
    hunk = b"--- a/mm/vmscan.c\n+++ a/mm/vmscan.c\n@@ -1,3 +1,3 @@\n"
    lab.publish_mm1(MM1 + hunk + b" int other;\n-int second;\n+int zweite;\n int third;\n")
    with pytest.raises(InfrastructureError, match=r"vmscan\.c hunk 1"):
        lab.fetch()


def test_a_patch_that_is_a_bomb_is_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memnotify.kernel.assemble._MOST_BYTES", 1 << 20)
    lab.publish_mm1(b"\0" * (8 << 20))
    with pytest.raises(InfrastructureError, match="larger than any kernel patch"):
        lab.fetch()


@pytest.mark.parametrize("suffix", ["xz", "bz2", "gz", ""])
def test_a_folder_with_the_pieces_is_taken(lab: Lab, tmp_path: Path, suffix: str) -> None:
    lab.describe()
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, data in (
        ("linux-2.6.23.tar", LINUX),
        ("patch-2.6.24-rc6", RC6),
        ("2.6.24-rc6-mm1", MM1),
    ):
        (folder / (f"{name}.{suffix}" if suffix else name)).write_bytes(PRESS[suffix](data))
    source = lab.fetch(folder)
    assert lab.asked() == []
    assert not lab.base.lock.exists(), "what is given by hand is not for others"
    assert source.version == "2.6.24-rc6-mm1"
    tree = tmp_path / "tree"
    with tarfile.open(source.tarball) as archive:
        trust_all(archive)
        archive.extractall(tree)
    # The same tree, given as a tree, is the same source, whatever its pieces were.
    assert lab.fetch(tree).digest == source.digest == digest_tree(tree)


def test_a_folder_that_lacks_a_piece_is_refused(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "linux-2.6.23.tar.bz2").write_bytes(bz2.compress(LINUX))
    with pytest.raises(InputError, match=r"this folder has no patch-2\.6\.24-rc6") as caught:
        lab.fetch(folder)
    assert caught.value.file == folder


def test_a_wrong_piece_by_hand_is_refused(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "linux-2.6.23.tar.bz2").write_bytes(bz2.compress(LINUX + b"x"))
    with pytest.raises(InputError, match=r"mine/linux-2\.6\.23\.tar\.bz2: its SHA-256 is"):
        lab.fetch(folder)


def test_a_tarball_of_the_whole_tree_is_taken(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "mine.tar.gz"
    whole = tarball(("linux/Makefile", MAKEFILE.format(24, " -rc6-mm1").encode()))
    file.write_bytes(gzip.compress(whole))
    assert lab.fetch(file).version == "2.6.24-rc6-mm1"
    file.write_bytes(gzip.compress(LINUX))
    with pytest.raises(InputError, match=r"Linux 2\.6\.23, which is not 2\.6\.24-rc6-mm1"):
        lab.fetch(file)
