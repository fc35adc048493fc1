"""Archives: unpacked strictly, within limits, and packed again."""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from memnotify.archive import ArchiveLimits, look_through, pack, unpack
from memnotify.errors import InputError
from memnotify.kernel.tarball import LIMITS, top_and_version

from tests.support.sources import (
    MAKEFILE,
    Compression,
    Entry,
    entry,
    kernel_tarball,
    tarball,
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_any_compression_is_unpacked(tmp_path: Path, out: Path, compression: Compression) -> None:
    file = kernel_tarball(tmp_path / "x", compression=compression)
    assert top_and_version(file) == ("linux", "6.1.9")
    unpack(file, "linux", out, LIMITS)
    assert (out / "Makefile").read_bytes() == MAKEFILE
    assert (out / "Makefile").stat().st_mtime == 1_000_000_000
    assert (out / "Documentation/Makefile").exists()


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_what_is_behind_an_archive_is_not_part_of_it(
    tmp_path: Path, out: Path, compression: Compression
) -> None:
    """A file of xz may be padded, and other programs do not mind a signature behind one of gzip."""
    for padding in (bytes(512), b"-----BEGIN"):
        file = kernel_tarball(tmp_path / "x", compression=compression)
        file.write_bytes(file.read_bytes() + padding)
        unpack(file, "linux", out, LIMITS)
        assert (out / "Makefile").read_bytes() == MAKEFILE
        shutil.rmtree(out)


def test_a_tarball_without_a_top_folder(tmp_path: Path, out: Path) -> None:
    file = tarball(
        tmp_path / "x", entry("./tools/Makefile", b"all:\n"), entry("./Makefile", MAKEFILE)
    )
    assert top_and_version(file) == ("", "6.1.9")
    unpack(file, "", out, LIMITS)
    assert (out / "tools/Makefile").exists()


def test_a_tarball_of_a_folder_itself(tmp_path: Path, out: Path) -> None:
    """As `tar -c .` writes it: with an entry for the folder, above the tree's."""
    file = tarball(
        tmp_path / "x", entry(".", kind=tarfile.DIRTYPE), entry("./linux/Makefile", MAKEFILE)
    )
    assert top_and_version(file) == ("linux", "6.1.9")
    unpack(file, "linux", out, LIMITS)
    assert (out / "Makefile").read_bytes() == MAKEFILE


def test_links_inside_the_tree_are_kept(tmp_path: Path, out: Path) -> None:
    file = tarball(
        tmp_path / "x",
        entry("linux/a/file", b"x"),
        entry("linux/b/link", kind=tarfile.SYMTYPE, link="../a/file"),
        entry("linux/b/hard", kind=tarfile.LNKTYPE, link="linux/a/file"),
    )
    unpack(file, "linux", out, LIMITS)
    assert (out / "b/link").readlink() == Path("../a/file")
    assert (out / "b/hard").read_bytes() == b"x"
    (out / "b/hard").write_bytes(b"y")
    assert (out / "a/file").read_bytes() == b"x"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("linux/../../evil", b"x")],
        [entry("/evil", b"x")],
        [entry("linux/link", kind=tarfile.SYMTYPE, link="../evil")],
        [entry("linux/link", kind=tarfile.SYMTYPE, link="/etc/passwd")],
        [
            # The names say linux/a/b, but the first link leads to linux.
            entry("linux/a/b/up", kind=tarfile.SYMTYPE, link="../.."),
            entry("linux/link", kind=tarfile.SYMTYPE, link="a/b/up/.."),
        ],
        [entry("linux/hard", kind=tarfile.LNKTYPE, link="../evil")],
        [entry("linux/null", kind=tarfile.CHRTYPE)],
        [
            entry("linux/d", kind=tarfile.SYMTYPE, link="."),
            entry("linux/d/file", b"through a link"),
        ],
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, out: Path, entries: list[Entry]) -> None:
    file = tarball(tmp_path / "x", *entries)
    with pytest.raises(InputError) as caught:
        unpack(file, "linux", out, LIMITS)
    assert caught.value.file == file
    assert not list(tmp_path.rglob("evil"))


def timed(name: str, mtime: float) -> Entry:
    info, data = entry(name, b"x")
    info.mtime = mtime
    return info, data


def pax(name: str, link: str = "", **headers: str) -> Entry:
    info, data = entry(name, kind=tarfile.SYMTYPE if link else tarfile.REGTYPE, link=link)
    info.pax_headers = headers
    return info, data


