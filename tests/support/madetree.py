"""Kernel trees that contain no more than what the patches of a series expect."""

from __future__ import annotations

from collections import defaultdict

from memnotify.series.apply import FileState
from memnotify.series.quilt import Series
from unidiff.patch import PatchSet


def no_file(name: str) -> FileState | None:
    """Return None for every file, as for an empty tree."""
    return None


def made_up_tree(series: Series) -> dict[str, FileState]:
    """Return files that have the hunks' context where the hunks expect it, and nothing else.

    Files that the series itself adds are left out.
    """
    files: dict[str, dict[int, str]] = defaultdict(dict)
    added = set()
    for patch in series.patches:
        for file in PatchSet(patch.path.read_text()):
            name = file.target_file.partition("\t")[0].partition("/")[2]
            if file.is_added_file:
                added.add(name)
            before = {} if name in added else files[name]
            for hunk in file:
                number = hunk.source_start
                for line in hunk:
                    if not line.is_added:
                        before.setdefault(number, line.value)
                        number += 1
    return {
        name: FileState(
            "".join(lines.get(n, f"/* {n} */\n") for n in range(1, max(lines) + 10)).encode(), 0o644
        )
        for name, lines in files.items()
    }
