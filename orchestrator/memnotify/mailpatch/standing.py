"""Read a hunk as it stands, as `git apply` does: by the markers of its lines and its counts.

A hunk whose lines are as many as its header counts has ended, whatever is below it. If the tree has
its old lines, no repair is looked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from memnotify.mailpatch.footers import footer_at
from memnotify.mailpatch.line_index import FileIndex, letters
from memnotify.mailpatch.raw import Line, RawDiff, RawHunk
from memnotify.mailpatch.reading import LineKind, Part, Reading
from memnotify.mailpatch.tokens import key
from memnotify.mailpatch.wrapping import may_be_wrapped

_KINDS = {
    "+": LineKind.ADDED,
    "-": LineKind.REMOVED,
    # A mailer may have taken the blanks at the end of a line, and an empty line has no others.
    **dict.fromkeys((" ", "", "\r"), LineKind.CONTEXT),
}


def end_of(hunk: RawHunk) -> int | None:
    """Return the index in a hunk's body after the lines that its header counts.

    None if they are not all there, each with its marker, or if a line below goes on with the hunk.
    """
    old, new = hunk.old_count, hunk.new_count
    at = 0
    for line in hunk.body:
        sign = line.text[:1]
        if sign != "\\" and old <= 0 and new <= 0:
            break
        # A lone \ is the end of a line that was wrapped.
        if line.outside or not (sign in _KINDS or line.text.startswith("\\ ")):
            return None
        if sign != "\\":
            old -= sign != "+"
            new -= sign != "-"
        at += 1
    if old or new or not any(line.text.startswith(("+", "-")) for line in hunk.body[:at]):
        return None
    if hunk.final and at == len(hunk.body) and not hunk.body[-1].text:
        return None  # this is the end of the text, not an empty line of the hunk
    if at == len(hunk.body) or hunk.body[at].outside or footer_at(hunk.body, at):
        return at
    below = hunk.body[at].text
    return None if below.startswith(("+", "-", " ")) and below.strip() else at


def is_whole(diff: RawDiff, width: int) -> bool:
    """Return whether each hunk of a diff has the lines that it counts, and no line was wrapped."""
    ends = [(hunk, end_of(hunk)) for hunk in diff.hunks]
    return all(end is not None and not _continues(hunk, end, width) for hunk, end in ends)


def ends_clearly(hunk: RawHunk) -> bool:
    """Return whether nothing is directly below the lines of a hunk that may be the rest of one."""
    end = end_of(hunk)
    return end is not None and not any(line.text.strip() for line in hunk.body[end : end + 1])


def _continues(hunk: RawHunk, end: int, width: int) -> bool:
    """Return whether the line below a hunk may be the rest of an added line, which was wrapped.

    It is not if its first word would have had room: the mail has lines of `width` columns.
    """
    if end >= len(hunk.body) or not hunk.body[end - 1].text.startswith("+"):
        return False
    return may_be_wrapped(hunk.body[end - 1].text, hunk.body[end].text, width)


def standing(
    hunk: RawHunk, index: FileIndex, *, start: int, after: int, width: int
) -> Reading | None:
    """Return the reading of a hunk as it stands at a place; None if the tree has other lines there.

    White space and the letters that archives change are compared as everywhere (`key`): what the
    mail did to them shows in all its lines.
    """
    end = end_of(hunk)
    if end is None or start < after or _continues(hunk, end, width):
        return None
    parts = []
    at = start
    for line in hunk.body[:end]:
        kind = LineKind.SKIPPED if line.text[:1] == "\\" else _KINDS.get(line.text[:1])
        if kind in (LineKind.ADDED, LineKind.SKIPPED):
            parts.append(Part(kind=kind, mail=(line,)))
            continue
        text = line.text[1:]
        if at >= len(index.keys) or key(text) != index.keys[at]:
            return None
        if not text.isascii() and "\ufffd" not in text and index.is_other(at, letters(text)):
            return None
        parts.append(Part(kind=kind or LineKind.CONTEXT, mail=(line,), tree=at))
        at += 1
    return Reading(
        start=start, parts=tuple(parts), cost=0, counted=True, rest=hunk.body[end:], stands=True
    )


def own_lines(hunk: RawHunk) -> tuple[Line, ...]:
    """Return the lines of a hunk without what is below it, such as a signature.

    If it does not end where its header says, a footer ends it that has no changes below.
    """
    end = end_of(hunk)
    if end is None and hunk.last:
        signs = (at for at, line in enumerate(hunk.body) if line.text.startswith(("+", "-")))
        below = range(max(signs, default=0), len(hunk.body))
        end = next((at for at in below if footer_at(hunk.body, at)), None)
    return hunk.body[:end]


def swapped(hunk: RawHunk) -> RawHunk:
    """Return the hunk that undoes a hunk. What is below it stays: a signature begins with a -."""
    sign = {"+": "-", "-": "+"}
    own = own_lines(hunk)
    body = tuple(
        dataclasses.replace(line, text=sign.get(line.text[:1], line.text[:1]) + line.text[1:])
        for line in own
    )
    body += hunk.body[len(own) :]
    return dataclasses.replace(
        hunk,
        old_start=hunk.new_start,
        old_count=hunk.new_count,
        new_start=hunk.old_start,
        new_count=hunk.old_count,
        body=body,
    )


def above_a_message(diffs: Sequence[RawDiff]) -> int | None:
    """Return the line of a diff that has the --- of a message below it, and then another diff."""
    for diff in diffs[:-1]:
        if not diff.hunks:
            continue
        end = end_of(diff.hunks[-1])
        rest = diff.hunks[-1].body[end:] if end is not None else ()
        if any(line.text.rstrip() == "---" for line in rest):
            return diff.line
    return None