FOLDER = entry("linux/a", kind=tarfile.DIRTYPE)
FILE = entry("linux/a", b"x")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([timed("linux/a", 10**30)], r"linux/a is damaged: its time is 1e\+30"),
        ([timed("linux/a", -(10**30))], r"linux/a is damaged: its time is -1e\+30"),
        ([pax("linux/a", mtime="inf")], "linux/a is damaged: its time is inf"),
        ([pax("linux/a", mtime="nan")], "linux/a is damaged: its time is nan"),
        ([pax("linux/a", path="linux/a\0b")], r"linux/a\\x00b is damaged: a name has a NUL"),
        ([pax("linux/a", link="b", linkpath="b\0")], "linux/a is damaged: a name has a NUL"),
        ([FILE, FILE], "linux/a is in the archive twice"),
        ([FILE, FOLDER], "linux/a is in the archive twice"),
        ([FOLDER, FILE], "linux/a is in the archive twice"),
        ([entry("linux/a/b"), FILE], "linux/a is in the archive twice"),
        ([FILE, entry("linux/a/b/c")], "linux/a/b/c is below an entry that is not a folder"),
        *(
            ([FOLDER, entry("linux/b", kind=tarfile.LNKTYPE, link=link)], "linux/b is a hard link")
            for link in ("linux/nothing", "linux/a", "linux/b")
        ),
        *(
            ([entry("linux/b", kind=tarfile.SYMTYPE, link=link)], "linux/b is a link with an empty")
            for link in ("", "a" * 5000)
        ),
        ([entry("linux/" + "a" * 300)], r"linux/a{34} … a{40} has too long a name"),
        ([entry("linux/" + 3000 * "d/" + "a")], "has too long a name"),
        ([entry("linux/" + 101 * "d/" + "a")], "is more than 100 folders deep"),
    ],
)
def test_what_no_file_system_holds_is_refused_without_writing(
    tmp_path: Path, out: Path, entries: list[Entry], said: str
) -> None:
    file = tarball(tmp_path / "x", *entries, compression="")
    for unpacked in (False, True):
        with pytest.raises(InputError, match=said) as caught:
            if unpacked:
                unpack(file, "linux", out, LIMITS)
            else:
                look_through(file, "linux", LIMITS)
        assert caught.value.file == file


def test_nonsense_in_headers_is_not_our_bug(tmp_path: Path, out: Path) -> None:
    plain = tarball(tmp_path / "plain", entry("linux/a"), compression="").read_bytes()
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    # tarfile follows a chain of headers by recursion.
    (tmp_path / "chain").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) * 2000 + plain)
    sparse = pax("linux/a", **{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
    tarball(tmp_path / "sparse", sparse, entry("linux/b", b"none\n"), compression="")
    for name in ("chain", "sparse"):
        with pytest.raises(InputError, match="not a whole tar archive"):
            unpack(tmp_path / name, "linux", out, LIMITS)


@pytest.mark.parametrize(
    ("number", "ours"), [(errno.ENAMETOOLONG, False), (errno.ENOSPC, True), (errno.EACCES, True)]
)
def test_an_error_of_the_disk_is_not_the_archives(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, number: int, ours: bool
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "utime", fail)
    file = kernel_tarball(tmp_path / "x")
    with pytest.raises(OSError if ours else InputError) as caught:
        unpack(file, "linux", out, LIMITS)
    if not ours:
        assert "linux/Documentation/Makefile cannot be unpacked: File name too" in str(caught.value)


def test_a_folder_may_be_there_twice(tmp_path: Path, out: Path) -> None:
    file = tarball(tmp_path / "x", entry("linux/a/b"), FOLDER, FOLDER, entry("linux/a/c"))
    unpack(file, "linux", out, LIMITS)
    assert sorted(path.name for path in out.rglob("*")) == ["a", "b", "c"]


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path, out: Path) -> None:
    limits = ArchiveLimits(kind="kernel", entries=20, size=1 << 20)
    many = tarball(tmp_path / "many", *(entry(f"linux/{n}") for n in range(21)))
    large = tarball(tmp_path / "large", entry("linux/a", b"\0" * (1 << 20)), entry("linux/b", b"x"))
    copies = tarball(
        tmp_path / "copies",
        entry("linux/a", b"\0" * (1 << 19)),
        entry("linux/b", kind=tarfile.LNKTYPE, link="linux/a"),
        entry("linux/c", kind=tarfile.LNKTYPE, link="./linux/b"),
    )
    for file in (many, large, copies):
        with pytest.raises(InputError, match="larger than any kernel"):
            unpack(file, "linux", out, limits)
        shutil.rmtree(out)
        out.mkdir()
    long = "linux/" + "a" * (1 << 20)
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "header", "w", format=form) as archive:
            archive.addfile(tarfile.TarInfo(long))
        with pytest.raises(InputError, match=r"a header of \d+ bytes"):
            unpack(tmp_path / "header", "linux", out, limits)


def test_a_header_that_only_says_that_it_is_long_is_refused(tmp_path: Path) -> None:
    """A terabyte: tarfile would ask for all of it at once, or read as much as there is."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    content = b"a" * (1 << 21)
    (tmp_path / "x").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + content)
    with pytest.raises(InputError, match=r"a header of \d{7,} bytes"):
        look_through(tmp_path / "x", "linux", LIMITS)


def test_a_cut_or_foreign_file_is_no_archive(tmp_path: Path) -> None:
    whole = kernel_tarball(tmp_path / "x")
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:60])
    (tmp_path / "text").write_text("hello" * 1000)
    for name in ("cut", "text"):
        with pytest.raises(InputError, match="not a whole tar archive"):
            top_and_version(tmp_path / name)
    other = tarball(tmp_path / "other", entry("a/README", b"x"))
    with pytest.raises(InputError, match="not a kernel source tree"):
        top_and_version(other)


def test_a_packed_tree_comes_back(tmp_path: Path, out: Path) -> None:
    tree = tmp_path / "tree"
    (tree / ".git").mkdir(parents=True)
    (tree / ".git/HEAD").touch()
    (tree / "Makefile").write_bytes(MAKEFILE)
    (tree / "link").symlink_to("Makefile")
    os.link(tree / "Makefile", tree / "second")
    pack(tree, tmp_path / "x.tar")
    unpack(tmp_path / "x.tar", "", out, LIMITS)
    assert sorted(path.name for path in out.iterdir()) == ["Makefile", "link", "second"]
    assert (out / "second").read_bytes() == MAKEFILE
