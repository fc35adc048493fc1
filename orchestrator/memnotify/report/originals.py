"""Prints the verdicts on a revision's original mails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from memnotify.mailpatch.originals import Found, RevisionOriginals, Verdict

_WIDTH = 79


def verdict_lines(wanted: RevisionOriginals, found: Sequence[Found]) -> Iterator[str]:
    """Yield the verdict on each mail; for a missing one also its identification."""
    label = max(len(each.original.label) for each in found)
    verdict = max(len(each.verdict) for each in found)
    for each in found:
        original = each.original
        yield f"{original.label:{label}}  {each.verdict:{verdict}}  {original.subject}"
        indent = " " * (label + 2)
        if each.verdict is Verdict.MISSING:
            yield f"{indent}Message-Id {original.message_id or 'unknown'}, {original.date}"
        if each.verdict is Verdict.OTHER:
            has = (
                "the mail has no diff"
                if each.digest is None
                else f"its digest is {each.digest.whole}"
            )
            yield f"{indent}{has}; on file is {original.digest or 'none'}"
        if each.other_id is not None:
            yield f"{indent}taken from the mail {each.other_id}"
        if original.note and each.verdict is not Verdict.EXACT:
            yield f"{indent}note: {original.note}"
    if wanted.table.posted_for:
        yield f"posted for {wanted.table.posted_for}"
