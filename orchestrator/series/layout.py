"""White space for added lines whose own an archive has taken.

C is indented as clang-format would, but calibrated by the code around: a line gets the indentation
that its neighbours have whom clang-format would indent the same. In other files it is that of the
neighbour that looks most alike. Wide gaps within a line (tables, lists of #define) go on to the
column where those of a like neighbour do. All of this is white space; the words stay the mail's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from orchestrator.process import CommandLog
from orchestrator.series.align import Kind
from orchestrator.series.damage import Damage, Fate, gaps_of, lead_of, unexpand
from orchestrator.series.style import indentations
from orchestrator.series.tokens import is_c, tokens

_TAB = 8
_NEAR = 40  # lines
_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a piece of a file: one of the tree's, or an added one as the mail has it."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A run of lines around changes, from one end of a function to another."""

    name: str
    rows: tuple[Row, ...]


def lay_out(
    pieces: Sequence[Piece], damage: Damage, *, log: CommandLog | None = None
) -> list[list[str]]:
    """Return the lines of each piece, those added with white space in place of what was lost.

    Raises InfrastructureError if there is no clang-format.
    """
    if damage == Damage(Fate.KEPT, Fate.KEPT):
        return [[row.text for row in piece.rows] for piece in pieces]
    columns = _columns(pieces, log) if damage.lead is Fate.LOST else {}
    return [
        _Layout(piece, damage, columns.get(number)).lines() for number, piece in enumerate(pieces)
    ]


def _columns(pieces: Sequence[Piece], log: CommandLog | None) -> dict[int, list[int | None]]:
    """Return where clang-format would begin each line of the pieces in C, old lines and new."""
    texts = []
    owners = []
    for number, piece in enumerate(pieces):
        if is_c(piece.name):
            for without in (Kind.ADDED, Kind.REMOVED):
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
    return row.text.lstrip() if row.kind is Kind.ADDED else row.text


class _Layout:
    def __init__(self, piece: Piece, damage: Damage, columns: list[int | None] | None) -> None:
        self.piece = piece
        self.rows = piece.rows
        self.damage = damage
        self.columns = columns
        self.c = is_c(piece.name)
        self.done: list[str] = []

    def lines(self) -> list[str]:
        comment: int | None = None  # the line where the comment begins that we are in
        for at, row in enumerate(self.rows):
            self.done.append(row.text if row.kind is not Kind.ADDED else self._added(at, comment))
            if self.c and row.kind is not Kind.REMOVED:
                comment = _comment_after(row.text, comment, at)
        return self.done

    def _added(self, at: int, comment: int | None) -> str:
        text = self.rows[at].text
        if not text.strip():
            return text if self.damage.lead is Fate.KEPT else ""
        said = text.strip() if self.damage.lead is Fate.LOST else text.lstrip()
        model = self._model(at)
        lead = self._lead(at, comment)
        if self.damage.inner is Fate.KEPT:
            return lead + said
        line = _spread(lead, said, model, expanded=self.damage.inner is Fate.EXPANDED)
        return line if tokens([line], c=self.c) == tokens([said], c=self.c) else lead + said

    # --- the beginning of a line

    def _lead(self, at: int, comment: int | None) -> str:
        text = self.rows[at].text
        if self.damage.lead is Fate.KEPT:
            return lead_of(text)
        if self.damage.lead is not Fate.LOST:
            width = len(lead_of(text))
            made = unexpand(width, shifted=self.damage.lead is Fate.SHIFTED)
            same = (lead_of(near) for near in self._near(at) if _width(near) == _length(made))
            return next(same, made)
        if comment is not None:
            opener = lead_of(self.done[comment])
            if text.lstrip().startswith("*"):
                return opener + " "
            return lead_of(self.done[at - 1]) if at - 1 > comment else opener + "   "
        if self.columns is not None and self.columns[at] is not None:
            return self._calibrated(at, self.columns[at] or 0)
        model = self._model(at)
        return lead_of(model if model is not None else next(self._near(at), ""))

    def _calibrated(self, at: int, column: int) -> str:
        assert self.columns is not None
        for index in self._block(at):
            if self.columns[index] == column and _alike(self.rows[index].text, self.rows[at].text):
                return lead_of(self.rows[index].text)
        for index in self._around(at):
            row = self.rows[index]
            if self.columns[index] == column and row.kind is not Kind.ADDED and row.text.strip():
                return lead_of(row.text)
        for index in range(at - 1, max(-1, at - _NEAR), -1):
            known = self.columns[index]
            if known is not None and known < column and self.rows[index].kind is not Kind.REMOVED:
                return _tabbed(_width(self.done[index]) + column - known)
        return _tabbed(column)

    # --- the lines to go by

    def _around(self, at: int) -> Iterator[int]:
        """Yield the lines around one, the nearest first, those before it before those after."""
        for distance in range(1, _NEAR + 1):
            for index in (at - distance, at + distance):
                if 0 <= index < len(self.rows):
                    yield index

    def _near(self, at: int) -> Iterator[str]:
        for index in self._around(at):
            row = self.rows[index]
            if row.kind is not Kind.ADDED and row.text.strip():
                yield row.text

    def _block(self, at: int) -> list[int]:
        """Return the removed lines of the change that a line is in, the most alike first."""
        begin = at
        while begin > 0 and self.rows[begin - 1].kind in (Kind.ADDED, Kind.REMOVED):
            begin -= 1
        found = []
        for index in range(begin, len(self.rows)):
            if self.rows[index].kind is Kind.REMOVED:
                found.append(index)
            elif self.rows[index].kind is not Kind.ADDED:
                break
        text = self.rows[at].text
        return sorted(found, key=lambda index: -_ratio(self.rows[index].text, text))

    def _model(self, at: int) -> str | None:
        """Return the removed line that one replaces, or the nearest line of the same form."""
        text = self.rows[at].text
        for index in self._block(at):
            if _alike(self.rows[index].text, text):
                return self.rows[index].text
        form = _form(text)
        return next(
            (near for near in self._near(at) if _same_begin(_form(near), form)),
            None,
        )


