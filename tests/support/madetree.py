"""Kernel trees that have no more than the patches of a series expect."""

from __future__ import annotations

from collections import defaultdict

from memnotify.series.apply import FileState
from memnotify.series.quilt import Series
from unidiff.patch import PatchSet


def no_file(name: str) -> FileState | None:
    """Say of every file that it is not there, as an empty tree does."""
    return None


def made_up_tree(series: Series) -> dict[str, FileState]:
    """Return files that have what the hunks expect where they expect it, and else nothing.

    Files that the series itself adds are not among them.
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
