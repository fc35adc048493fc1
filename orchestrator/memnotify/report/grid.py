"""Tables of named columns: chosen, sorted, fitted to the width of a terminal, or written as CSV.

A table that is too wide loses columns that give way: those with the same text in every row, then
the least important ones. A line says which. What is still too wide is printed in blocks, one below
the other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from memnotify.errors import InputError
from memnotify.jsontext import dump
from memnotify.report.plain import plain_table
from memnotify.text import printable, unknown_name

PAGE = 132
"""The width of what is written to a file or a pipe, whatever the terminal is."""

ALL = "all"
"""The word for all columns."""

_GAP = 2
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
        width = console.width if console.is_terminal or self.asked else min(console.width, PAGE)
        kept = list(columns)
        while not self.asked and self._width(kept) > width:
            yielding = [column for column in kept if column.gives_way]
            if not yielding:
                break
            kept.remove(max(yielding, key=lambda one: (self._is_constant(one), one.gives_way)))
        for block in self._blocks(kept, width):
            self._print(console, block, width)
        if gone := [column.name for column in columns if column not in kept]:
            names = ", ".join(gone)
            how = f"no room for {names}: widen the terminal, or use --columns or --csv"
            console.print(Text(how, style="dim"))

    def _is_constant(self, column: Column) -> bool:
        return len({row.text(column.name) for row in self.rows}) == 1

    def _natural(self, column: Column) -> int:
        texts = [*column.head.split("\n"), *(row.text(column.name) for row in self.rows)]
        natural = max(map(cell_len, texts))
        return min(natural, _LEAST) if column.wraps else natural

    def _width(self, columns: Sequence[Column]) -> int:
        return sum(self._natural(column) + _GAP for column in columns) - _GAP

    def _blocks(self, columns: Sequence[Column], width: int) -> Iterator[list[Column]]:
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
            if len(block) > len(keys) and self._width([*block, *group]) > width:
                yield block
                block = list(keys)
            block += group
        yield block

    def _print(self, console: Console, columns: Sequence[Column], width: int) -> None:
        fits = self._width(columns) <= width
        table = plain_table()
        for column in columns:
            table.add_column(
                Text(column.head),
                justify="right" if column.right else "left",
                no_wrap=fits and not column.wraps,
                overflow="fold",
            )
        for row in self.rows:
            table.add_row(*(Text(row.text(column.name)) for column in columns), style=row.style)
        console.print(table, width=width)


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
