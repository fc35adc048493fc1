"""memnotify series diff"""

from __future__ import annotations

import argparse
import os
import sys

from memnotify.cli.paths import named, path
from memnotify.mailpatch.rangediff import range_diff
from memnotify.results.parting import partings
from memnotify.series.quilt import compared
from memnotify.text import printable, printable_lines


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Compare two series with git range-diff: which patches correspond, and how they differ."
    )
    for name, metavar in (("old", "A"), ("new", "B")):
        parser.add_argument(
            name, type=named, metavar=metavar, help="REV, REV/BASE, a folder, or a range of git"
        )
    parser.add_argument(
        "--stat", action="store_true", help="show only the numbers of changed lines"
    )
    parser.add_argument(
        "--no-messages",
        dest="messages",
        action="store_false",
        help="ignore commit messages; compare only the changes",
    )
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        nargs="?",
        const="always",
        default="auto",
        metavar="WHEN",
        help="auto, always or never; default: auto",
    )
    parser.add_argument(
        "--run",
        type=path,
        metavar="RUN",
        help="also say, for each pair of their cells in this run, where the records diverge",
    )
    parser.set_defaults(handler=_diff)


def _diff(args: argparse.Namespace) -> int:
    old, new = compared(args.old, args.new)
    parted = [] if args.run is None else list(partings(args.run, args.old, args.new))
    auto = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    color = auto if args.color == "auto" else args.color == "always"
    said = range_diff(old.patches, new.patches, stat=args.stat, color=color, messages=args.messages)
    # A program gets the text unchanged.
    terminal = sys.stdout.isatty()
    sys.stdout.write(printable_lines(said, colored=True) if terminal else said)
    for parting in parted:
        print(printable(parting.line()))
    return 0
