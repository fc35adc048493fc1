"""Limits that no mail and no file of mails exceeds; larger ones are refused before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from memnotify.errors import InputError

MAX_BYTES = 16 << 20  # a thread of a hundred patches with all replies has about 5 MiB
MAX_HEADER = 1_000  # characters
_MAX_PAGE = 4 << 20  # bytes; one page shows one mail
_MAX_LINES = 400_000
_MAX_LINE = 4_000  # bytes; mail itself allows 998, RFC 5322 2.1.1
_MAX_PAGE_LINE = 20_000  # characters, for menus and the like
_MAX_MAILS = 2_000
_ONE_SERIES = "give the mails of one series only"


def check_data(data: bytes, path: Path, *, page: bool) -> None:
    """Raise InputError for data that is not a mail: empty, not text, or too large."""
    if not data.strip():
        raise InputError("is empty", file=path)
    if page and len(data) > _MAX_PAGE:
        raise InputError("too large for a page: more than 4 MiB", file=path)
    lines = data.split(b"\n")
    if len(lines) > _MAX_LINES:
        raise InputError(f"more than {_MAX_LINES:,} lines", file=path, hint=_ONE_SERIES)
    for number, line in enumerate(lines, 1):
        if b"\0" in line:
            raise InputError("a binary file, not a mail", file=path, line=number)
        if len(line) > _MAX_LINE and not page:
            raise InputError(
                f"a line of {len(line)} bytes, longer than in any mail",
                file=path,
                line=number,
                hint="save the page again as text, with one line for each line of the mail",
            )


def check_text(lines: Sequence[str], path: Path, *, page: bool = False) -> None:
    """Raise InputError if a decoded line is longer than in any mail, or in any page."""
    longest = max((len(line) for line in lines), default=0)
    if longest > (_MAX_PAGE_LINE if page else _MAX_LINE):
        raise InputError("a line that is longer than any mail has", file=path)


def check_mails(count: int, path: Path) -> None:
    """Raise InputError if a file has more mails than any thread has."""
    if count > _MAX_MAILS:
        raise InputError(f"more than {_MAX_MAILS:,} mails", file=path, hint=_ONE_SERIES)
