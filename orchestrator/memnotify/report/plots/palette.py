"""The colours of pictures, on light and on dark paper.

The five colours can be told apart, and from the ink, by readers with any kind of colour blindness:
Okabe and Ito's hues were moved until the least distance of two of them, seen with protanopia,
deuteranopia or tritanopia, was as large as it gets with a contrast of 3:1 against the paper.
A test computes both. Still, every picture also tells its curves apart by label, dash or shape.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

FONT = 11
"""The size of the smallest text, in pixels."""


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour on light paper, and its counterpart on dark paper."""

    light: str
    dark: str

    def __str__(self) -> str:
        return self.light


BLUE = Colour("#3337d8", "#376cad")
ORANGE = Colour("#db6927", "#ff590d")
TEAL = Colour("#1ca1ab", "#11ae94")
PURPLE = Colour("#9f0e75", "#f168fe")
BROWN = Colour("#533300", "#f9c959")
SEA = Colour("#0072b2", "#4aa8e8")
"""Okabe and Ito's blue: of what was reproduced, beside what was published."""
INK = Colour("#000000", "#f4f4f4")
SOFT = Colour("#4d4d4d", "#b8bec6")
"""Of captions and axes."""
RULE = Colour("#8a8a8a", "#767e88")
GRID = Colour("#e4e4e4", "#2b3138")
PAPER = Colour("#ffffff", "#14171c")

COLOURS = (BLUE, ORANGE, TEAL, PURPLE, BROWN)
ALL = (*COLOURS, SEA, INK, SOFT, RULE, GRID, PAPER)

# A vertical stroke first: a crowd of them is as sharp in time as one.
SHAPES = ("M0,-1L0,1", "triangle-up", "diamond", "cross", "square", "triangle-down")
DASHES: Sequence[Sequence[int]] = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3])


def colour(number: int) -> str:
    """Return the colour of the curve of this number; they begin again after the last."""
    return str(COLOURS[number % len(COLOURS)])


def cycle(of: Sequence[object], count: int) -> list[object]:
    """Return the first `count` of some values, which begin again after the last."""
    return list(itertools.islice(itertools.cycle(of), count))


def dark_css(scope: str = "") -> str:
    """Return rules that replace every colour for readers who prefer dark paper.

    They select by the attributes that the drawing has, so a viewer without CSS shows it as it is.
    """
    rules = "".join(
        f"{scope}[{what}='{one.light}']{{{what}:{one.dark}}}"
        for one in ALL
        for what in ("fill", "stroke")
    )
    return f"@media (prefers-color-scheme:dark){{{rules}}}"
