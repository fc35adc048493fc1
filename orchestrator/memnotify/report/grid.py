"""Tables of named columns: chosen, sorted, fitted to the width of a terminal, or written as CSV.

A table that is too wide loses columns that give way: those with the same text in every row, then
the least important ones. A line says which. What is still too wide is printed in blocks, one below
the other.

rich lays out tables, and takes a millisecond for a row. A long table in which nothing wraps has the
same lines without it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

from memnotify.errors import InputError
from memnotify.jsontext import dump
from memnotify.report.plain import plain_table
from memnotify.text import printable, unknown_name

PAGE = 132
"""The width of what is written to a file or a pipe, whatever the terminal is."""

ALL = "all"
"""The word for all columns."""

LONG = 500
"""Tables of more rows are laid out without rich."""

_GAP = 2
_GAP_TEXT = " " * _GAP
_LEAST = 24  # the least width of a column whose text wraps


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `name` in options and CSV, `title` above it, if it is not the name.

    `right`: aligned right. `wraps`: its text may take several lines. `gives_way`: columns with the
    largest number are left out first, those with 0 never. `key`: repeated in each block. `joined`:
    in the same block as the column before it. `usual`: shown unless others are asked for.
    """

    name: str
    title: str | None = None
    right: bool = False
    wraps: bool = False
    gives_way: int = 0
    key: bool = False
    joined: bool = False
    usual: bool = True

    @property
    def head(self) -> str:
        return self.name if self.title is None else self.title


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the value in each column for programs, and its text where that is another."""

    values: Mapping[str, Any]
    texts: Mapping[str, str] = field(default_factory=dict)
    style: str = ""

    def text(self, name: str) -> str:
        text = self.texts.get(name)
        return printable(_plain(self.values.get(name), none="-") if text is None else text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a reader asked for: columns by name (None: the usual ones), and the order of the rows.

    `sort` is the name of a column, after a "-" for the largest first.
    """

    columns: tuple[str, ...] | None = None
    sort: str | None = None

    @property
    def made(self) -> bool:
        return self.columns is not None or self.sort is not None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. `columns` are all that there are, in their order."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    asked: bool = False
    """Whether the user asked for the columns: then none is dropped."""

    def chosen(self, choice: Choice) -> Grid:
        """Return the table as asked for. Raises InputError for an unknown column."""
        known = {column.name: column for column in self.columns}
        rows = self.rows
        if choice.sort is not None:
            name = choice.sort.removeprefix("-")
            _refuse_unknown("--sort", name, known)
            rows = _sorted(rows, name, descending=choice.sort.startswith("-"))
        names = choice.columns
        if names is None:
            return replace(self, rows=rows)
        if names != (ALL,):
            for name in names:
                _refuse_unknown("--columns", name, known)
            return Grid(tuple(known[name] for name in dict.fromkeys(names)), rows, asked=True)
        return Grid(self.columns, rows, asked=True)

    def csv(self) -> str:
        """Return the table as CSV (RFC 4180, with newlines): all columns, or those asked for."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        for row in self.rows:
            values = (row.values.get(column.name) for column in self.columns)
            writer.writerow([printable(_plain(value, none="")) for value in values])
        return out.getvalue()

    def print(self, console: Console) -> None:
        """Print the table, and which columns had no room."""
        columns = [column for column in self.columns if column.usual or self.asked]
        laid = _Laid(self.rows, columns)
        width = console.width if console.is_terminal or self.asked else min(console.width, PAGE)
        kept = list(columns)
        while not self.asked and laid.width(kept) > width:
            yielding = [column for column in kept if column.gives_way]
            if not yielding:
                break
            kept.remove(max(yielding, key=lambda one: (laid.is_constant(one), one.gives_way)))
        for block in laid.blocks(kept, width):
            laid.print(console, block, width)
        if gone := [column.name for column in columns if column not in kept]:
            names = ", ".join(gone)
            how = f"no room for {names}: widen the terminal, or use --columns or --csv"
            console.print(Text(how, style="dim"))


class _Laid:
    """The texts of a table's columns, and how wide each is."""

    def __init__(self, rows: Sequence[Row], columns: Sequence[Column]) -> None:
        self._rows = rows
        self._texts = {one.name: [row.text(one.name) for row in rows] for one in columns}
        self._widest = {
            one.name: max(map(cell_len, (*one.head.split("\n"), *set(self._texts[one.name]))))
            for one in columns
        }

    def is_constant(self, column: Column) -> bool:
        return len(set(self._texts[column.name])) == 1

    def _natural(self, column: Column) -> int:
        widest = self._widest[column.name]
        return min(widest, _LEAST) if column.wraps else widest

    def width(self, columns: Sequence[Column]) -> int:
        return sum(self._natural(column) + _GAP for column in columns) - _GAP

    def blocks(self, columns: Sequence[Column], width: int) -> Iterator[list[Column]]:
        """Yield the columns of each block. Without a key, the first column is the key."""
        keys = [column for column in columns if column.key] or list(columns[:1])
        groups: list[list[Column]] = []
        for column in columns:
            if column in keys:
                continue
            if column.joined and groups:
                groups[-1].append(column)
            else:
                groups.append([column])
        block = list(keys)
        for group in groups:
            if len(block) > len(keys) and self.width([*block, *group]) > width:
                yield block
                block = list(keys)
            block += group
        yield block

    def print(self, console: Console, columns: Sequence[Column], width: int) -> None:
        fits = self.width(columns) <= width
        wraps = any(self._widest[one.name] > self._natural(one) for one in columns)
        if len(self._rows) > LONG and fits and not wraps:
            console.print(_Lines(self._lines(columns)), soft_wrap=True)
            return
        table = plain_table()
        for column in columns:
            table.add_column(
                Text(column.head),
                justify="right" if column.right else "left",
                no_wrap=fits and not column.wraps,
                overflow="fold",
            )
        texts = (self._texts[column.name] for column in columns)
        for row, cells in zip(self._rows, zip(*texts, strict=True), strict=True):
            table.add_row(*map(Text, cells), style=row.style)
        console.print(table, width=width)

    def _lines(self, columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
        """Yield the lines of a table in which nothing wraps, each with its style."""
        heads = [column.head.split("\n") for column in columns]
        most = max(map(len, heads))
        padded = (
            self._padded(column, [""] * (most - len(head)) + head)
            for column, head in zip(columns, heads, strict=True)
        )
        for line in zip(*padded, strict=True):
            yield _GAP_TEXT.join(line).rstrip(), "bold"
        texts = (self._padded(column, self._texts[column.name]) for column in columns)
        for row, cells in zip(self._rows, zip(*texts, strict=True), strict=True):
            yield _GAP_TEXT.join(cells).rstrip(), row.style

    def _padded(self, column: Column, texts: Sequence[str]) -> Iterator[str]:
        width = self._widest[column.name]
        for text in texts:
            blanks = " " * (width - cell_len(text))
            yield f"{blanks}{text}" if column.right else f"{text}{blanks}"


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines and their styles, as rich prints them; those of one style are one piece."""

    lines: Iterator[tuple[str, str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for style, some in groupby(self.lines, key=itemgetter(1)):
            text = "\n".join(line for line, _ in some)
            yield Segment(text, console.get_style(style) if style else None)
            yield Segment.line()


USUAL = Choice()


def _refuse_unknown(option: str, name: str, known: Mapping[str, Column]) -> None:
    if name not in known:
        hint = unknown_name(name, known)
        raise InputError(f"{option}: there is no column {name!r}", hint=hint)


def _sorted(rows: Sequence[Row], name: str, *, descending: bool) -> tuple[Row, ...]:
    """Return the rows by a column: numbers before texts, and what is unknown at the end."""
    known = [row for row in rows if row.values.get(name) is not None]
    unknown = [row for row in rows if row.values.get(name) is None]

    def key(row: Row) -> tuple[bool, Any]:
        value = row.values[name]
        number = isinstance(value, int | float)
        return (not number, value if number else _plain(value, none=""))

    return (*sorted(known, key=key, reverse=descending), *unknown)


def _plain(value: Any, *, none: str) -> str:
    if value is None:
        return none
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return dump(value, indent=None)
    return str(value)
