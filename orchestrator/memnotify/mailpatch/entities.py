"""Decode HTML entities in the text of a mail, as often as an archive may have encoded it.

Whether it did is not decided here: `&lt;` may be the text of a patch. See `escapes`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from memnotify.mailpatch.tokens import plain

ENTITY = re.compile(r"&(?:lt|gt|amp|quot|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_QUOTING = r"(?:[ \t|:}]|&gt;|&amp;gt;)*"
_NEW_FILE = re.compile(_QUOTING + r"\+\+\+ \S")
_CHANGED = re.compile(_QUOTING + r"[+-]")
_TIMES = 3
_ADDRESS = re.compile(r"&(?:amp;)*lt;[^&<>\s]+(?:@| ?\(\) ?|(?: at ))[^&<>]*&(?:amp;)*gt;")


def levels_of(lines: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return lines as they are, and decoded as often as they may have been escaped."""
    levels = [tuple(lines)]
    while len(levels) <= _TIMES and _may_be_escaped(levels[-1]):
        levels.append(tuple(_undone(line) for line in levels[-1]))
    return tuple(levels)


def _undone(line: str) -> str:
    return ENTITY.sub(_sign, line) if "&" in line else line


def _sign(entity: re.Match[str]) -> str:
    sign = html.unescape(entity[0])
    # A line must stay one line.
    return sign if sign >= " " or sign == "\t" else entity[0]


def _may_be_escaped(lines: Sequence[str]) -> bool:
    """Return whether everything that HTML would escape is escaped."""
    lines = [plain(line) for line in lines]
    begin = next((at for at, line in enumerate(lines) if _NEW_FILE.match(line)), None)
    if begin is None:
        return False
    diff = lines[begin:]
    if not any(re.search("[<>&]", line) for line in diff):
        # Then the message shows it: the addresses in it are in brackets.
        head = "\n".join(lines[:begin])
        return _ADDRESS.search(head) is not None and re.search("[<>]", head) is None
    # The footer below it may come from another program.
    changed = [line for line in diff if _CHANGED.match(line)]
    return any(
        ENTITY.search(text) is not None and re.search("[<>]|&", ENTITY.sub("", text)) is None
        for text in ("\n".join(diff), "\n".join(changed))
    )
