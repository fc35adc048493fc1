"""Undo what is around the bytes of a mail: compression, UTF-16, and what programs put above it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from memnotify.errors import InputError
from memnotify.mailpatch.limits import MAX_BYTES

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_OTHERS = {b"PK\x03\x04": "a zip archive", b"\x28\xb5\x2f\xfd": "compressed with zstd"}
_PACKED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_EMLX = re.compile(rb"\s*(\d{1,8})[ \t]*\r?\n")
_COLOR = re.compile(rb"\x1b\[[\d;]*[mK]")
_COLORED = re.compile(rb"^(?:\x1b\[[\d;]*[mK])+@@ -\d", re.MULTILINE)
_LOOKED_AT = 400  # bytes


def unpacked(data: bytes, path: Path) -> bytes:
    """Return the text of a file as bytes that have ASCII in them.

    Raises InputError if it is compressed or UTF-16, and damaged or too large.
    """
    for magic, what in _OTHERS.items():
        if data.startswith(magic):
            raise InputError(f"{what}, not a mail", file=path, hint="unpack it first")
    data = _decompressed(data, path)
    order = _order_of_utf16(data)
    if order:
        try:
            data = data.decode(order).removeprefix("\ufeff").encode()
        except UnicodeError as error:
            hint = "save it as UTF-8"
            raise InputError("is UTF-16, and damaged", file=path, hint=hint) from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    # Colors of a terminal: a diff itself has none in the headers of its hunks.
    return _COLOR.sub(b"", data) if _COLORED.search(data) else data


def _decompressed(data: bytes, path: Path) -> bytes:
    opened = next((opens for magic, opens in _PACKED.items() if data.startswith(magic)), None)
    if opened is None:
        return data
    try:
        with opened(io.BytesIO(data)) as file:
            text: bytes = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError("is compressed, and damaged", file=path, hint="get it again") from error
    if len(text) > MAX_BYTES:
        raise InputError("too large for mails: more than 16 MiB", file=path)
    return text


def _order_of_utf16(data: bytes) -> str | None:
    if data[:4] == b"\xff\xfe\x00\x00":
        return "utf-32"
    if data[:2] in _UTF16:
        return "utf-16"
    begin = data[:_LOOKED_AT]
    for name, letters, nuls in (
        ("utf-16-le", begin[::2], begin[1::2]),
        ("utf-16-be", begin[1::2], begin[::2]),
    ):
        if len(nuls) > 8 and nuls.count(0) > len(nuls) * 0.8 > 8 * letters.count(0):
            return name
    return None


def without_top(data: bytes) -> tuple[bytes, int]:
    """Return a mail without what programs put above its headers, and how many lines that was.

    That is empty lines, or its length, as in an .emlx of Apple Mail, which has more text below.
    """
    above = 0
    length = _EMLX.match(data)
    if length and int(length[1]) <= len(data) - length.end():
        above = data[: length.end()].count(b"\n")
        data = data[length.end() : length.end() + int(length[1])]
    bare = data.lstrip(b"\r\n")
    return bare, above + data[: len(data) - len(bare)].count(b"\n")
