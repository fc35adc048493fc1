"""Output that several commands have in common."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from memnotify.errors import InputError
from memnotify.places import command
from memnotify.text import printable, printable_lines

if TYPE_CHECKING:  # rich takes a tenth of a second, which a list for programs need not wait for
    from rich.console import Console

    from memnotify.report.grid import Choice


def add_json(parser: argparse.ArgumentParser, detail: str = "") -> None:
    """Add `--json`; `detail` is added to its description."""
    parser.add_argument("--json", action="store_true", help=f"print JSON{detail}")


def add_table(parser: argparse.ArgumentParser, detail: str = "", *, csv: bool = True) -> None:
    """Add the options of a command that prints a table; `detail` as for `add_json`.

    Without `csv`, the command adds an option of that name itself.
    """
    add_json(parser, detail)
    if csv:
        parser.add_argument(
            "--csv", action="store_true", help="print the table as CSV, with all of its columns"
        )
    parser.add_argument(
        "--columns",
        type=_names,
        metavar="NAME,NAME",
        help="print these columns, or all; a name that is wrong lists the others",
    )
    parser.add_argument(
        "--sort",
        metavar="NAME",
        help="sort the rows by this column; -NAME: the largest first",
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of columns such as id,wakeups")
    return names


def chosen(args: argparse.Namespace, *, csv: bool | None = None) -> Choice:
    """Return what the reader asked of a table. Raises InputError with --json, which has all.

    `csv` says whether the table was asked for as CSV, if --csv itself does not.
    """
    from memnotify.report.grid import Choice

    choice = Choice(columns=args.columns, sort=args.sort)
    if args.json and (choice.made or (args.csv if csv is None else csv)):
        raise InputError("--json prints everything: leave out --csv, --columns and --sort")
    return choice


def say(line: str) -> None:
    """Print lines on stderr."""
    print(printable_lines(line), file=sys.stderr, flush=True)


def say_next(console: Console, *commands: tuple[str, str]) -> None:
    """Tell a reader at a terminal what to type next: commands, and what each does."""
    if not console.is_terminal:
        return
    for number, (typed, what) in enumerate(commands):
        line = f"{'     ' if number else 'next:'} {command(typed)}"
        if len(line) + 2 + len(what) <= console.width:
            line += f"  {what}"
        console.print(printable(line), style="dim", markup=False, soft_wrap=True)
