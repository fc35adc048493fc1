"""Helpers for the text of messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

_HARMLESS = "[\n\t]"
_COLOR = "\x1b\\[[0-9;]*m"


_LONGEST = 80
"""The longest value that a message quotes in full."""


def shortened(text: str) -> str:
    """Return a text with its middle left out if it is too long for a message."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"


def shown(value: Any) -> str:
    """Return a value as messages quote it: on one line, and not too long."""
    return shortened(printable(repr(value)))


def counted(number: int, what: str) -> str:
    """Return `1 cell`, `2 cells`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def similar(wrong: str, known: Iterable[str]) -> str | None:
    """Return a hint for an unknown name: the known name that it resembles, if any."""
    close = difflib.get_close_matches(wrong, list(known), 1)
    return f"did you mean {close[0]}?" if close else None


def known_names(wrong: str, known: Iterable[str]) -> str | None:
    """Return a hint for an unknown name: the known name that it resembles, or else all names.

    None if no names are known. A number resembles no other name.
    """
    names = list(known)
    verb = "is" if len(names) == 1 else "are"
    listed = f"there {verb}: {', '.join(names)}" if names else None
    return listed if wrong.isdigit() else similar(wrong, names) or listed


def unknown_name(wrong: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the known names that it resembles, and all names."""
    names = list(known)
    close = difflib.get_close_matches(wrong, names, 3)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}there are: {', '.join(names)}" if names else "there are none"


def printable(text: str) -> str:
    """Return one line that cannot control a terminal, whatever a guest has written into it."""
    if text.isprintable():  # nearly always, and several times as fast
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def message(text: str) -> str:
    """Return the message of an error, fit for a terminal.

    Its further lines are indented, as the output of a program is; any other newline is of a name
    that the message quotes, and must not begin a line.
    """
    return printable_lines(re.sub(r"\n(?!  )", r"\\n", text))


def printable_lines(text: str, *, colored: bool = False) -> str:
    """Return lines that cannot control a terminal; if they are `colored`, colours are kept."""
    if text.isprintable():
        return text
    kept = f"{_HARMLESS}|{_COLOR}" if colored else _HARMLESS
    parts = re.split(f"({kept})", text)
    return "".join(part if re.fullmatch(kept, part) else printable(part) for part in parts)
