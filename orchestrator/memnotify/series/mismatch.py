"""Show a hunk that does not fit beside the most similar place in the file."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

_WIDTH = 72
_SLACK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedHunk:
    """What a hunk expects: the old lines, from line `start` of the file (counted from 1).

    `patch_line` is the line of its header in the patch.
    """

    start: int
    expected: tuple[str, ...]
    patch_line: int


def show_mismatch(hunk: ExpectedHunk, text: str) -> tuple[int, str]:
    """Return the line of a file where it is most similar to a hunk, and both side by side.

    Rows that differ are marked with an exclamation mark. Line numbers are those of the file.
    """
    lines = text.removesuffix("\n").split("\n")
    at, alike = _nearest(hunk, lines)
    # A few lines more on either side, for lines that were inserted in between.
    slack = _SLACK if alike else 0
    start = max(at - slack, 0)
    window = lines[start : start + len(hunk.expected) + 2 * slack]
    rows = _align(hunk.expected, window)
    while rows and rows[-1][0] is None:
        rows.pop()
    first = next((index for _, index in rows if index is not None), 0)
    texts = [_plain(left) for left, _ in rows]
    width = min(_WIDTH, max([8, *map(len, texts)]))
    shown = [f"    {'expected':<{width}}   found"]
    for (left, index), plain in zip(rows, texts, strict=True):
        same = left is not None and index is not None and left == window[index]
        found = "" if index is None else f"{start + index + 1:>6}  {_plain(window[index])[:_WIDTH]}"
        shown.append(f"  {' ' if same else '!'} {plain[:width]:<{width}} | {found}".rstrip())
    return start + first + 1, "\n".join(shown)


def _plain(line: str | None) -> str:
    return "" if line is None else line.expandtabs(4)


def _nearest(hunk: ExpectedHunk, lines: list[str]) -> tuple[int, bool]:
    """Return the index of the most similar place, and whether it has a line of the hunk at all."""
    target = max(hunk.start - 1, 0)

    def rank(start: int) -> tuple[int, int]:
        pairs = zip(hunk.expected, lines[start:], strict=False)
        same = sum(a == b and not a.isspace() and a != "" for a, b in pairs)
        return same, -abs(start - target)

    at = max(range(len(lines)), key=rank)
    return at, rank(at)[0] > 0


def _align(expected: tuple[str, ...], window: list[str]) -> list[tuple[str | None, int | None]]:
    rows: list[tuple[str | None, int | None]] = []
    matcher = SequenceMatcher(None, expected, window, autojunk=False)
    for _, a0, a1, b0, b1 in matcher.get_opcodes():
        if a0 == 0:
            # Lines that differ at the beginning are those just above the first that is the same.
            b0 = max(b0, b1 - a1)
        for offset in range(max(a1 - a0, b1 - b0)):
            left = expected[a0 + offset] if a0 + offset < a1 else None
            right = b0 + offset if b0 + offset < b1 else None
            rows.append((left, right))
    return rows
