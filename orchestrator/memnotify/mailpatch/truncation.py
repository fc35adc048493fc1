"""Find out what a mail lacks: lines of its last hunk, half of a header, files of its diffstat.

The counts in a hunk's header may be wrong as well, so other evidence in the mail decides: the next
hunk, the diffstat, and whether the mail ends there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from memnotify.mailpatch.footers import is_footer
from memnotify.mailpatch.headers import unquoted
from memnotify.mailpatch.raw import RawHunk
from memnotify.mailpatch.reading import LineKind, Reading
from memnotify.mailpatch.wrapping import marks_context

_MISCOUNT = 2  # lines by which people who edit a patch by hand miscount
_STAT = re.compile(r"\s*(?:\.\.\./?)?(\S+)\s*\|\s*(\d{1,7})[\s+-]*")
_TOTAL = re.compile(
    r"\s*(\d{1,7}) files? changed(?:, (\d{1,7}) insertions?\(\+\))?"
    r"(?:, (\d{1,7}) deletions?\(-\))?.*"
)
_MARGIN = " \t>|:}"


def cut_hunk(hunk: RawHunk, reading: Reading | None, *, followed: bool) -> str | None:
    """Return a message on the lines that are left of a hunk, if too few for a miscount; else None.

    `reading` is None if the hunk could not be read: then the lines are counted by their markers.
    `followed`: more of the diff is below it, so the mail was not truncated there.
    """
    if reading is None:
        old, new, footer = _by_markers(hunk)
    else:
        old, new = _counts(reading)
        footer = followed or any(line.text.strip() for line in reading.rest)
    fewer = hunk.new_count - new
    # A hunk that was edited differs in its added lines, and still has all its old lines. A new file
    # has no old lines that could show this.
    allowed = _MISCOUNT if hunk.old_count or footer else 0
    if fewer > allowed:
        return f"{new} of {hunk.new_count} lines are there"
    fewer = hunk.old_count - old
    # An empty line at the end gets lost with the blanks before context.
    bare = reading is None and bool(hunk.old_count) and not marks_context(hunk.body)
    if fewer > (_MISCOUNT if footer else int(bare)):
        return f"{old} of {hunk.old_count} lines are there"
    return None


def lines_lacking(hunk: RawHunk) -> str | None:
    """Return a message on the lines of a hunk if the mail has fewer than its header counts.

    Only the mail counts, whatever the tree has.
    """
    old, new, _ = _by_markers(hunk)
    if new < hunk.new_count:
        return f"{new} of {hunk.new_count} lines are there"
    return f"{old} of {hunk.old_count} lines are there" if old < hunk.old_count else None


def tallies(hunk: RawHunk, *, spilled: bool = False) -> bool:
    """Return whether a hunk has the lines that its header counts, although its markers are lost.

    Then no reading is right that leaves some of them out. Empty lines at the end of a mail may be
    of the hunk or not. `spilled`: its first line is the end of the header.
    """
    old = new = 0
    unended = hunk.final and bool(hunk.body) and not hunk.body[-1].text
    body = hunk.body[int(spilled) : -1 if unended else None]
    for line in body:
        sign = line.text[:1]
        if not line.text.startswith("\\ "):
            old += sign != "+"
            new += sign != "-"
    blank = bool(body) and not body[-1].text.strip()
    return (old, new) == (hunk.old_count, hunk.new_count) and not (blank and hunk.last)


def _by_markers(hunk: RawHunk) -> tuple[int, int, bool]:
    """Return how many old and new lines a hunk has at the most, and if a footer is below it."""
    body = [line.text for line in hunk.body]
    ends = next((at for at in range(len(body)) if _ends(body, at)), None)
    # The last line end of the text itself gives one more empty line.
    unended = ends is None and hunk.last and body[-1:] == [""]
    there = body[:-1] if unended else body[:ends]
    old = sum(not text.startswith("+") for text in there)
    # Without the blanks that mark context, a line that begins with - may be context as well.
    marked = any(text[:1] in (" ", "\t") for text in there if text.strip())
    new = sum(not (marked and text.startswith("-")) for text in there)
    return old, new, ends is not None


def _ends(body: Sequence[str], at: int) -> bool:
    """Return whether a footer begins at a line; a removed line may look as if."""
    if not is_footer(body[at]):
        return False
    if body[at].startswith("-- ") or not body[at].startswith("-"):
        return True
    below = [text for text in body[at + 1 :] if text.strip()]
    return bool(below) and below[0].startswith("To unsubscribe")


def _counts(reading: Reading) -> tuple[int, int]:
    """Return how many old and new lines a hunk has in a reading."""
    kinds = [part.kind for part in reading.parts if part.kind is not LineKind.SKIPPED]
    old = sum(kind is not LineKind.ADDED for kind in kinds)
    return old, sum(kind is not LineKind.REMOVED for kind in kinds)


def counts_told(
    readings: Sequence[tuple[RawHunk, Reading]], stated: int | None
) -> tuple[list[bool | None], bool]:
    """Return for each hunk of a file what the rest of the mail confirms, and if anything disagrees.

    True: the lines that the hunk has. False: the lines that its header counts. None: neither or
    both. The second value is whether anything agrees with neither. `stated` is how many lines the
    file has in the diffstat. Where the next hunk begins in the old and in the new file shows how
    many lines a hunk adds.
    """
    told: list[set[bool]] = [set() for _ in readings]
    changed = more = fewer = 0
    disputed = False
    for at, (hunk, reading) in enumerate(readings):
        old, new = _counts(reading)
        changed += sum(part.kind in (LineKind.ADDED, LineKind.REMOVED) for part in reading.parts)
        more += (hunk.new_count - new) - (hunk.old_count - old)
        fewer += max(0, hunk.old_count - old)
        if at + 1 < len(readings):
            shift = _shift(readings[at + 1][0]) - _shift(hunk)
            here, header = shift == new - old, shift == hunk.new_count - hunk.old_count
            told[at] |= {here} if here != header else set()
            disputed |= not here and not header
    if stated is not None:
        # Some of the lost old lines may have been removed lines: each of those counts twice.
        lacking = stated - changed
        lost = lacking in range(more, more + 2 * fewer + 1, 2)
        disputed |= bool(lacking) and not lost
        for found in told:
            found |= {True} if not lacking else {False} if lost else set()
    return [found.pop() if len(found) == 1 else None for found in told], disputed


def _shift(hunk: RawHunk) -> int:
    """Return how much further down a hunk begins in the new file than in the old one."""
    return hunk.new_start + (not hunk.new_count) - hunk.old_start - (not hunk.old_count)


@dataclass(frozen=True, slots=True)
class Diffstat:
    """The diffstat in a mail's head: the lines of each file, and the totals if there are any."""

    rows: dict[str, int]
    files: int | None
    changed: int

    @staticmethod
    def of(head: Sequence[str]) -> Diffstat:
        """Return the diffstat in the lines before a mail's diff; it may be empty."""
        lines = [line.lstrip(_MARGIN) for line in head]
        rows = {unquoted(row[1]): int(row[2]) for line in lines if (row := _STAT.fullmatch(line))}
        total = next((found for line in lines if (found := _TOTAL.fullmatch(line))), None)
        if total is None:
            return Diffstat(rows, None, 0)
        return Diffstat(rows, int(total[1]), int(total[2] or 0) + int(total[3] or 0))

    def lines_of(self, name: str) -> int | None:
        """Return how many lines of a file are changed; None if not stated or inconsistent.

        A diffstat may omit the first folders of a long name.
        """
        if self.files != len(self.rows) or self.changed != sum(self.rows.values()):
            return None
        found = [count for file, count in self.rows.items() if f"/{name}".endswith(file)]
        return found[0] if len(found) == 1 else None

    def without_diff(self, names: Collection[str]) -> list[str]:
        """Return the files in the diffstat that are not among `names`."""
        if self.files is None:
            return []
        return [file for file in self.rows if not any(f"/{name}".endswith(file) for name in names)]
