"""Drop the repetition of hunks that occur twice in a mail, as in one of 2007."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memnotify.mailpatch.raw import RawDiff, RawHunk


def without_repeats(diffs: Sequence[RawDiff]) -> tuple[list[RawDiff], tuple[int, ...]]:
    """Return the diffs without repeated hunks, and the header lines of the repeated ones.

    A file that occurs again with only such hunks is left out completely.
    """
    kept: list[RawDiff] = []
    gone: list[int] = []
    for diff in diffs:
        before = [h for other in kept if _names(other) == _names(diff) for h in other.hunks]
        hunks: list[RawHunk] = []
        for hunk in diff.hunks:
            if any(_same(hunk, other) for other in (*before, *hunks)):
                gone.append(hunk.line)
            else:
                hunks.append(hunk)
        if hunks and len(hunks) < len(diff.hunks):
            hunks[-1] = dataclasses.replace(hunks[-1], last=True)
        if hunks or not diff.hunks:
            kept.append(dataclasses.replace(diff, hunks=tuple(hunks)))
    return kept, tuple(gone)


def same_diffs(diffs: Sequence[RawDiff], others: Sequence[RawDiff]) -> bool:
    """Return whether two mails have the same patch, whatever is below its hunks."""
    return len(diffs) == len(others) and all(
        _names(one) == _names(other)
        and one.extended == other.extended
        and len(one.hunks) == len(other.hunks)
        and all(map(_same, one.hunks, other.hunks))
        for one, other in zip(diffs, others, strict=True)
    )


def _names(diff: RawDiff) -> tuple[str, str]:
    return diff.before, diff.after


def _same(hunk: RawHunk, other: RawHunk) -> bool:
    numbers = ("old_start", "old_count", "new_start", "new_count")
    if any(getattr(hunk, name) != getattr(other, name) for name in numbers):
        return False
    return _lines(hunk) == _lines(other)


def _lines(hunk: RawHunk) -> list[str]:
    """Return as many lines of a hunk as its header counts: later ones are not part of it."""
    old, new = hunk.old_count, hunk.new_count
    lines = []
    for line in hunk.body:
        if old <= 0 and new <= 0:
            break
        lines.append(line.text.rstrip())
        old -= not line.text.startswith("+")
        new -= not line.text.startswith("-")
    return lines
