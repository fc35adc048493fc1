"""Find where another patch begins in a text: in `git log -p`, a digest, or the page of a thread.

A second block of headers or a `commit` line begins a patch with its own author and message.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from memnotify.mailpatch.tokens import plain

_COMMIT = re.compile(r"commit [0-9a-f]{40}(?:\s.*)?")
_OF_COMMIT = re.compile(r"(Author|AuthorDate|Date|Commit|CommitDate|Merge|Notes):\s*(.*)")
_BELOW_COMMIT = re.compile(r"commit |Notes\b|---|diff |Index: | |:\d{6} |\d+\t|[ADMRTC]\d*\t")
_MADE_BLANKS = re.compile("(?:commit|Author:|Date:)? *\u00a0")
_FIELD = re.compile(r"[!-9;-~]+:(?:[ \t].*)?")
_WANTED = ("from", "date", "subject", "message-id")
_TAG = re.compile(r"(?:\*\s+)?(?:\[[^\]]*\]\s*)*\[[^\]]*PATCH[^\]]*\]", re.IGNORECASE)
_ABOVE_MAIL = re.compile(r"(?:From|Date|Message-Id|To|List)\s*:", re.IGNORECASE)
_SENT = re.compile(r"(?:@|From:.* @) \d{4}-\d\d-\d\d +\d\d?:\d\d", re.IGNORECASE)
# A From_ line, and what mail programs write above a mail that they forward.
_ABOVE_BLOCK = re.compile(r"From .*|-{4,}.*-{4,}|Begin forwarded message:", re.IGNORECASE)
_ABOVE = 8  # lines: how far below its subject the headers of a page begin


@dataclass(frozen=True, slots=True)
class Piece:
    """A patch in a text: its lines from `start` to `end`; `headers` if it is a commit."""

    start: int
    end: int
    headers: dict[str, str] | None = None
    message: tuple[str, ...] = ()


def has_diff(lines: Sequence[str]) -> bool:
    """Return whether lines may have a diff."""
    return any("@@ -" in line or line.startswith("diff --git ") for line in lines)


def pieces_of_mail(lines: Sequence[str]) -> list[Piece]:
    """Return the patches in the text of a mail; one piece if there is no more than one."""
    commits = commits_in(lines)
    if commits:
        return commits
    top = next((at for at, line in enumerate(lines) if line.strip()), 0)
    blocks = [at for at in range(top + 1, len(lines)) if _is_block(lines, at)]
    return _cut(lines, blocks)


def pieces_of_page(lines: Sequence[str]) -> list[Piece]:
    """Return the patches in the text of a page of an archive, or of several consecutive ones."""
    commits = commits_in(lines)
    if commits:
        return commits
    shown = [at for at in range(len(lines)) if _is_shown(lines, at)]
    messages = [piece for piece in _cut(lines, shown) if has_diff(lines[piece.start : piece.end])]
    if len(messages) > 1:
        return messages
    starts = []
    diff = False
    for at, line in enumerate(lines):
        if diff and (_is_subject(lines, at) or _is_block(lines, at)):
            starts.append(at)
            diff = False
        diff = diff or "@@ -" in line
    return _cut(lines, starts)


def _cut(lines: Sequence[str], starts: Sequence[int]) -> list[Piece]:
    """Cut lines where another patch begins: a piece without a diff belongs to the one above it."""
    bounds = itertools.pairwise([*starts, len(lines)])
    kept = [start for start, end in bounds if has_diff(lines[start:end])]
    if not kept or kept[0]:
        kept.insert(0, 0)
    return [Piece(start, end) for start, end in itertools.pairwise([*kept, len(lines)])]


def _is_subject(lines: Sequence[str], at: int) -> bool:
    """Return whether a line is the subject of another page: headers follow."""
    subject = _TAG.match(lines[at].removeprefix("Subject:").strip())
    below = lines[at + 1 : at + _ABOVE]
    return subject is not None and any(_ABOVE_MAIL.match(line) for line in below)


def _is_block(lines: Sequence[str], at: int) -> bool:
    """Return whether a block of headers begins at a line, with a subject and another of a mail."""
    above = lines[at - 1].strip() if at else ""
    if (above and not _ABOVE_BLOCK.fullmatch(above)) or not _FIELD.fullmatch(lines[at]):
        return False
    names = set()
    for line in lines[at:]:
        if not line.strip():
            break
        if line[:1] not in (" ", "\t"):
            if not _FIELD.fullmatch(line):
                return False
            names.add(line.partition(":")[0].lower())
    return "subject" in names and len(names.intersection(_WANTED)) > 1


def block_end(lines: Sequence[str]) -> int:
    """Return the index after the block of headers with which lines begin; 0 if there is none."""
    if not lines or not _is_block(lines, 0):
        return 0
    return next((at for at, line in enumerate(lines) if not line.strip()), len(lines))


def _is_shown(lines: Sequence[str], at: int) -> bool:
    """Return whether a line is the subject of a mail in the page of a thread, above its sender."""
    bare = lines[at].strip()
    return bool(_TAG.match(bare)) and any(
        _SENT.match(line.strip()) for line in lines[at + 1 : at + 3]
    )


def commits_in(lines: Sequence[str]) -> list[Piece]:
    """Return the commits that `git log -p` or `git show` prints, the oldest first; [] if none."""
    if any(map(_MADE_BLANKS.match, lines)):
        # A page has replaced blanks, those before the message as well.
        lines = [plain(line, "\u00a0") for line in lines]
    starts = [
        at
        for at, line in enumerate(lines)
        if _COMMIT.fullmatch(line)
        and any(other.startswith("Author:") for other in lines[at + 1 : at + 4])
        and not _is_shown_in_message(lines, at)
    ]
    pieces = []
    for start, end in itertools.pairwise([*starts, len(lines)]):
        piece = _commit(lines, start, end)
        if has_diff(lines[start:end]):
            pieces.append(piece)
    dates = [_date(piece) for piece in pieces]
    oldest_first = all(
        one is not None and other is not None and one < other
        for one, other in itertools.pairwise(dates)
    )
    return pieces if oldest_first else pieces[::-1]


def _is_shown_in_message(lines: Sequence[str], at: int) -> bool:
    """Return whether a commit is shown by the message of a mail, which goes on below it.

    Below its own message, git writes notes, a diffstat or a diff.
    """
    if not any(line.strip() for line in lines[:at]):
        return False
    end = _commit(lines, at, len(lines)).start
    return end < len(lines) and not _BELOW_COMMIT.match(lines[end])


def _commit(lines: Sequence[str], start: int, end: int) -> Piece:
    headers: dict[str, str] = {}
    at = start + 1
    while at < end and (found := _OF_COMMIT.fullmatch(lines[at])):
        name = {"Author": "From", "AuthorDate": "Date", "Date": "Date"}.get(found[1])
        if name:
            headers[name] = found[2].strip()
        at += 1
    message = []
    while at < end and (not lines[at].strip() or lines[at].startswith("    ")):
        message.append(lines[at][4:])
        at += 1
    while message and not message[0].strip():
        message.pop(0)
    if message:
        headers["Subject"] = message.pop(0).strip()
    while message and not message[0].strip():
        message.pop(0)
    return Piece(at, end, headers, tuple(message))


def _date(piece: Piece) -> datetime | None:
    try:
        date = parsedate_to_datetime((piece.headers or {}).get("Date", ""))
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo else None
