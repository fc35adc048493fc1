"""Some mails out of a mailbox, which may be a whole list's of a year: read one after the other."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from memnotify.errors import InputError
from memnotify.mailpatch.limits import MAX_BYTES
from memnotify.mailpatch.mail import Mail, headers_of, mails_of, read_mails

Wanted = Callable[[Mapping[str, str]], bool]
"""Tells of a mail by its headers (From, Date, Subject, Message-Id) if it is wanted."""

_START = re.compile(rb"From (?=\S+ .*\d\d:\d\d:\d\d)")


def mails_in_mbox(path: Path, wanted: Wanted) -> list[Mail]:
    """Return the wanted mails of an mbox. Raises InputError if it cannot be read, or is none."""
    if not path.exists():
        raise InputError("there is no such file", file=path, hint="--mbox names an mbox")
    if path.is_dir():
        raise InputError("is a folder", file=path, hint="--maildir names a maildir")
    if path.is_char_device() or path.is_block_device():
        raise InputError("is a device, and no mbox", file=path)
    try:
        with path.open("rb") as file:
            if not _START.match(file.readline(1_000)):
                # One mail, or the text of pages: not long enough to be read in part.
                return read_mails(path)
        return [
            dataclasses.replace(mail, first=None if mail.first is None else mail.first + above)
            for data, above in _split(path)
            if len(data) <= MAX_BYTES and wanted(headers_of(data.partition(b"\n")[2]))
            for mail in mails_of(data, path)
        ]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error


def _split(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield each mail of an mbox with its From line, and the number of lines above it."""
    lines: list[bytes] = []
    above = 0
    with path.open("rb") as file:
        for line in file:
            if _START.match(line) and lines:
                yield b"".join(lines), above
                above += len(lines)
                lines = []
            lines.append(line)
    if lines:
        yield b"".join(lines), above


def mails_in_maildir(path: Path, wanted: Wanted) -> list[Mail]:
    """Return the wanted mails of a maildir. Raises InputError if it cannot be read, or is none."""
    parts = [path / "cur", path / "new"]
    if not all(part.is_dir() for part in parts):
        raise InputError("is no maildir: it has no folders cur and new", file=path)
    found: list[Mail] = []
    for file in (file for part in parts for file in sorted(part.iterdir())):
        try:
            if not file.is_file() or file.stat().st_size > MAX_BYTES:
                continue
            data = file.read_bytes()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", file=file) from error
        if data.strip() and wanted(headers_of(data)):
            found += mails_of(data, file)
    return found
