"""HTML entities in the text of a mail: undone as often as they may be the archive's.

Whether they are is not known here: `&lt;` may be what a patch says. See `signs`.
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


def levels_of(lines: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return lines as they are, and with entities undone, as often as they may be escaped."""
    levels = [tuple(lines)]
    while len(levels) <= _TIMES and _may_be_escaped(levels[-1]):
        levels.append(tuple(_undone(line) for line in levels[-1]))
    return tuple(levels)


def _undone(line: str) -> str:
    return ENTITY.sub(_sign, line) if "&" in line else line


def _sign(entity: re.Match[str]) -> str:
    sign = html.unescape(entity[0])
    # A line stays a line.
    return sign if sign >= " " or sign == "\t" else entity[0]


def _may_be_escaped(lines: Sequence[str]) -> bool:
    """Tell if all that HTML would escape is escaped."""
    lines = [plain(line) for line in lines]
    begin = next((at for at, line in enumerate(lines) if _NEW_FILE.match(line)), None)
    if begin is None:
        return False
    diff = lines[begin:]
    # The footer below it may be another program's.
    changed = [line for line in diff if _CHANGED.match(line)]
    return any(
        ENTITY.search(text) is not None and re.search("[<>]|&", ENTITY.sub("", text)) is None
        for text in ("\n".join(diff), "\n".join(changed))
    )
