"""Sources from Debian packages: fetched with apt, or given by a user, from wherever they are."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from memnotify.archive import ArchiveLimits
from memnotify.errors import InfrastructureError, InputError
from memnotify.store import Store

from tests.support.sources import (
    Entry,
    base,
    entry,
    fetch,
    kernel_org,
    kernel_tarball,
    publish,
)
from tests.support.website import Site

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
[ "$1" = --fsys-tarfile ] && tar -c -P --transform "s|.*|./usr/src/linux.tar.xz|" "$2"
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
    debian: Path, store: Store, site: Site
) -> None:
    debian.rename(debian.with_name("away"))
    with pytest.raises(InfrastructureError, match="Failed to fetch it Could not resolve"):
        fetch(base(DEBIAN), store)
    publish(site.folder, "9")
    assert fetch(base(DEBIAN, kernel_org(site.address)), store).origin.startswith(site.address)


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


def made_package(file: Path, data: bytes, name: str = "data.tar") -> Path:
    """A package that dpkg-deb would not build: any bytes can be its files."""
    control = io.BytesIO()
    with tarfile.open(fileobj=control, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("control"))
    content = b"!<arch>\n"
    for member, part in (
        ("debian-binary", b"2.0\n"),
        ("control.tar", control.getvalue()),
        (name, data),
    ):
        content += f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(part):<10}`\n".encode()
        content += part + b"\n" * (len(part) % 2)
    file.write_bytes(content)
    return file


def members(*entries: Entry) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def sized(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """The header of an entry that says it has so many bytes."""
    info, _ = entry(name, kind=kind)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


LINUX = "usr/src/linux.tar.xz"
HOSTILE = {
    "a bomb in the member": (sized(LINUX, 1 << 40) + bytes(1 << 20), "larger than any package"),
    "a bomb elsewhere": (sized("usr/other", 1 << 40) + bytes(1 << 20), "larger than any package"),
    "many entries": (members(*(entry(f"usr/{n}") for n in range(1001))), "larger than any package"),
    "a long header": (sized("././@LongLink", 1 << 40, tarfile.GNUTYPE_LONGNAME), "a header of"),
    "a cut member": (members(entry(LINUX, bytes(90_000)))[:50_000], "not a whole"),
    "no archive": (b"hello" * 1000, "not a whole"),
    "data after the end": (members(entry(LINUX, b"x")) + bytes(2 << 20), "data after its end"),
    "a link": (members(entry(LINUX, kind=tarfile.SYMTYPE, link="/etc/passwd")), "has no usr/src"),
    "a device": (members(entry(LINUX, kind=tarfile.CHRTYPE)), "has no usr/src"),
    "a hard link": (
        members(entry("a", b"x"), entry(LINUX, kind=tarfile.LNKTYPE, link="a")),
        "has no usr/src",
    ),
}


@pytest.mark.parametrize(("data", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_debian_package_is_refused_and_leaves_nothing(
    tmp_path: Path, store: Store, data: bytes, said: str
) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb")
    file = made_package(tmp_path / "mine.deb", data)
    with pytest.raises(InputError, match=said) as caught:
        fetch(base(DEBIAN), store, file)
    assert caught.value.file == file
    assert store.listing("source") == []
    assert not list(store.root.rglob("linux.tar.xz"))


def test_a_compressed_bomb_is_refused_before_it_fills_the_disk(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dpkg-deb unpacks what is 15 KB in the package to 100 MB; the limit stops it before."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb")
    monkeypatch.setattr(
        "memnotify.kernel.debian._LIMITS",
        ArchiveLimits(kind="package of kernel source", entries=10, size=1 << 20),
    )
    packed = lzma.compress(sized(LINUX, 100 << 20) + bytes(100 << 20))
    file = made_package(tmp_path / "mine.deb", packed, "data.tar.xz")
    assert file.stat().st_size < 1 << 16
    with pytest.raises(InputError, match="larger than any package of kernel source: entry 1, 1048"):
        fetch(base(DEBIAN), store, file)
    assert store.listing("source") == []


def test_files_of_a_package_beside_its_tarball_are_not_unpacked(
    tmp_path: Path, store: Store
) -> None:
    """A package may have links and names that lead out of it: only one file is taken."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb")
    tarball = kernel_tarball(tmp_path / "linux.tar.xz").read_bytes()
    data = members(
        entry("./", kind=tarfile.DIRTYPE),
        entry("./usr/lib", kind=tarfile.SYMTYPE, link="/lib"),
        entry("../../evil", b"x"),
        entry(f"./{LINUX}", tarball),
        entry(f"./{LINUX}", b"a second one"),
    )
    source = fetch(base(DEBIAN), store, made_package(tmp_path / "mine.deb", data))
    assert source.tarball.read_bytes() == tarball
    assert [path.name for path in tmp_path.rglob("*evil*")] == []
