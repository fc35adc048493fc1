"""The text below the last hunk of a mail: footers, signatures, the rest of an archive's page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memnotify.mailpatch.raw import Line

# What programs write directly below a hunk: diff -r, bzr, p4, and the mails of -mm.
_OTHER = re.compile(
    r"_$|={3,}(?: |$)|\*{3,}(?: |$)|Only in \S.*: \S"
    r"|(?:Binary f|F)iles \S.* (?:differ|are identical)$"
    r"|File \S.* is a .* while file \S.* is a "
    r"|diff -|Index: |Common subdirectories: |Property changes on: |commit [0-9a-f]{40}\b"
)


def begins_other(text: str) -> bool:
    """Return whether a line is one that programs write below the hunks of a file."""
    return _OTHER.match(text.rstrip()) is not None


def left_over(rest: Sequence[Line], *, last: bool, closed: bool = False) -> tuple[Line, ...]:
    """Return those lines after a hunk's end that look as if they belonged to it.

    The last hunk of a file may be followed by a footer, a signature or an archive's page. Between
    two hunks there is nothing. `closed`: the last line is whole, so the next cannot be its end.
    """
    found = []
    near = not closed
    for at, line in enumerate(rest):
        if last and (footer_at(rest, at) or begins_other(line.text)):
            break
        near = near and bool(line.text.strip())
        change = line.text.startswith(("+", "-")) and not line.outside
        if line.text.strip() and (near or change or not last):
            found.append(line)
    return tuple(found)


def footer_at(lines: Sequence[Line], at: int) -> bool:
    """Return whether the text that mailers and lists add begins at a line.

    A list may add a lone -, but in a hunk that is an empty line that is removed.
    """
    text = lines[at].text.rstrip()
    if text != "-":
        return is_footer(text)
    below = next((line.text for line in lines[at + 1 :] if line.text.strip()), "")
    return below.startswith("To unsubscribe")


def is_footer(text: str) -> bool:
    """Return whether a line begins the text that mailers and lists add below a patch."""
    text = text.rstrip()
    return text in ("-", "--", "---") or text.startswith(("To unsubscribe", "_____", "-----"))
