"""Made-up sources of a base 6.1: tarballs of kernels, and where they are published."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Literal

from memnotify.kernel.base import Base, BaseTable
from memnotify.kernel.source import fetch_source
from memnotify.kernel.stored import Source
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
