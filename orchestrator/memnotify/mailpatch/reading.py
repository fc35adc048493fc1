"""How a hunk was read: what each of its lines is, and where it is in the file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from memnotify.mailpatch.raw import Line
from memnotify.mailpatch.tokens import BLANKS


class LineKind(StrEnum):
    """What a line of a hunk is."""

    CONTEXT = " "
    REMOVED = "-"
    ADDED = "+"
    FOREIGN = "?"  # context that the tree does not have, but that fuzz allows
    SKIPPED = ""  # not part of the hunk: an empty line, the rest of its header, "\\ No newline …"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line of a hunk: the lines of the mail that it is made of, and its line in the tree.

    `mail` is empty for an empty line that the archive dropped. `tree` is an index from 0, or None
    for a line that the tree does not have.
    """

    kind: LineKind
    mail: tuple[Line, ...] = ()
    tree: int | None = None

    @property
    def text(self) -> str:
        """The mail's text without its marker, joined with a blank where it was wrapped."""
        first, *rest = (line.text for line in self.mail)
        bare = first[1:] if self.kind in (LineKind.ADDED, LineKind.REMOVED) else first
        return " ".join(
            [bare.rstrip(BLANKS) if rest else bare, *(line.strip(BLANKS) for line in rest)]
        )

    @property
    def ends_file(self) -> bool:
        """Whether it states that the line before it has no line end."""
        return self.kind is LineKind.SKIPPED and says_no_end(self.mail[0].text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read a hunk at one place; `start` is the index of its first old line, from 0.

    `counted`: the numbers of lines are those in the hunk's header. `closed`: and its lines are as
    they were, so the line below it is no part of it.
    """

    start: int
    parts: tuple[Part, ...]
    cost: int
    counted: bool
    rest: tuple[Line, ...]  # lines of the body after the hunk's end
    closed: bool = False
    stands: bool = False  # it is the hunk as it stands, by its markers and counts

    @property
    def left_out(self) -> int:
        """How many lines of context fuzz has left out before the first line in the tree."""
        first = next((at for at, p in enumerate(self.parts) if p.tree is not None), 0)
        return sum(part.kind is LineKind.FOREIGN for part in self.parts[:first])

    def is_plain(self, *, spilled: bool = False) -> bool:
        """Return whether each line of the mail is a line of it: none is joined, put back, left out.

        `spilled`: except for the first one, which is the end of the hunk's header.
        """
        return all(
            len(part.mail) == 1 and (part.kind is not LineKind.SKIPPED or part.ends_file)
            for part in self.parts[int(spilled) :]
        )

    @property
    def outcome(self) -> tuple[tuple[int, str | None], ...]:
        """The effect of a reading, equal for equivalent ones: what is removed and added, where."""
        at = self.start
        changes: list[tuple[int, str | None]] = []
        for part in self.parts:
            if part.kind is LineKind.ADDED:
                changes.append((at, part.text))
            elif part.tree is not None:
                at = part.tree + 1
                if part.kind is LineKind.REMOVED:
                    changes.append((part.tree, None))
        return tuple(changes)


def says_no_end(text: str) -> bool:
    # The text is in the language of the diff's author: GNU patch and git go by the sign alone.
    return text.startswith("\\ ") or text.lstrip().startswith("\\ No newline")
