"""Consoles and tables without lines, for people, files and pipes."""

from __future__ import annotations

import os
import re
from textwrap import wrap
from typing import IO, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from memnotify.text import printable

_TRAILING = re.compile(r"(?: |\x1b\[[0-9;]*m)+$", re.M)
_END_OF_STYLE = "\x1b[0m"


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with 1, which means that a check failed


class _File(_Console):
    """A console for files and pipes: no width limits a line, and no blanks end it."""

    def print(self, *objects: Any, **options: Any) -> None:
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write(_TRAILING.sub(_end, captured.get()))


def _end(trailing: re.Match[str]) -> str:
    return _END_OF_STYLE if _END_OF_STYLE in trailing[0] else ""


def plain_console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """Return a console that truncates nothing, unless a terminal sets the width.

    FORCE_COLOR gives colours to files and pipes too, but makes no terminal of them: they have
    neither its width nor a cursor that moves.
    """
    console = _Console(file=file, stderr=stderr, highlight=False)
    if console.file.isatty():
        return console
    colored = os.environ.get("FORCE_COLOR") and not os.environ.get("NO_COLOR")
    return _File(
        file=file,
        stderr=stderr,
        highlight=False,
        width=1_000,
        force_terminal=False,
        color_system="standard" if colored else None,
    )


def print_line(console: Console, text: str, *, style: str = "") -> None:
    """Print a sentence: broken at blanks on a terminal, and on one line anywhere else.

    A path is longer than a line rather than broken.
    """
    whole = printable(text)
    lines = [whole]
    if console.is_terminal:
        lines = wrap(whole, console.width, break_long_words=False, break_on_hyphens=False)
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def plain_table(*titles: str) -> Table:
    """Return a table without lines, with columns that have these titles and wrap."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
