"""Read, strictly unpack and write tarballs.

This is stricter than tarfile's `data` filter, which Debian 12's Python lacks. It refuses entries
other than plain files, folders and relative links inside the tree, entries that would be written
through a symbolic link, and archives that exceed the limits of their reader.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import posixpath
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from itertools import dropwhile
from pathlib import Path
from posixpath import normpath
from typing import BinaryIO, cast

from memnotify.errors import InputError
from memnotify.read_ahead import Readable, ReadAhead
from memnotify.text import printable, shortened

_LONGEST_HEADERS = 1 << 20  # bytes of all headers of one entry
_PIECE = 1 << 16
_LARGE_PIECE = 1 << 20

_Entries = Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]

_DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)

# What tarfile itself raises for nonsense in a header, such as a number that is none.
_NONSENSE = (ValueError, ArithmeticError, LookupError, RecursionError)

# What a name or a link can do to the file system. Other errors, such as a full disk, are not the
# archive's.
_OF_CONTENT = {
    errno.EEXIST,
    errno.EILSEQ,
    errno.EINVAL,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
}

# A path has at most 4095 bytes on Linux, and a name 255. A folder of ours comes before it.
_LONGEST_NAME = 255
_LONGEST_PATH = 3000
_DEEPEST = 100
_LATEST = 1 << 40  # seconds, in either direction


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """The limits for archives of one kind; `kind` completes the message "larger than any …"."""

    kind: str
    entries: int
    size: int
    """Bytes, once unpacked."""


class _Stream:
    """The bytes of a tarball, unpacked, for tarfile to read: forwards only, each byte once.

    tarfile reads a header however long it says it is: whole, or since Python 3.14 in pieces. So
    what it reads while it looks for the next entry is counted, and refused if it is too much. This
    looks at what tarfile asks for and relies on nothing within it.
    """

    def __init__(self, plain: Readable) -> None:
        self._plain = plain
        self._at = 0
        self._header: int | None = 0  # bytes of headers since the last entry; None: data are read

    def next_of(self, entries: Iterator[tarfile.TarInfo]) -> tarfile.TarInfo | None:
        """Return the next entry, or None: all that is read for it is headers."""
        self._header = 0
        entry = next(entries, None)
        self._header = None
        return entry

    def read(self, size: int) -> bytes:
        if self._header is not None:
            if not 0 <= self._header + size <= _LONGEST_HEADERS:
                raise tarfile.ReadError(f"a header of {self._header + size} bytes")
            self._header += size
        return self._read(size)

    def _read(self, size: int) -> bytes:
        data = self._plain.read(size)
        self._at += len(data)
        return data

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        if position < self._at:
            raise tarfile.StreamError("seeking backwards")
        while self._at < position and self._read(min(position - self._at, _PIECE)):
            pass


def _unpacked(
    file: BufferedReader,
) -> gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile | BufferedReader:
    """Return what is in a file that is packed with gzip, bzip2 or xz, or is not packed."""
    start = file.peek(8)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lzma.LZMAFile(file)
    return file


@contextmanager
def opened(
    tarball: Path, limits: ArchiveLimits, content: BinaryIO | None = None
) -> Iterator[_Entries]:
    """Yield an iterator over the entries of a tarball, each with the archive to extract it from.

    `content` is the plain archive if it is within another file, which is then the `tarball` that
    errors name. Raises InputError if the archive is damaged or exceeds its limits.
    """
    try:
        with ExitStack() as stack:
            # A stream never seeks back, so each byte is decompressed once.
            plain: Readable | None = content
            if plain is None:
                packed = stack.enter_context(tarball.open("rb"))
                plain = stack.enter_context(ReadAhead(stack.enter_context(_unpacked(packed))))
            stream = _Stream(plain)
            with _reading(tarball):
                archive = stack.enter_context(
                    tarfile.TarFile(fileobj=cast("BinaryIO", stream), mode="r")
                )
            yield _counted(archive, stream, tarball, limits)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the disk, not of the archive
        raise InputError(f"not a whole tar archive: {error}", file=tarball) from error


def _counted(
    archive: tarfile.TarFile, stream: _Stream, tarball: Path, limits: ArchiveLimits
) -> _Entries:
    size, sizes = 0, dict[str, int]()
    for count, entry in enumerate(_read(archive, stream, tarball), 1):
        # A hard link is unpacked as a copy.
        own = sizes.get(normpath(entry.linkname), 0) if entry.islnk() else entry.size
        sizes[normpath(entry.name)] = own
        size += own
        if count > limits.entries or size > limits.size:
            text = f"larger than any {limits.kind}: entry {count}, {size} bytes"
            raise InputError(text, file=tarball)
        yield archive, entry


def _read(archive: tarfile.TarFile, stream: _Stream, tarball: Path) -> Iterator[tarfile.TarInfo]:
    entries = iter(archive)
    while True:
        with _reading(tarball):
            entry = stream.next_of(entries)
        if entry is None:
            return
        yield entry


@contextmanager
def _reading(tarball: Path) -> Iterator[None]:
    try:
        yield
    except _NONSENSE as error:
        raise InputError(f"not a whole tar archive: {error}", file=tarball) from error


def look_through(tarball: Path, top: str, limits: ArchiveLimits) -> None:
    """Raise the InputError that `unpack` would raise, without writing anything."""
    with opened(tarball, limits) as entries:
        for _ in _belonging(entries, top, tarball):
            pass


def unpack(tarball: Path, top: str, folder: Path, limits: ArchiveLimits) -> None:
    """Unpack the entries below `top` into an empty folder, with the timestamps of the archive.

    Raises InputError for the first entry that does not belong in a plain tree of files, and OSError
    for an error of the disk.
    """
    with opened(tarball, limits) as entries:
        placed = _Placed(folder)
        for archive, entry, path, linked in _belonging(entries, top, tarball):
            with _placing(entry, tarball):
                placed.add(archive, entry, path, linked)


class _Placed:
    """The entries of an archive in a folder.

    A kernel has 80,000 files, so each takes as few system calls as it can, and no Path.
    """

    def __init__(self, folder: Path) -> None:
        self._top = os.fspath(folder)
        self._made = {self._top}

    def add(
        self, archive: tarfile.TarFile, entry: tarfile.TarInfo, path: str, linked: str | None
    ) -> None:
        """Write an entry. `path` and `linked`, the target of a hard link, are below the folder."""
        target = f"{self._top}/{path}"
        self._make(target if entry.isdir() else posixpath.dirname(target))
        if entry.isdir():
            return
        if entry.issym():
            Path(target).symlink_to(entry.linkname)
        elif linked is not None:
            shutil.copy2(f"{self._top}/{linked}", target)
        else:
            data = archive.extractfile(entry)
            assert data is not None  # it is a file
            mode = 0o755 if entry.mode & 0o100 else 0o644
            number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            try:
                while piece := data.read(_LARGE_PIECE):
                    _write(number, piece)
                os.utime(number, (entry.mtime, entry.mtime))
            finally:
                os.close(number)

    def _make(self, folder: str) -> None:
        if folder not in self._made:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)


def _write(number: int, data: bytes) -> None:
    """Write all of some bytes to a file that is open. Raises OSError."""
    done = os.write(number, data)
    while done < len(data):
        done += os.write(number, data[done:])


@contextmanager
def _placing(entry: tarfile.TarInfo, tarball: Path) -> Iterator[None]:
    """Turn an error that the content of the archive causes into InputError."""
    try:
        yield
    except _NONSENSE as error:
        raise _refused(entry, f"is damaged: {error}", tarball) from error
    except OSError as error:
        if error.errno not in _OF_CONTENT:
            raise
        raise _refused(entry, f"cannot be unpacked: {error.strerror}", tarball) from error


def _belonging(
    entries: _Entries, top: str, tarball: Path
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, str, str | None]]:
    """Yield archive, entry, path below `top` and hard link target of each entry below `top`."""
    tree = _Tree()
    for archive, entry in entries:
        if "\0" in entry.name + entry.linkname:
            raise _refused(entry, "is damaged: a name has a NUL", tarball)
        path = _inside(entry.name, top, tarball)
        if path is None:
            continue
        if tree.leads_through_link(path):
            raise _refused(entry, "would be written through a symbolic link", tarball)
        if not (entry.isdir() or entry.isfile() or entry.issym() or entry.islnk()):
            raise _refused(entry, "is not a file, folder or link", tarball)
        if not abs(entry.mtime) < _LATEST:  # not >=, because of a NaN
            raise _refused(entry, f"is damaged: its time is {entry.mtime:g}", tarball)
        if entry.issym():
            _check_link(entry, path, tarball)
            tree.links.add(path)
        linked = _linked(entry, top, tree, tarball) if entry.islnk() else None
        if linked is not None and linked not in tree.files:
            raise _refused(entry, "is a hard link, but no file before it is its target", tarball)
        wrong = _too_long(path) or tree.add(path, folder=entry.isdir())
        if wrong is not None:
            raise _refused(entry, wrong, tarball)
        yield archive, entry, path, linked


class _Tree:
    """The paths of the entries so far, and of the folders above them."""

    def __init__(self) -> None:
        self.folders = {""}
        """What is above one of them is one of them too, and so none is a link."""
        self.files: set[str] = set()
        """Files and links."""
        self.links: set[str] = set()

    def leads_through_link(self, path: str) -> bool:
        """Return whether a path is a symbolic link, or is below one."""
        if path in self.links:
            return True
        return any(parent in self.links for parent in self._new_above(path))

    def _new_above(self, path: str) -> Iterator[str]:
        """Yield what is above a path, from below, up to a folder that is there."""
        while (path := path.rpartition("/")[0]) not in self.folders:
            yield path

    def add(self, path: str, *, folder: bool) -> str | None:
        """Add a path. Returns what is wrong with it: another entry is in its place."""
        above = list(self._new_above(path))
        if not self.files.isdisjoint(above):
            return "is below an entry that is not a folder"
        self.folders.update(above)
        if path in self.files or (path in self.folders and not folder):
            return "is in the archive twice"
        (self.folders if folder else self.files).add(path)
        return None


def _too_long(path: str) -> str | None:
    name = os.fsencode(path)
    if len(name) > _LONGEST_NAME and (
        len(name) > _LONGEST_PATH or max(map(len, name.split(b"/"))) > _LONGEST_NAME
    ):
        return "has too long a name for a file system"
    return f"is more than {_DEEPEST} folders deep" if path.count("/") >= _DEEPEST else None


def _refused(entry: tarfile.TarInfo, wrong: str, tarball: Path) -> InputError:
    return InputError(f"{shortened(printable(entry.name))} {wrong}", file=tarball)


def _inside(name: str, top: str, tarball: Path) -> str | None:
    """Return the path of an entry below `top`; None for what is not there."""
    if name.startswith("/") or ".." in name.split("/"):
        raise InputError(f"{shortened(printable(name))} leads out of the tree", file=tarball)
    path = normpath(name)
    if not top:
        return None if path == "." else path
    return path[len(top) + 1 :] if path.startswith(f"{top}/") else None


def _check_link(entry: tarfile.TarInfo, path: str, tarball: Path) -> None:
    leads = normpath(posixpath.join(posixpath.dirname(path), entry.linkname))
    if entry.linkname.startswith("/") or leads == ".." or leads.startswith("../"):
        raise _refused(entry, "is a link that leaves the tree", tarball)
    names = entry.linkname.split("/")
    if ".." in dropwhile(lambda name: name in ("", ".", ".."), names):
        # Above what, is not known from names: one before it may be a link as well.
        raise _refused(entry, "is a link with '..' behind a name", tarball)
    if not 0 < len(os.fsencode(entry.linkname)) <= _LONGEST_PATH:
        raise _refused(entry, "is a link with an empty or too long target", tarball)


def _linked(entry: tarfile.TarInfo, top: str, tree: _Tree, tarball: Path) -> str:
    """Return the path, below `top`, of the target of a hard link."""
    first = _inside(entry.linkname, top, tarball)
    if first is None or tree.leads_through_link(first):
        raise _refused(entry, "is a link that leaves the tree", tarball)
    return first


def pack(tree: Path, tarball: Path) -> None:
    """Write a tree, without .git, as an uncompressed tarball."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if ".git" in entry.name.split("/") else entry

    with tarfile.open(tarball, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree.iterdir()):
            archive.add(path, arcname=path.name, filter=plain)
