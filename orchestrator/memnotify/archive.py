"""Tarballs: read entry by entry, unpacked strictly, made.

Stricter than tarfile's `data` filter, which the Python of Debian 12 does not have. Refused are an
entry that is not a plain file, folder or relative link inside the tree, an entry that would be
written through a symbolic link, and an archive with more in it than its reader allows.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import BinaryIO, cast

from memnotify.errors import InputError

_LONGEST_HEADER = 1 << 20
_PIECE = 1 << 16

_Entries = Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]

_DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """The most that an archive of some kind holds; `kind` completes "larger than any …"."""

    kind: str
    entries: int
    size: int
    """Bytes, once unpacked."""


class _Stream:
    """The bytes of a tarball, unpacked, for tarfile to read: forwards only, each byte once.

    tarfile reads a header whole, however long it says it is, and data in small pieces: so a long
    read is a long header, and is refused. This looks at what tarfile asks for and relies on nothing
    within it.
    """

    def __init__(self, plain: BinaryIO) -> None:
        self._plain = plain
        self._at = 0

    def read(self, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        data = self._plain.read(size)
        self._at += len(data)
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        if position < self._at:
            raise tarfile.StreamError("seeking backwards")
        while self._at < position and self.read(min(position - self._at, _PIECE)):
            pass


def _unpacked(file: BufferedReader) -> BinaryIO:
    """Return what is in a file that is packed with gzip, bzip2 or xz, or is not packed."""
    start = file.peek(8)
    if start.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if start.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(file))
    if start.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return cast("BinaryIO", lzma.LZMAFile(file))
    return file


@contextmanager
def opened(tarball: Path, limits: ArchiveLimits) -> Iterator[_Entries]:
    """Yield the entries of a tarball, each with the archive to extract it from, in their order.

    Raises InputError if the archive is damaged or exceeds its limits.
    """
    try:
        with (
            tarball.open("rb") as file,
            _unpacked(file) as plain,
            tarfile.TarFile(fileobj=cast("BinaryIO", _Stream(plain)), mode="r") as archive,
        ):
            yield _counted(archive, tarball, limits)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        raise InputError(f"not a whole tar archive: {error}", file=tarball) from error


def _counted(archive: tarfile.TarFile, tarball: Path, limits: ArchiveLimits) -> _Entries:
    size, sizes = 0, dict[str, int]()
    for count, entry in enumerate(archive, 1):
        # A hard link becomes a copy.
        linked = sizes.get(normpath(entry.linkname), 0)
        sizes[normpath(entry.name)] = linked if entry.islnk() else entry.size
        size += sizes[normpath(entry.name)]
        if count > limits.entries or size > limits.size:
            text = f"larger than any {limits.kind}: entry {count}, {size} bytes"
            raise InputError(text, file=tarball)
        yield archive, entry


def look_through(tarball: Path, top: str, limits: ArchiveLimits) -> None:
    """Raise the InputError that `unpack` would raise; nothing is written."""
    with opened(tarball, limits) as entries:
        for _ in _belonging(entries, top, tarball):
            pass


def unpack(tarball: Path, top: str, folder: Path, limits: ArchiveLimits) -> None:
    """Unpack what is below `top` into an empty folder, with the times of the archive.

    Raises InputError for the first entry that does not belong into a plain tree of files.
    """
    with opened(tarball, limits) as entries:
        for archive, entry, path, linked in _belonging(entries, top, tarball):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if entry.isdir():
                target.mkdir(exist_ok=True)
            elif entry.issym():
                target.symlink_to(entry.linkname)
            elif linked is not None:
                shutil.copy2(folder / linked, target)
            else:
                data = archive.extractfile(entry)
                assert data is not None  # it is a file
                mode = 0o755 if entry.mode & 0o100 else 0o644
                with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
                    shutil.copyfileobj(data, out)
                os.utime(target, (entry.mtime, entry.mtime))


def _belonging(
    entries: _Entries, top: str, tarball: Path
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, PurePosixPath, PurePosixPath | None]]:
    """Yield what is below `top`: archive, entry, its path there, and what it is a hard link to."""
    links: set[PurePosixPath] = set()
    for archive, entry in entries:
        path = _inside(entry.name, top, tarball)
        if path is None:
            continue
        if not links.isdisjoint(path.parents) or path in links:
            raise InputError(f"{entry.name} would be written through a symbolic link", file=tarball)
        if not (entry.isdir() or entry.isfile() or entry.issym() or entry.islnk()):
            raise InputError(f"{entry.name} is not a file, folder or link", file=tarball)
        if entry.issym():
            _check_link(entry, path, tarball)
            links.add(path)
        linked = _linked(entry, top, links, tarball) if entry.islnk() else None
        yield archive, entry, path, linked


def _inside(name: str, top: str, tarball: Path) -> PurePosixPath | None:
    if name.startswith("/") or ".." in name.split("/"):
        raise InputError(f"{name} leads out of the tree", file=tarball)
    path = PurePosixPath(normpath(name))
    if top and path.parts[:1] != (top,):
        return None
    inner = PurePosixPath(*path.parts[1:]) if top else path
    return inner if inner.parts else None


def _check_link(entry: tarfile.TarInfo, path: PurePosixPath, tarball: Path) -> None:
    leads = normpath(path.parent / entry.linkname)
    if entry.linkname.startswith("/") or leads == ".." or leads.startswith("../"):
        raise InputError(f"{entry.name} is a link that leaves the tree", file=tarball)


def _linked(
    entry: tarfile.TarInfo, top: str, links: set[PurePosixPath], tarball: Path
) -> PurePosixPath:
    """Return the path, below `top`, of the file that a hard link is another name of."""
    first = _inside(entry.linkname, top, tarball)
    if first is None or first in links or not links.isdisjoint(first.parents):
        raise InputError(f"{entry.name} is a link that leaves the tree", file=tarball)
    return first


def pack(tree: Path, tarball: Path) -> None:
    """Write a tree, without .git, as an uncompressed tarball."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if ".git" in entry.name.split("/") else entry

    with tarfile.open(tarball, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree.iterdir()):
            archive.add(path, arcname=path.name, filter=plain)