def _comment_after(text: str, comment: int | None, at: int) -> int | None:
    """Return where the comment began that goes on after a line, if one does."""
    opened, closed = text.rfind("/*"), text.rfind("*/")
    if opened > closed or (opened >= 0 and closed == opened + 1):
        return at
    return None if closed >= 0 else comment


def _length(text: str) -> int:
    return len(text.expandtabs(_TAB))


def _width(line: str) -> int:
    return _length(lead_of(line))


def _tabbed(column: int) -> str:
    return unexpand(column, shifted=False)


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, tokens([one], c=True), tokens([other], c=True), False).ratio()


def _alike(one: str, other: str) -> bool:
    return _ratio(one, other) >= _ALIKE


def _form(text: str) -> list[str]:
    """Return the words of a line, with names, numbers and strings made all the same."""
    text = re.sub(r'"(?:\\.|[^"\\])*"', '"', text)
    return re.sub(r"[0-9]+", "0", re.sub(r"[A-Za-z_][\w-]*(?:\.\w+)*", "a", text)).split()


def _same_begin(one: Sequence[str], other: Sequence[str]) -> bool:
    return len(one) > 1 and len(other) > 1 and one[:2] == other[:2]


def _spread(lead: str, said: str, model: str | None, *, expanded: bool) -> str:
    """Put the gaps of a like line between words, so that what follows begins at its column."""
    words = said.split()
    gaps = gaps_of(said) if expanded else [" "] * (len(words) - 1)
    if model is None or len(words) < 2:
        return lead + said if expanded else lead + " ".join(words)
    ours, theirs = _form(said), _form(model)
    model_gaps = gaps_of(model)
    model_words = model.split()
    line = lead + words[0]
    going = ours[:1] == theirs[:1] or words[0] == model_words[0]
    for at, (gap, word) in enumerate(zip(gaps, words[1:], strict=True)):
        if going and at < len(model_gaps) and model_gaps[at] != " ":
            line += _to_column(line, _column_of(model, at + 1), model_gaps[at])
        else:
            line += gap
        line += word
        going = going and ours[at + 1 : at + 2] == theirs[at + 1 : at + 2]
    return line


def _column_of(line: str, word: int) -> int:
    """Return the column of the n-th word (from 0) of a line."""
    found = list(re.finditer(r"\S+", line))[word]
    return _length(line[: found.start()])


def _to_column(line: str, column: int, gap: str) -> str:
    width = _length(line)
    if width >= column:
        return "\t" if gap.startswith("\t") and width % _TAB else " "
    if "\t" not in gap:
        return " " * (column - width)
    tabs = column // _TAB - width // _TAB
    return "\t" * tabs + " " * ((column % _TAB) if tabs else column - width)
