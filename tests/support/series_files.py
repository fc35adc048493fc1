"""Small series of patches: files, trees and folders of them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\n"
NUMBERS = [f"line {number}" for number in range(1, 41)]


def diff(old: Mapping[str, str | None], new: Mapping[str, str | None]) -> str:
    """Return a patch between two sets of files (None: no such file)."""
    text = "A patch.\n---\n"
    for name in sorted(new):
        before, after = old.get(name), new[name]
        text += f"diff --git a/{name} b/{name}\n"
        if before is None or after is None:
            text += f"{'new' if before is None else 'deleted'} file mode 100644\n"
        text += "".join(
            difflib.unified_diff(
                (before or "").splitlines(keepends=True),
                (after or "").splitlines(keepends=True),
                "/dev/null" if before is None else f"a/{name}",
                "/dev/null" if after is None else f"b/{name}",
            )
        )
    return text


def lines(*changes: tuple[int, str]) -> str:
    """Return the forty numbered lines with some of them (from 1) changed."""
    text = list(NUMBERS)
    for number, line in changes:
        text[number - 1] = line
    return "\n".join(text) + "\n"


def put_series(root: Path, series: str, **patches: str) -> Path:
    """Write a series for base 6.1 as revision v9; `a_patch` becomes a.patch."""
    folder = root / "v9" / "6.1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "series").write_text(series)
    for name, text in patches.items():
        (folder / name.replace("_", ".")).write_text(text)
    return root


def contents(tree: Path) -> dict[str, bytes]:
    return {str(p.relative_to(tree)): p.read_bytes() for p in tree.rglob("*") if p.is_file()}
