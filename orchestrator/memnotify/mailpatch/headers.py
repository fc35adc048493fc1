"""Extract the names of files in the headers of diffs, without dates and git's quotes."""

from __future__ import annotations

import re

_DATE = re.compile(
    r"(?<!\s)\s+(?:\d{4}-\d\d-\d\d|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? |\d{1,2} \w{3} \d{4})"
)
# In any time zone.
_EPOCH = re.compile(r"\s(?:1970-01-01|1969-12-31) |\sJan +0?1 .*\b1970\b|\sDec 31 .*\b1969\b")
_ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
_LETTERS = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))


def path_of(text: str) -> str:
    """Return the path in a header line: the text before a tab, a date or the end."""
    text = text.split("\t")[0].strip()
    dated = _DATE.search(text)
    return unquoted((text[: dated.start()] if dated else text).strip())


def is_dateless(text: str) -> bool:
    """Return whether the date in a header line is that which diff -N gives a file that is none."""
    return _EPOCH.search(text) is not None


def unquoted(name: str) -> str:
    """Return a name without quotes; in git's, \\ and a letter or octal digits stand for a byte."""
    if not name.startswith('"') or not name.endswith('"'):
        return name.strip('"')
    data = _ESCAPE.sub(
        lambda found: bytes([_LETTERS.get(found[1][0]) or int(found[1], 8) & 0xFF]),
        name[1:-1].encode("utf-8", "surrogateescape"),
    )
    return data.decode("utf-8", "surrogateescape")
