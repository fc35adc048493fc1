"""Whether a line of a mail may be the rest of the one above it, which a mailer has wrapped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memnotify.mailpatch.footers import begins_other, is_footer
from memnotify.mailpatch.raw import Line, RawHunk
from memnotify.mailpatch.tokens import code_of, in_comment, key

_NARROWEST = 60
_SHORT = 40  # columns that a wrapped line has at least, even without its indentation
_SECTION = 80  # letters; git cuts off what is behind the @@


def may_be_wrapped(line: str, rest: str, width: int = 0) -> bool:
    """Return whether `rest` may be the end of a line of the mail, whose longest has this width.

    No mailer wraps a line if the next word has room, or before 60 columns.
    """
    if rest.startswith("\\ ") or is_footer(rest) or begins_other(rest):
        return False
    words = rest.split(maxsplit=1)
    return bool(words) and len(line.rstrip()) + 1 + len(words[0]) > max(width, _NARROWEST)


def marks_context(body: Sequence[Line]) -> bool:
    """Return whether a mail has kept the blanks before context: a line without one is the rest."""
    return any(line.text.startswith(" ") and line.text.strip() for line in body)


def has_room(line: str, rest: str) -> bool:
    """Return whether a line has room for the next word, even if its indentation is lost."""
    words = rest.split(maxsplit=1)
    if not words or not line.lstrip("+- \t"):
        return True  # nothing was wrapped off an empty line
    return len(line.rstrip().expandtabs()) + 1 + len(words[0]) <= _SHORT


def is_complete(line: str, rest: str) -> bool:
    """Return whether a line ends a statement of C, and no comment is behind it.

    A sentence of a comment does not, nor what is in brackets, as in the head of a loop.
    """
    if not line.rstrip().endswith((";", "{", "}")) or rest.lstrip().startswith(("/*", "//")):
        return False
    code = line.removeprefix("+")
    if re.match(r"\s*\*(?:\s|$)", code) or in_comment(code, before=False):
        return False
    bare = code_of(code)
    return bare.count("(") <= bare.count(")")


def may_be_of_header(hunk: RawHunk, rest: str, width: int) -> bool:
    """Return whether the first line below a hunk's header may be the end of it, which was wrapped.

    It is no line of a diff then, and the text behind the @@ was cut off further on.
    """
    section = hunk.section
    if not section or rest.startswith(("+", "-")) or len(section) + len(rest.strip()) > _SECTION:
        return False
    if marks_context(hunk.body) and not rest.startswith((" ", "\t")):
        width = 0  # a line without a mark is no context
    numbers = f"@@ -{hunk.old_start},{hunk.old_count} +{hunk.new_start},{hunk.new_count} @@ "
    return may_be_wrapped(numbers + section, rest, width)


def ends_section(hunk: RawHunk, keys: Sequence[str]) -> bool:
    """Return whether the first line below a hunk's header is the end of it, by a file's `keys`.

    What is behind the @@ is a line of the file, or as much of it as fits there.
    """
    first = hunk.body[0].text if hunk.body else ""
    if not hunk.section or not key(first) or first.startswith(("+", "-")):
        return False
    whole = key(f"{hunk.section} {first}")
    return any(other.startswith(whole) for other in keys)


def may_go_on(line: str, rest: str, width: int) -> bool:
    """Return whether `rest`, which begins with a marker, may be the end of a wrapped line."""
    found = re.match(r"[+-]{1,2}=? ?(\S+)", rest)
    if found is None or re.search(r"[;{}:]\s*$|\*/\s*$", line) or line.lstrip("+ \t")[:1] in "*#/":
        return False
    # No mailer wraps a line if the next word has room, or before 60 columns.
    return len(line.rstrip()) + 1 + len(found[0].split()[0]) >= max(width, _NARROWEST)
