"""Sources: fetched from stand-ins for Debian and kernel.org, checked, and unpacked strictly."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest
from memnotify.archive import ArchiveLimits, look_through, pack, unpack
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.base import Base, BaseTable, load_base
from memnotify.kernel.download import download
from memnotify.kernel.source import Source, ensure_source, fetch_source, kept_source
from memnotify.kernel.tarball import LIMITS, top_and_version
from memnotify.kernel.toolchain import identify, missing_packages
from memnotify.model import Arch
from memnotify.store import Store

MAKEFILE = b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 9\nEXTRAVERSION =\n"


Entry = tuple[tarfile.TarInfo, bytes]
Compression = Literal["", "gz", "bz2", "xz"]
_MODES: dict[Compression, Literal["w:", "w:gz", "w:bz2", "w:xz"]] = {
    "": "w:",
    "gz": "w:gz",
    "bz2": "w:bz2",
    "xz": "w:xz",
}


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mtime = kind, link, len(data), 1_000_000_000
    return info, data


def tarball(path: Path, *entries: Entry, compression: Compression = "xz") -> Path:
    with tarfile.open(path, _MODES[compression]) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return path


def kernel_tarball(path: Path, version: bytes = b"9", compression: Compression = "xz") -> Path:
    return tarball(
        path,
        entry("linux/Documentation/Makefile", b"all:\n"),
        entry("linux/Makefile", MAKEFILE.replace(b"= 9", b"= " + version)),
        compression=compression,
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


# --- candidates


def base(*sources: dict[str, str], tools: dict[str, str] | None = None) -> Base:
    table = BaseTable.model_validate(
        {
            "version": r"6\.1\.\d+",
            "source": list(sources),
            "arch": {"x86_64": {"config": [], "make": {}}},
            "tools": tools or {},
        }
    )
    return Base("6.1", table, Path())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Yield a folder, and the address of a server that serves it."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def kernel_org(address: str) -> dict[str, str]:
    return {
        "kind": "kernel.org",
        "folder": address,
        "file": r"linux-6\.1\.\d+\.tar\.xz",
        "checksums": "sha256sums.asc",
    }


def publish(folder: Path, *versions: str) -> None:
    """Put tarballs of these versions and their checksums on the site."""
    sums = "-----BEGIN PGP SIGNED MESSAGE-----\n"
    for version in versions:
        file = kernel_tarball(folder / f"linux-6.1.{version}.tar.xz", version.encode())
        sums += f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
    (folder / "sha256sums.asc").write_text(sums)


def quiet(line: str) -> None:
    pass


def fetch(base: Base, store: Store, given: Path | None = None) -> Source:
    return fetch_source(base, None if given is None else str(given), store=store, progress=quiet)


def test_the_newest_of_kernel_org_is_fetched_once(site: tuple[Path, str], store: Store) -> None:
    folder, address = site
    publish(folder, "9", "10", "2")
    where = base(kernel_org(address))
    source = ensure_source(where, None, store=store, progress=quiet)
    assert (source.version, source.top) == ("6.1.10", "linux")
    assert source.digest == hashlib.sha256(source.tarball.read_bytes()).hexdigest()
    for file in folder.iterdir():
        file.unlink()
    assert ensure_source(where, None, store=store, progress=quiet) == source
    assert kept_source(where, store=store) == source


def test_a_wrong_checksum_leaves_nothing_and_says_both(
    site: tuple[Path, str], store: Store
) -> None:
    folder, address = site
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


def test_a_download_is_there_whole_or_not_at_all(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = site
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


APT_CACHE = """#!/bin/sh
[ "$*" = "pkgnames linux-source-" ] && { cat /DEB/names; exit; }
[ "$*" = "show --no-all-versions linux-source-6.1" ] || exit 100
printf 'Package: linux-source-6.1\\nVersion: 6.1.9-1\\nSHA256: {sha256}\\n'
"""
APT_GET = """#!/bin/sh
[ "$*" = "-q download linux-source-6.1=6.1.9-1" ] || { echo "E: bad call"; exit 100; }
[ -e /DEB/ ] || { echo "E: Failed to fetch it  Could not resolve"; exit 100; }
cp /DEB/x.deb linux-source-6.1_6.1.9-1_all.deb
"""
DPKG_DEB = """#!/bin/sh
mkdir -p "$3/usr/src" && cp "$2" "$3/usr/src/linux.tar.xz"
"""


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make stand-ins for Debian's programs; the package is the tarball. Return its folder."""
    archive, programs = tmp_path / "archive", tmp_path / "bin"
    archive.mkdir()
    programs.mkdir()
    deb = kernel_tarball(archive / "x.deb")
    sha256 = hashlib.sha256(deb.read_bytes()).hexdigest()
    for name, text in (("apt-cache", APT_CACHE), ("apt-get", APT_GET), ("dpkg-deb", DPKG_DEB)):
        file = programs / name
        file.write_text(text.replace("{sha256}", sha256).replace("/DEB", str(archive)))
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return archive


DEBIAN = {"kind": "debian", "package": "linux-source-6.1", "member": "usr/src/linux.tar.xz"}


def test_debians_package_is_fetched_and_checked(debian: Path, store: Store) -> None:
    source = fetch(base(DEBIAN), store)
    assert source.origin == "Debian's linux-source-6.1 6.1.9-1"
    assert source.version == "6.1.9"
    (artifact,) = store.listing("source")
    assert artifact.inputs["sha256"] == source.digest  # here, the package is the tarball
    assert {path.name for path in artifact.path.iterdir()} == {"artifact.json", "linux.tar.xz"}


