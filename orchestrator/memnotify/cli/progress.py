"""How a command that builds or runs something reports its progress: --quiet, --json-lines."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager

from memnotify.errors import InputError
from memnotify.report.board import Board, QuietBoard, open_board
from memnotify.report.plain import plain_console


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print no progress, only warnings and the result"
    )
    parser.add_argument(
        "--json-lines",
        action="store_true",
        help="print progress and result as JSON, one event per line; docs/reference/events.md",
    )


def check_progress(args: argparse.Namespace) -> None:
    """Raise InputError for options that exclude one another."""
    for name in ("json", "quiet"):
        if args.json_lines and getattr(args, name, False):
            raise InputError(
                f"--json-lines cannot be combined with --{name}: its last line has all that --json "
                "prints"
            )


def progress(
    args: argparse.Namespace, command: str, *, stderr: bool
) -> AbstractContextManager[Board]:
    """Return the board that was asked for, as a context manager.

    With `stderr`, stdout is for the result alone. Raises InputError as `check_progress` does.
    """
    check_progress(args)
    if args.json_lines:
        # Imported here, so that other commands need not wait for it.
        from memnotify.report.events import JsonBoard

        return JsonBoard(sys.stdout, command=command)
    if args.quiet:
        return QuietBoard()
    return open_board(plain_console(stderr=stderr))
