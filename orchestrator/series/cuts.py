"""What a mail lacks: lines of its last hunk, a header's other half, files of its diffstat.

The counts of a hunk's header may be wrong as well, so lines that are not there prove a cut only
where nothing follows that would show that the hunk had come to its end.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from orchestrator.series.align import Kind, Reading
from orchestrator.series.diffs import RawHunk
from orchestrator.series.endings import is_footer

_MISCOUNT = 2  # lines: people who edit a patch by hand count wrong by these
_STAT = re.compile(r"\s*(?:\.\.\./?)?(\S+)\s*\|\s*\d+[\s+-]*")
_TOTAL = re.compile(r"\s*\d+ files? changed.*")


def cut_hunk(hunk: RawHunk, reading: Reading | None) -> str | None:
    """Say how many lines are there of a mail's last hunk, if the mail was cut in it.

    `reading` is None if the hunk could not be read: then the lines are counted by their markers.
    """
    if reading is None:
        body = [line.text for line in hunk.body]
        ends = next((at for at, text in enumerate(body) if is_footer(text)), None)
        # The text's own last line end gives an empty line more.
        there = body[:ends] if ends is not None or body[-1:] != [""] else body[:-1]
        old = sum(not text.startswith("+") for text in there)
        new = sum(not text.startswith("-") for text in there)
        footer = ends is not None
    else:
        kinds = [part.kind for part in reading.parts if part.kind is not Kind.SKIPPED]
        old = sum(kind is not Kind.ADDED for kind in kinds)
        new = sum(kind is not Kind.REMOVED for kind in kinds)
        footer = any(line.text.strip() for line in reading.rest)
    fewer = hunk.new_count - new
    # A hunk that was edited has other added lines, and its old lines are all there. A new file has
    # no old lines to tell that.
    allowed = _MISCOUNT if hunk.old_count or footer else 0
    if fewer > allowed:
        return f"{new} of {hunk.new_count} lines are there"
    fewer = hunk.old_count - old
    if fewer > (_MISCOUNT if footer else 0):
        return f"{old} of {hunk.old_count} lines are there"
    return None


def without_diff(head: Sequence[str], names: Collection[str]) -> list[str]:
    """Return the files that the diffstat in a mail's head names, and that are not among `names`.

    A diffstat may leave out the first folders of a long name.
    """
    if not any(_TOTAL.fullmatch(line) for line in head):
        return []
    found = [row[1] for line in head if (row := _STAT.fullmatch(line))]
    return [file for file in found if not any(f"/{name}".endswith(file) for name in names)]
