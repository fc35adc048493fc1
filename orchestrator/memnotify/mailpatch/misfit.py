"""Find out why a hunk does not fit a file: a reason that is given has to be true."""

from __future__ import annotations

from collections.abc import Sequence

from memnotify.mailpatch.changes import OpenFile
from memnotify.mailpatch.footers import footer_at
from memnotify.mailpatch.git_index import is_base
from memnotify.mailpatch.line_index import FileIndex
from memnotify.mailpatch.raw import Line, RawHunk
from memnotify.mailpatch.standing import end_of
from memnotify.mailpatch.tokens import key
from memnotify.mailpatch.wrapping import (
    ends_section,
    has_room,
    is_complete,
    marks_context,
    may_be_wrapped,
)

_JOINED = 6  # the most pieces that a line is wrapped into


def misfit(hunk: RawHunk, index: FileIndex, width: int) -> tuple[Line | None, bool]:
    """Return the first old line of a hunk that a file does not have.

    If there is none, return whether the file has all of them, but not together in this order. That
    is not known if lines may be the rest of an added one, which a mailer has wrapped.
    """
    end = end_of(hunk)
    enough = max(hunk.old_count, hunk.new_count)  # lines: no footer is above
    body = hunk.body[:end]
    old: list[frozenset[str]] = []
    sure = True
    at = int(end is None and ends_section(hunk, index.keys))
    while at < len(body):
        line = body[at]
        if end is None and footer_at(body, at) and line.number > hunk.line + enough:
            break
        at += 1
        if line.text.startswith(("+", "\\")):
            while end is None and at < len(body) and _goes_on(body, at, width, hunk.old_count):
                sure = False
                at += 1
            continue
        words = {key(line.text.removeprefix("-"))} | ({key(line.text)} if end is None else set())
        if "" in words and end is None:
            continue  # empty lines get lost
        if "" not in words and words.isdisjoint(index.places):
            pieces, word = _pieces(body[at - 1 :], index) if end is None else (0, "")
            if not pieces:
                return line, False
            words = {word}
            at += pieces - 1
        old.append(frozenset(words))
    keys = index.keys if end is not None else [word for word in index.keys if word]
    return None, sure and not _are_together(old, keys)


def remedy(file: OpenFile) -> str:
    """Return what to do about a diff that does not fit a file: take another tree, or mail."""
    if is_base(file):
        return (
            "by git's index line it was made from this very file: it was damaged or edited since; "
            "get another copy"
        )
    return "is this the base that the patch is for?"


def shown(line: Line) -> str:
    """Return an old line for a message."""
    return line.text.removeprefix("-").strip()


def _goes_on(body: Sequence[Line], at: int, width: int, olds: int) -> bool:
    """Return whether a line may be the rest of the added one above it, in a hunk of old lines."""
    line, rest = body[at - 1].text, body[at].text
    if rest.startswith(("+", "-", " ", "\t")) or not rest.strip():
        return False
    if marks_context(body) or not olds:
        return True
    wrapped = may_be_wrapped(line, rest, width)
    return wrapped and not has_room(line, rest) and not is_complete(line, rest)


def _pieces(body: Sequence[Line], index: FileIndex) -> tuple[int, str]:
    """Return how many lines of a mail together are one of a file, and its key; 0 if none are."""
    rest = [key(line.text) for line in body[1:_JOINED]]
    for first in (key(body[0].text), key(body[0].text.removeprefix("-"))):
        for more in range(1, len(rest) + 1):
            word = first + "".join(rest[:more])
            if word in index.places:
                return more + 1, word
    return 0, ""


def _are_together(old: Sequence[frozenset[str]], keys: Sequence[str]) -> bool:
    """Return whether lines stand together in a file, each by one of its keys."""
    return any(
        all(keys[start + at] in words for at, words in enumerate(old))
        for start in range(len(keys) - len(old) + 1)
    )
