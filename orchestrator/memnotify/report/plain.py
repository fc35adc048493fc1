"""Consoles and tables without lines, for people, files and pipes."""

from __future__ import annotations

import re
from typing import IO, Any

from rich.console import Console
from rich.table import Table

_TRAILING = re.compile(r" +$", re.M)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with 1, which means that a check failed


class _File(_Console):
    """A console for files and pipes: no width limits a line, and no blanks end it."""

    def print(self, *objects: Any, **options: Any) -> None:
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write(_TRAILING.sub("", captured.get()))


def plain_console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """Return a console that truncates nothing, unless a terminal sets the width."""
    console = _Console(file=file, stderr=stderr, highlight=False)
    return (
        console
        if console.is_terminal
        else _File(file=file, stderr=stderr, highlight=False, width=1_000)
    )


def plain_table(*titles: str) -> Table:
    """Return a table without lines, with columns that have these titles and wrap."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
