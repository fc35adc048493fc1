"""The digest of a patch mail: it covers the changes, but not their white space.

It is the SHA-256 of all added and removed lines in the order of the mail, each as its sign and its
text without any white space, joined with nothing in between. A hunk has as many lines as its header
states, so a footer below it does not count. Headers and context do not count either. A line of a
hunk without a sign is the rest of a line that a mailer wrapped, or it is context, if an archive
removed the blank that marks it. A mail does not show which, so there are two readings; a known
digest decides which of them is right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HUNK = re.compile(r"@@[ \t]*-\d+(?:,(\d+))?[ \t]+\+\d+(?:,(\d+))?[ \t]*@@")
# Lines that end a hunk whose header counts more lines than the mail has.
_NEXT = re.compile(r"@@[ \t]*-\d|diff -|Index: ")
# The second is how some archives show an address: <somebody () example ! org>.
_ADDRESS = re.compile(r"<[^<>]*@[^<>]*>|<[\w.+-]+(?:\(\)|\(at\)|\[at\]|_at_)[\w.!+-]+>")
_SIGNS = ("+", "-")
_CONTEXT = (" ", "\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchDigest:
    """The digests of a patch: of its full text, and without the addresses in <>.

    `lines` is the number of added and removed lines.
    """

    whole: str
    without_addresses: str
    lines: int


def patch_digests(lines: Sequence[str]) -> tuple[PatchDigest, ...]:
    """Return the digests of the diff in the text of a mail, for each reading; () without a diff.

    The first one is for the mail as it is, with the blanks that mark its context.
    """
    readings = [list(changed_lines(lines, eaten=eaten)) for eaten in (False, True)]
    return tuple(
        PatchDigest(
            whole=_sha256("".join(changed)),
            without_addresses=_sha256("".join(_ADDRESS.sub("", line) for line in changed)),
            lines=len(changed),
        )
        for number, changed in enumerate(readings)
        if changed and changed not in readings[:number]
    )


def changed_lines(lines: Sequence[str], *, eaten: bool = False) -> Iterator[str]:
    """Yield each added and removed line: its sign, and its text without white space.

    `eaten`: a line without a sign is context, not the rest of the line before it.
    """
    at = 0
    while at < len(lines):
        header, at = _header(lines, at)
        if header is None:
            continue
        old, new = (1 if count is None else int(count) for count in header.groups())
        going: str | None = None  # the changed line that the next line may continue
        while (old > 0 or new > 0) and at < len(lines):
            line = lines[at].removesuffix("\r")
            if _ends(lines, at):
                break
            at += 1
            if line.startswith(_SIGNS):
                if going is not None:
                    yield going
                going = line[0] + _bare(line[1:])
                old, new = old - (line[0] == "-"), new - (line[0] == "+")
            elif eaten or not line or line.startswith(_CONTEXT):
                if going is not None:
                    yield going
                going = None
                if not line.startswith("\\"):  # "No newline at end of file" is not a line
                    old, new = old - 1, new - 1
            elif going is not None:
                going += _bare(line)
        if going is not None:
            yield going


def _header(lines: Sequence[str], at: int) -> tuple[re.Match[str] | None, int]:
    """Return the hunk header at a line, if there is one, and the line after it."""
    found = _HUNK.match(lines[at])
    if found is None and lines[at].startswith("@@") and at + 1 < len(lines):
        found = _HUNK.match(f"{lines[at].rstrip()} {lines[at + 1].strip()}")
        if found is not None:
            return found, at + 2
    return found, at + 1


def _ends(lines: Sequence[str], at: int) -> bool:
    """Return whether another hunk or file begins at a line, although more lines were counted."""
    if _NEXT.match(lines[at]):
        return True
    below = lines[at + 1 : at + 3]
    return (
        lines[at].startswith("--- ")
        and len(below) == 2
        and below[0].startswith("+++ ")
        and _HUNK.match(below[1]) is not None
    )


def _bare(text: str) -> str:
    return "".join(text.split())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
