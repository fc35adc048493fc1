"""Select mails from a mailbox, which may hold a year of a whole list: they are read one by one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from memnotify.errors import InputError
from memnotify.files import open_file
from memnotify.mailpatch.limits import MAX_BYTES
from memnotify.mailpatch.mail import Mail, headers_of, mails_of, read_mails

Wanted = Callable[[Mapping[str, str]], bool]
"""Returns from a mail's headers (From, Date, Subject, Message-Id) whether it is wanted."""

_START = re.compile(rb"From (?=\S+ .*\d\d:\d\d:\d\d)")


def all_mails_in_mbox(path: Path) -> list[Mail]:
    """Return all readable mails of an mbox. Raises InputError if the file cannot be read."""
    return mails_in_mbox(path, None)


def mails_in_mbox(path: Path, wanted: Wanted | None) -> list[Mail]:
    """Return the wanted mails of an mbox; with None, all that can be read.

    Raises InputError if it cannot be read, or is not an mbox.
    """
    if not path.exists():
        raise InputError("no such file", file=path, hint="--mbox names an mbox")
    if path.is_dir():
        raise InputError("is a folder", file=path, hint="--maildir names a maildir")
    try:
        with open_file(path) as file:
            if not _START.match(file.readline(1_000)):
                # One mail, or the text of pages: small enough to be read whole.
                return read_mails(path)
        return [
            dataclasses.replace(mail, first=None if mail.first is None else mail.first + above)
            for data, above in _split(path)
            if wanted is None or _is_wanted(wanted, data, data.partition(b"\n")[2], path, above + 1)
            for mail in (mails_of(data, path) if wanted is not None else _readable(data, path))
        ]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error


def _readable(data: bytes, path: Path) -> list[Mail]:
    try:
        return mails_of(data, path)
    except InputError:
        return []


def _is_wanted(
    wanted: Wanted, data: bytes, mail: bytes, path: Path, line: int | None = None
) -> bool:
    """Return whether a mail is wanted, by its headers; `data` is the whole mail.

    Raises InputError for a mail that is wanted, and too large to be read.
    """
    headers = headers_of(mail)
    if not wanted(headers):
        return False
    if len(data) > MAX_BYTES:
        name = headers.get("Message-Id") or headers.get("Subject") or "a mail"
        raise InputError(f"{name} is too large for a mail: more than 16 MiB", file=path, line=line)
    return True


def _split(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield each mail of an mbox with its From line, and the number of lines above it.

    A mail that is too large is truncated, to slightly more than the largest size allowed.
    """
    data = bytearray()
    above = count = 0
    with open_file(path) as file:
        for line in file:
            if _START.match(line) and count:
                yield bytes(data), above
                above += count
                data, count = bytearray(), 0
            count += 1
            if len(data) <= MAX_BYTES:
                data += line[: MAX_BYTES + 1]
    if count:
        yield bytes(data), above


def mails_in_maildir(path: Path, wanted: Wanted) -> list[Mail]:
    """Return the wanted mails of a maildir. Raises InputError if it is not one, or unreadable."""
    parts = [path / "cur", path / "new"]
    if not all(part.is_dir() for part in parts):
        raise InputError("not a maildir: it has no folders cur and new", file=path)
    found: list[Mail] = []
    for file in (file for part in parts for file in sorted(part.iterdir())):
        try:
            if not file.is_file():
                continue
            with open_file(file) as opened:
                data = opened.read(MAX_BYTES + 1)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", file=file) from error
        if data.strip() and _is_wanted(wanted, data, data, file):
            found += mails_of(data, file)
    return found
