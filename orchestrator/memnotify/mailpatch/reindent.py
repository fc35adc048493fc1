"""Restore the white space of added lines that an archive has removed.

C is indented as by clang-format, but calibrated by the surrounding code: a line gets the
indentation of those neighbours that clang-format would indent the same. In other files it gets that
of the most similar neighbour. Wide gaps within a line (tables, lists of #define) extend to the same
column as in a similar neighbour. Only white space is changed; the words stay those of the mail.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain
from pathlib import PurePosixPath

from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.clang_format import indentations
from memnotify.mailpatch.reading import LineKind
from memnotify.mailpatch.tokens import BLANKS, in_comment, is_c, is_makefile, key, tokens
from memnotify.mailpatch.whitespace import KEPT, LOST, TAB, Damage, Space, after, lead_of, unexpand
from memnotify.process import CommandLog

_NEAR = 40  # lines
_ALIKE = 0.5
_ENTRY_LINES = 400  # of an entry of a Kconfig file, with its help
_STEPS_FOR_A_ROW = 16
_STEPS_FOR_A_PAIR = 3
_PAIRS = 64  # of words, compared in the time of a step
_WORD = frozenset(string.ascii_letters + "_")
_ENTRY = re.compile(
    r"(?:config|menuconfig|choice|endchoice|menu|endmenu|mainmenu|if|endif|source|comment)\b"
)
_HELP = re.compile(r"(?:---)?help(?:---)?")
_RULE = re.compile(r"[^\s#][^=#]*:(?!=)")  # of a makefile: the lines after it begin with a tab


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a piece of a file: one of the tree, or an added one as in the mail."""

    kind: LineKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSpan:
    """A run of lines around changes, from the end of one function to the end of another."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """An added line; `other` is an alternative, if blanks in a string may be missing."""

    text: str
    other: str | None = None


def lay_out(
    pieces: Sequence[CodeSpan], damage: Damage, *, effort: Effort, log: CommandLog | None = None
) -> list[list[Laid]]:
    """Return the added lines of each piece, with lost white space restored.

    Raises InfrastructureError if there is no clang-format, and TooMuchError.
    """
    if damage == Damage(KEPT, KEPT):
        return [
            [Laid(row.text) for row in piece.rows if row.kind is LineKind.ADDED] for piece in pieces
        ]
    added = sum(row.kind is LineKind.ADDED for piece in pieces for row in piece.rows)
    effort.spend(_STEPS_FOR_A_ROW * added)
    columns = _columns(pieces, log) if damage.lead != KEPT else {}
    return [
        _Layout(piece, damage, columns.get(number), effort).lines()
        for number, piece in enumerate(pieces)
    ]


def _columns(pieces: Sequence[CodeSpan], log: CommandLog | None) -> dict[int, list[int | None]]:
    """Return where clang-format would begin each line of the pieces in C, old lines and new."""
    texts = []
    owners = []
    for number, piece in enumerate(pieces):
        if is_c(piece.name):
            for without in (LineKind.ADDED, LineKind.REMOVED):
                at = [index for index, row in enumerate(piece.rows) if row.kind is not without]
                texts.append([_bare(piece.rows[index]) for index in at])
                owners.append((number, at))
    found: dict[int, list[int | None]] = {
        number: [None] * len(piece.rows) for number, piece in enumerate(pieces)
    }
    for (number, at), columns in zip(owners, indentations(texts, log=log), strict=True):
        for index, column in zip(at, columns, strict=True):
            found[number][index] = column
    return {number: found[number] for number, _ in owners}


def _bare(row: Row) -> str:
    return row.text.lstrip() if row.kind is LineKind.ADDED else row.text


class _Layout:
    def __init__(
        self, piece: CodeSpan, damage: Damage, columns: list[int | None] | None, effort: Effort
    ) -> None:
        self.piece = piece
        self.rows = piece.rows
        self.damage = damage
        self.columns = columns
        self.effort = effort
        self.c = is_c(piece.name)
        self.done: list[str] = []
        self.removed = _removed_beside(piece.rows)

    def lines(self) -> list[Laid]:
        laid: list[Laid] = []
        comment: int | None = None  # the line where the current comment begins
        for at, row in enumerate(self.rows):
            if row.kind is LineKind.ADDED:
                laid.append(self._added(at, comment))
            self.done.append(laid[-1].text if row.kind is LineKind.ADDED else row.text)
            if self.c and row.kind is not LineKind.REMOVED:
                goes_on = in_comment(row.text, comment is not None)
                comment = (at if comment is None else comment) if goes_on else None
        return laid

    def _added(self, at: int, comment: int | None) -> Laid:
        text = self.rows[at].text
        if not text.strip():
            return Laid(text if self.damage.lead == KEPT else text.strip(BLANKS))
        said = text.strip(BLANKS) if self.damage.lead == LOST else text.lstrip(BLANKS)
        lead = self._lead(at, comment)
        if self.damage.inner == KEPT:
            return Laid(lead + said)
        spread = self._spread(lead, said, at)
        if tokens([spread], c=self.c) == tokens([said], c=self.c):
            return Laid(spread)
        return Laid(lead + said, spread if self.damage.inner == LOST else None)

    def _spread(self, lead: str, said: str, at: int) -> str:
        bare = said.removesuffix("\\").rstrip(BLANKS)
        model = self._model(at)
        line = spread(lead, bare, model, self.damage.inner)
        if bare == said:
            return line
        # The end of a line of a macro: backslashes are aligned.
        for near in chain([model or ""], self._near(at)):
            body = near.rstrip().removesuffix("\\")
            if body != near.rstrip() and body.strip():
                gap = body[len(body.rstrip()) :]
                return line + to_column(line, _length(body), gap) + "\\"
        return line + " \\"

    # --- the beginning of a line

    def _lead(self, at: int, comment: int | None) -> str:
        text = self.rows[at].text
        if self.damage.lead == KEPT:
            return lead_of(text)
        made = self._made(at, comment)
        if self.damage.lead == LOST or after(self.damage.lead, made) == lead_of(text):
            return made
        # Of the white space that may have become these blanks, use that of similar lines.
        block = (self.rows[index].text for index in self._block(at))
        leads = (lead_of(line) for line in chain(block, self._near(at)))
        fits = (lead for lead in leads if after(self.damage.lead, lead) == lead_of(text))
        return next(fits, unexpand(len(lead_of(text)), shift=self.damage.lead.shift))

    def _made(self, at: int, comment: int | None) -> str:
        """Return the white space that a line should begin with, according to its surroundings."""
        text = self.rows[at].text
        if comment is not None:
            opener = lead_of(self.done[comment])
            if text.lstrip().startswith("*"):
                return opener + " "
            return lead_of(self.done[at - 1]) if at - 1 > comment else opener + "   "
        if self.columns is not None and self.columns[at] is not None:
            return self._calibrated(at, self.columns[at] or 0)
        if PurePosixPath(self.piece.name).name.startswith("Kconfig"):
            return self._kconfig(text)
        model = self._model(at)
        if model is not None:
            return lead_of(model)
        before = next((line for line in reversed(self.done[-_NEAR:]) if line.strip()), None)
        if is_makefile(self.piece.name) and before is not None:
            recipe = before.startswith("\t") or _RULE.match(before) is not None
            return "\t" if recipe else ""
        return lead_of(next(self._near(at), "") if before is None else before)

    def _calibrated(self, at: int, column: int) -> str:
        """Return the indentation used here for lines that clang-format would put at a column."""
        columns = self.columns or ()
        text = self.rows[at].text
        for index in self._block(at):
            if columns[index] == column and self._alike(self.rows[index].text, text):
                return lead_of(self.rows[index].text)
        for index in self._around(at):
            row = self.rows[index]
            # Each continuation line within parentheses is indented in its own way.
            same = column % TAB == 0 or row.text.lstrip()[:1] == text.lstrip()[:1] not in _WORD
            if columns[index] == column and row.kind is not LineKind.ADDED and same:
                return lead_of(row.text)
        for index in range(at - 1, max(-1, at - _NEAR), -1):
            known = columns[index]
            if (
                known is not None
                and known < column
                and self.rows[index].kind is not LineKind.REMOVED
            ):
                return _tabbed(_width(self.done[index]) + column - known)
        return _tabbed(column)

    def _kconfig(self, text: str) -> str:
        """Return the indentation that Documentation/CodingStyle requires in Kconfig files."""
        if _ENTRY.match(text.strip()):
            return ""
        before = (line.strip() for line in reversed(self.done[-_ENTRY_LINES:]))
        last = next((line for line in before if _ENTRY.match(line) or _HELP.fullmatch(line)), "")
        return "\t  " if _HELP.fullmatch(last) else "\t"

    # --- the lines that serve as models

    def _around(self, at: int) -> Iterator[int]:
        """Yield the lines around one, the nearest first, and of two the one before it first."""
        for distance in range(1, _NEAR + 1):
            for index in (at - distance, at + distance):
                if 0 <= index < len(self.rows):
                    yield index

    def _near(self, at: int) -> Iterator[str]:
        for index in self._around(at):
            row = self.rows[index]
            if row.kind is not LineKind.ADDED and row.text.strip():
                yield row.text

    def _block(self, at: int) -> list[int]:
        """Return the removed lines of the change that a line is in, the most similar first."""
        text = self.rows[at].text
        return sorted(self.removed[at], key=lambda index: -self._ratio(self.rows[index].text, text))

    def _ratio(self, one: str, other: str) -> float:
        ours, theirs = _said(one), _said(other)
        self.effort.spend(_STEPS_FOR_A_PAIR + len(ours) * len(theirs) // _PAIRS)
        return SequenceMatcher(None, ours, theirs, False).ratio()

    def _alike(self, one: str, other: str) -> bool:
        return self._ratio(one, other) >= _ALIKE

    def _model(self, at: int) -> str | None:
        """Return the line to imitate: the same text, the removed one, or one of the same form."""
        text = self.rows[at].text
        said = key(text)
        for near in self._near(at):
            if key(near) == said:
                return near
        for index in self._block(at):
            if self._alike(self.rows[index].text, text):
                return self.rows[index].text
        form = [word for _, _, word in _words(text)][:2]
        return next(
            (
                near
                for near in self._near(at)
                if len(form) > 1 and [word for _, _, word in _words(near)][:2] == form
            ),
            None,
        )


def _removed_beside(rows: Sequence[Row]) -> list[list[int]]:
    """Return for each row the removed lines of the change that it is in; they share one list."""
    found: list[list[int]] = []
    block: list[int] = []
    for index, row in enumerate(rows):
        if row.kind not in (LineKind.ADDED, LineKind.REMOVED):
            block = []
        elif row.kind is LineKind.REMOVED:
            block.append(index)
        found.append(block)
    return found


def _length(text: str) -> int:
    return len(text.expandtabs(TAB))


def _width(line: str) -> int:
    return _length(lead_of(line))


def _tabbed(column: int) -> str:
    return unexpand(column)


@functools.lru_cache(maxsize=4096)
def _said(line: str) -> tuple[str, ...]:
    return tuple(tokens([line], c=True))


def _form(text: str) -> str:
    """Return a word with names, numbers and strings replaced by markers, and parentheses empty."""
    text = re.sub(r"\(.*\)", "()", re.sub(r'"(?:\\.|[^"\\])*"', '"', text))
    return re.sub(r"[0-9]+", "0", re.sub(r"[A-Za-z_][\w-]*(?:\.\w+)*", "a", text))


def spread(lead: str, said: str, model: str | None, space: Space) -> str:
    """Put the gaps of a similar line between words, so that each word begins at the same column.

    Text in parentheses is one word. If tabs only became blanks (`space`), a gap keeps its width.
    """
    ours, theirs = _words(said), _words(model or "")
    line = lead + (said[: ours[0][1]] if ours else "")
    alike = True
    for at in range(1, len(ours)):
        (_, end, form), (begin, after, _) = ours[at - 1], ours[at]
        gap = said[end:begin]
        made = " "
        alike = alike and at < len(theirs) and form == theirs[at - 1][2]
        if alike and model is not None:
            wide = model[theirs[at - 1][1] : theirs[at][0]]
            made = wide if wide == " " else to_column(line, _length(model[: theirs[at][0]]), wide)
        if space != LOST:
            made = _narrowed(line, gap, made, space.shift)
        line += made + said[begin:after]
    return line


def _narrowed(line: str, gap: str, made: str, shift: int) -> str:
    """Return the gap that became these blanks: that of another line, or tabs, or blanks."""
    mark = " " * shift
    width = _length(mark + line)
    tabs = "\t" * ((width + len(gap)) // TAB - width // TAB)
    for candidate in (made, tabs if len(gap) > 1 else gap):
        if candidate and _length(mark + line + candidate) - width == len(gap):
            return candidate
    return gap


@functools.lru_cache(maxsize=4096)
def _words(line: str) -> tuple[tuple[int, int, str], ...]:
    """Return begin, end and form of each word of a line; blanks in parentheses separate none."""
    found = []
    depth = 0
    begin = None
    for at, char in enumerate(line + " "):
        if char in "([":
            depth += 1
        elif char in ")]":
            depth = max(0, depth - 1)
        if char in BLANKS and (depth == 0 or at == len(line)):
            if begin is not None:
                found.append((begin, at, _form(line[begin:at])))
            begin = None
        elif begin is None:
            begin = at
    return tuple(found)


def to_column(line: str, column: int, gap: str) -> str:
    """Return the white space from a line's end to a column, of the same kind as a gap."""
    width = _length(line)
    if width >= column:
        return "\t" if gap.startswith("\t") else " "
    if "\t" not in gap:
        return " " * (column - width)
    tabs = column // TAB - width // TAB
    return "\t" * tabs + " " * ((column % TAB) if tabs else column - width)
