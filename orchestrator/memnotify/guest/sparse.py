"""Copies and packs files that are mostly holes, without the holes.

Sizes and offsets are in bytes. All functions raise OSError.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from typing import Any

Extents = list[tuple[int, int]]
"""Offset and length of each extent of data."""


def extents(fd: int) -> Extents:
    """Return where a file has data; the rest is holes."""
    found, end = [], os.fstat(fd).st_size
    for start in _data(fd, end):
        stop = os.lseek(fd, start, os.SEEK_HOLE)
        found.append((start, stop - start))
    return found


def _data(fd: int, end: int) -> Iterator[int]:
    at = 0
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # only a hole is left
                raise
            return
        yield at
        at = os.lseek(fd, at, os.SEEK_HOLE)


def copy(source: int, target: int) -> None:
    """Give an empty file the size and data of another file."""
    os.truncate(target, os.fstat(source).st_size)
    for offset, length in extents(source):
        _copy(source, offset, target, offset, length)


def pack(sources: Mapping[str, int], target: int) -> dict[str, Any]:
    """Write the data of all sources one after the other. Return what `unpack` needs, for JSON."""
    index: dict[str, Any] = {}
    at = 0
    for name, source in sources.items():
        found = extents(source)
        index[name] = {"size": os.fstat(source).st_size, "at": at, "extents": found}
        for offset, length in found:
            _copy(source, offset, target, at, length)
            at += length
    return index


def unpack(source: int, entry: Mapping[str, Any], target: int) -> None:
    """Give an empty file the size and data of one entry of an index."""
    os.truncate(target, entry["size"])
    at = entry["at"]
    for offset, length in entry["extents"]:
        _copy(source, at, target, offset, length)
        at += length


def _copy(source: int, read_at: int, target: int, write_at: int, length: int) -> None:
    os.lseek(target, write_at, os.SEEK_SET)
    while length:
        done = os.sendfile(target, source, read_at, length)
        if not done:
            raise OSError(errno.EIO, "a file was truncated while it was being copied")
        read_at += done
        length -= done
