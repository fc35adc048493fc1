"""Finds places for labels so that none covers another. Works on pixels."""

from __future__ import annotations

from collections.abc import Sequence

LETTER = 6.2
"""The width of a letter of the smallest text, on average."""


def apart(wanted: Sequence[float], *, height: float, gap: float = 12.0) -> list[float]:
    """Return heights at least `gap` apart, as near as possible to those wanted, in their order.

    They lie between 0 and `height` if there is room.
    """
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    placed = [0.0] * len(wanted)
    lowest = 0.0
    for n in order:
        placed[n] = lowest = max(wanted[n], lowest)
        lowest += gap
    highest = height
    for n in reversed(order):
        placed[n] = min(placed[n], highest)
        highest = placed[n] - gap
    return placed


def rows(
    spans: Sequence[tuple[float, float]], *, most: int, first: Sequence[int] | None = None
) -> list[int | None]:
    """Return a row for each span from left to right, so that no two in a row overlap.

    Spans get their rows in the order of `first`; one that fits nowhere gets None.
    """
    taken: list[list[tuple[float, float]]] = [[] for _ in range(most)]
    found: list[int | None] = [None] * len(spans)
    for n in range(len(spans)) if first is None else first:
        left, right = spans[n]
        for number, others in enumerate(taken):
            if all(right <= a or left >= b for a, b in others):
                others.append((left, right))
                found[n] = number
                break
    return found


def stacked(
    spans: Sequence[tuple[float, float]], lines: Sequence[float], *, most: int
) -> list[int | None]:
    """Return a row for each label, counted from the lowest, so that no line crosses a label.

    `lines` has where each label's own line stands, at an end of its span; it goes down from the
    row of the label. Those that fit nowhere get None.
    """
    found: list[int | None] = [None] * len(spans)
    # A label reaches over the lines of others beside it, which have to be placed first.
    turned = [n for n, (left, _) in enumerate(spans) if lines[n] > left]
    straight = [n for n in range(len(spans)) if n not in turned]
    order = sorted(straight, key=lambda n: -lines[n]) + sorted(turned, key=lambda n: lines[n])
    placed: list[int] = []
    for n in order:
        left, right = spans[n]
        lowest = 0
        for other in placed:
            row = found[other]
            assert row is not None
            a, b = spans[other]
            if left < lines[other] < right or (left < b and a < right):
                lowest = max(lowest, row + 1)
        if lowest >= most or any(
            a < lines[n] < b and (found[other] or 0) <= lowest
            for other in placed
            for a, b in (spans[other],)
        ):
            continue
        found[n] = lowest
        placed.append(n)
    return found


def wide(text: str) -> float:
    """Return how wide a label is, about."""
    return len(text) * LETTER + 6


def wrapped(words: str, letters: int) -> list[str]:
    """Return a text in lines of at most so many letters; a longer word has a line of its own."""
    lines, line = [], ""
    for word in words.split():
        if line and len(line) + 1 + len(word) > letters:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line] if line else lines
