"""Files of a tree with the hunks of a mail, and the changes that they make."""

from __future__ import annotations

from collections.abc import Sequence

from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import (
    Change,
    Lines,
    OpenFile,
    rebuild,
)
from memnotify.mailpatch.diffs import read_diffs
from memnotify.mailpatch.line_index import FileIndex
from memnotify.mailpatch.standing import standing


def text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def opened(
    tree: str,
    *hunks: str,
    before: str | None = "f.c",
    after: str | None = "f.c",
    git: Sequence[str] = (),
) -> OpenFile:
    """Return a file of which the hunks of a mail were read as they stand."""
    lines = [*git, "--- a/f.c", "+++ b/f.c", *(line for hunk in hunks for line in hunk.split("\n"))]
    (diff,) = read_diffs(lines, file="mail", first=1).diffs
    file = OpenFile(diff, before, after, Lines.of(tree.encode()))
    index = FileIndex(file.old.lines)
    for hunk in diff.hunks:
        start = max(hunk.old_start - (hunk.old_count > 0), 0)
        reading = standing(hunk, index, start=start, after=0, width=1000)
        assert reading is not None
        file.readings.append((hunk, reading))
    return file


def rebuilt(file: OpenFile, effort: int = 1000) -> Change:
    added = (part.text.removesuffix("\r") for part in file.added())
    return rebuild(file, added, Effort(effort))
