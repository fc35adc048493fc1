"""Kernel tarballs: looked into, unpacked strictly, made.

Stricter than tarfile's `data` filter, which the Python of Debian 12 does not have: an entry that is
no plain file, folder or relative link inside the tree, or that would be written through a link, is
refused, and so is an archive with more in it than any kernel has.
"""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Self

from memnotify.errors import InputError
from memnotify.series.quilt import makefile_version

# Linux 6.1 has 84,000 entries and 1.3 GB.
_MOST_ENTRIES = 250_000
_MOST_BYTES = 4 << 30
_LONGEST_HEADER = 1 << 20
_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

_DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)


class _Entry(tarfile.TarInfo):
    """An entry whose headers are not as long as memory is; tarfile reads them whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        entry = super().frombuf(buf, encoding, errors)
        if entry.type in _HEADERS and entry.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {entry.size} bytes")
        return entry


@contextmanager
def _opened(tarball: Path) -> Iterator[Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]]:
    try:
        # A stream: never seeks back, so each byte is decompressed once. gz, bz2 and xz alike.
        with tarfile.open(tarball, "r|*", tarinfo=_Entry) as archive:
            yield _counted(archive, tarball)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        raise InputError(f"not a whole tar archive: {error}", file=tarball) from error


def _counted(
    archive: tarfile.TarFile, tarball: Path
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    size, sizes = 0, dict[str, int]()
    for count, entry in enumerate(archive, 1):
        # A hard link becomes a copy.
        linked = sizes.get(normpath(entry.linkname), 0)
        sizes[normpath(entry.name)] = linked if entry.islnk() else entry.size
        size += sizes[normpath(entry.name)]
        if count > _MOST_ENTRIES or size > _MOST_BYTES:
            raise InputError(
                f"larger than any kernel source: entry {count}, {size} bytes", file=tarball
            )
        yield archive, entry


def top_and_version(tarball: Path) -> tuple[str, str]:
    """Return the folder in a tarball that holds the kernel tree ("" for none), and its version.

    Raises InputError if the archive is damaged or there is no kernel's Makefile at its top.
    """
    with _opened(tarball) as entries:
        for archive, entry in entries:
            path = PurePosixPath(normpath(entry.name))
            if path.name == "Makefile" and len(path.parts) <= 2 and entry.isfile():
                data = archive.extractfile(entry)
                version = makefile_version(data.read().decode(errors="replace")) if data else None
                if version is not None:
                    return ("" if len(path.parts) == 1 else path.parts[0]), version
    raise InputError(
        "not a kernel source tree: it has no top-level Makefile that states a version", file=tarball
    )


def look_through(tarball: Path, top: str) -> None:
    """Raise the InputError that `unpack` would raise; nothing is written."""
    with _opened(tarball) as entries:
        for _ in _belonging(entries, top, tarball):
            pass


def unpack(tarball: Path, top: str, folder: Path) -> None:
    """Unpack what is below `top` into an empty folder, with the times of the archive.

    Raises InputError for the first entry that does not belong into a source tree.
    """
    with _opened(tarball) as entries:
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
    entries: Iterable[tuple[tarfile.TarFile, tarfile.TarInfo]], top: str, tarball: Path
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
    if top and path.parts[0] != top:
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
