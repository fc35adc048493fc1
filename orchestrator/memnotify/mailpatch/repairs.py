"""The repairs to a mail that make its patch apply, and how sure they are."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class RepairKind(StrEnum):
    """The kinds of damage that are undone; the values are shown to users."""

    DECODED = "decoded"
    QUOTED = "quoting or indentation taken off"
    HEADER = "wrapped header of a diff put together"
    TREE = "lines taken byte for byte from the tree"
    LAYOUT = "white space of added lines put back"
    ENDS = "line ends of the file put back"
    WRAPPED = "wrapped lines put together"
    REPEATED = "repeated hunk applied once"
    EATEN = "empty lines put back"
    EXTRA = "empty lines left out"
    NUMBERS = "line counts of a hunk corrected"
    MOVED = "hunk found at another line"
    FUZZ = "context that the tree does not have left out"
    DIFFSTAT = "diffstat recomputed"
    CHOSEN = "ambiguity decided by the user"
    STRING = "blanks in strings put back"
    DISPUTED = "other numbers of lines in the diffstat, or between hunks"
    OTHER = "not the file that git's index line states"
    EDGE = "a hunk at an edge of the file by its context, but not in the tree"
    ANSWER = "taken from an answer"
    LEFT = "left as it is, although archives also produce this"
    UNSURE = "perhaps decoded wrongly"
    MASKED = "masked addresses left masked"


_PROOF = "confirmed by the index line"
# These do not change the patch.
_SAID = (
    RepairKind.DISPUTED,
    RepairKind.OTHER,
    RepairKind.EDGE,
    RepairKind.ANSWER,
    RepairKind.LEFT,
    RepairKind.UNSURE,
    RepairKind.MASKED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One repair: the file of the tree, the line of the mail's text, and the details.

    `sure`: nothing else is possible, according to the tree or to the numbers of the hunk.
    """

    kind: RepairKind
    file: str = ""
    line: int | None = None
    detail: str = ""
    sure: bool = True

    def confirmed(self) -> Repair:
        """Return this repair as confirmed by git's index line."""
        if self.sure and self.kind is not RepairKind.STRING:
            return self
        detail = f"{self.detail}, {_PROOF}" if self.detail else _PROOF
        return dataclasses.replace(self, detail=detail, sure=True)

    @property
    def changes(self) -> bool:
        """Whether it makes the patch differ from the mail's."""
        return self.kind not in _SAID


@dataclass(frozen=True, slots=True)
class Question:
    """A question that mail and tree leave open; `choices` are shown to the user."""

    text: str
    choices: tuple[str, ...]


# Returns the index of the choice that was made.
Chooser = Callable[[Question], int]


def summary(repairs: Iterable[Repair]) -> list[str]:
    """Return one line for each kind of repair: how many, in which files, and how sure."""
    groups: dict[tuple[RepairKind, bool], list[Repair]] = {}
    for repair in repairs:
        groups.setdefault((repair.kind, repair.sure), []).append(repair)
    return [_line(kind, sure, found) for (kind, sure), found in groups.items()]


def _line(kind: RepairKind, sure: bool, found: Sequence[Repair]) -> str:
    files = Counter(repair.file for repair in found if repair.file)
    where = ", ".join(f"{name} {count}" if count > 1 else name for name, count in files.items())
    details = dict.fromkeys(repair.detail for repair in found if repair.detail)
    shown = "; ".join(details) if len(details) <= 3 else ""
    text = f"{len(found)} × {kind}" if len(found) > 1 else str(kind)
    text += f" ({shown})" if shown else ""
    text += f": {where}" if where else ""
    return text if sure else f"{text} [likely]"