def test_what_this_distribution_has_is_named_instead(debian: Path, store: Store) -> None:
    other = base(DEBIAN | {"package": "linux-source-6.12"})
    names = debian / "names"
    names.write_text("linux-source-6.8.0\nlinux-source-6.1\nlinux-source\nlinux-source-5.10\n")
    with pytest.raises(
        InfrastructureError,
        match=r"linux-source-6\.12: not in this machine's package lists "
        r"\(they have linux-source-5\.10, linux-source-6\.1, linux-source-6\.8\.0\)",
    ):
        fetch(other, store)
    names.write_text("")
    with pytest.raises(InfrastructureError, match=r"package lists \(sudo apt-get update\)"):
        fetch(other, store)


def test_a_package_with_another_checksum_is_thrown_away(debian: Path, store: Store) -> None:
    with (debian / "x.deb").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InfrastructureError, match=r"x?_all\.deb: its SHA-256 is .* was expected"):
        fetch(base(DEBIAN), store)
    assert store.listing("source") == []


def test_what_apt_says_is_passed_on_and_the_next_candidate_tried(
    debian: Path, store: Store, site: tuple[Path, str]
) -> None:
    debian.rename(debian.with_name("away"))
    with pytest.raises(InfrastructureError, match="Failed to fetch it Could not resolve"):
        fetch(base(DEBIAN), store)
    folder, address = site
    publish(folder, "9")
    assert fetch(base(DEBIAN, kernel_org(address)), store).origin.startswith(address)


def test_a_given_source_is_kept_for_later(tmp_path: Path, store: Store) -> None:
    file = kernel_tarball(tmp_path / "mine.tar.xz")
    source = fetch(base(), store, file)
    file.unlink()
    assert ensure_source(base(), None, store=store, progress=quiet) == source
    assert source.tarball.name == "mine.tar.xz"


def package(folder: Path, member: str, data: bytes, link: tuple[str, str] | None = None) -> Path:
    """A Debian package with one file in it, and perhaps a link (its name and its target)."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb")
    tree = folder / "package"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: linux-source-6.1\nVersion: 6.1.9-1\nArchitecture: all\n"
        "Maintainer: Nobody <nobody@example.org>\nDescription: source\n"
    )
    (tree / member).parent.mkdir(parents=True)
    (tree / member).write_bytes(data)
    if link is not None:
        (tree / link[0]).symlink_to(link[1])
    file = folder / "mine.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--build", tree, file], check=True, capture_output=True)
    return file


def test_a_debian_package_can_be_given(tmp_path: Path, store: Store) -> None:
    tarball = kernel_tarball(tmp_path / "linux.tar.xz")
    file = package(tmp_path, "usr/src/linux.tar.xz", tarball.read_bytes())
    source = fetch(base(DEBIAN), store, file)
    assert (source.version, source.top, source.origin) == ("6.1.9", "linux", str(file))
    assert source.tarball.read_bytes() == tarball.read_bytes()
    assert source.tarball.name == "linux.tar.xz"
    (artifact,) = store.listing("source")
    assert {path.name for path in artifact.path.iterdir()} == {"artifact.json", "linux.tar.xz"}
    assert [path.name for path in artifact.path.parent.iterdir()] == [artifact.path.name]


def test_a_debian_package_can_be_given_to_a_store_behind_a_link(tmp_path: Path) -> None:
    tarball = kernel_tarball(tmp_path / "linux.tar.xz")
    file = package(tmp_path, "usr/src/linux.tar.xz", tarball.read_bytes())
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to("disk")
    store = Store(tmp_path / "cache" / "store")
    assert fetch(base(DEBIAN), store, file).version == "6.1.9"


def test_a_member_behind_a_link_in_a_debian_package_is_refused(
    tmp_path: Path, store: Store
) -> None:
    tarball = kernel_tarball(tmp_path / "linux.tar.xz")
    link = ("usr/src", "other")
    file = package(tmp_path, "usr/other/linux.tar.xz", tarball.read_bytes(), link)
    with pytest.raises(InputError, match=r"has no usr/src/linux\.tar\.xz"):
        fetch(base(DEBIAN), store, file)


@pytest.mark.parametrize(
    ("sources", "member", "data", "said"),
    [
        ([], "usr/src/linux.tar.xz", b"", r"a Debian package, and no Debian has 6\.1"),
        ([DEBIAN], "usr/src/other.tar.xz", b"", r"has no usr/src/linux\.tar\.xz"),
        ([DEBIAN], "usr/src/linux.tar.xz", b"x", r"linux\.tar\.xz in it: not a whole tar archive"),
    ],
)
def test_another_debian_package_is_refused(
    tmp_path: Path,
    store: Store,
    sources: list[dict[str, str]],
    member: str,
    data: bytes,
    said: str,
) -> None:
    file = package(tmp_path, member, data)
    with pytest.raises(InputError, match=said) as caught:
        fetch(base(*sources), store, file)
    assert caught.value.file == file
    file.write_bytes(file.read_bytes()[:100])
    if sources:
        with pytest.raises(InputError, match="not a whole Debian package"):
            fetch(base(*sources), store, file)
    assert store.listing("source") == []


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


def test_a_compiler_that_is_not_there() -> None:
    with pytest.raises(InputError, match="there is no compiler no-such-cc"):
        identify(base(tools={"gcc": "gcc"}), Arch.X86_64, "no-such-cc")
