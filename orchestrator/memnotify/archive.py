"""Read, strictly unpack and write tarballs.

This is stricter than tarfile's `data` filter, which Debian 12's Python lacks. It refuses entries
other than plain files, folders and relative links inside the tree, entries that would be written
through a symbolic link, and archives that exceed the limits of their reader.
"""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Self

from memnotify.errors import InputError

_LONGEST_HEADER = 1 << 20
_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

_Entries = Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]

_DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """The limits for archives of one kind; `kind` completes the message "larger than any …"."""

    kind: str
    entries: int
    size: int
    """Bytes, once unpacked."""


class _Entry(tarfile.TarInfo):
    """An entry with a limit on its headers, which tarfile reads into memory whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        entry = super().frombuf(buf, encoding, errors)
        if entry.type in _HEADERS and entry.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {entry.size} bytes")
        return entry


@contextmanager
def opened(tarball: Path, limits: ArchiveLimits) -> Iterator[_Entries]:
    """Yield an iterator over the entries of a tarball, each with the archive to extract it from.

    Raises InputError if the archive is damaged or exceeds its limits.
    """
    try:
        # A stream never seeks back, so each byte is decompressed once. Reads gz, bz2 and xz.
        with tarfile.open(tarball, "r|*", tarinfo=_Entry) as archive:
            yield _counted(archive, tarball, limits)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the disk, not of the archive
        raise InputError(f"not a whole tar archive: {error}", file=tarball) from error


def _counted(archive: tarfile.TarFile, tarball: Path, limits: ArchiveLimits) -> _Entries:
    size, sizes = 0, dict[str, int]()
    for count, entry in enumerate(archive, 1):
        # A hard link is unpacked as a copy.
        linked = sizes.get(normpath(entry.linkname), 0)
        sizes[normpath(entry.name)] = linked if entry.islnk() else entry.size
        size += sizes[normpath(entry.name)]
        if count > limits.entries or size > limits.size:
            text = f"larger than any {limits.kind}: entry {count}, {size} bytes"
            raise InputError(text, file=tarball)
        yield archive, entry


def look_through(tarball: Path, top: str, limits: ArchiveLimits) -> None:
    """Raise the InputError that `unpack` would raise, without writing anything."""
    with opened(tarball, limits) as entries:
        for _ in _belonging(entries, top, tarball):
            pass


def unpack(tarball: Path, top: str, folder: Path, limits: ArchiveLimits) -> None:
    """Unpack the entries below `top` into an empty folder, with the timestamps of the archive.

    Raises InputError for the first entry that does not belong in a plain tree of files.
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
    """Yield archive, entry, path below `top` and hard link target of each entry below `top`."""
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
    """Return the path, below `top`, of the target of a hard link."""
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
