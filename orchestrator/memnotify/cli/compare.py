"""`memnotify compare`: compare revisions, or the values of another axis."""

from __future__ import annotations

import argparse
import sys

from memnotify.cli.damaged import say_line
from memnotify.cli.output import add_table, chosen, say_next
from memnotify.cli.paths import path
from memnotify.report.comparison import comparison_grid, print_comparison
from memnotify.report.plain import plain_console
from memnotify.results.comparison import COMPARED, compare_runs, parse_only
from memnotify.results.folder import to_json


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Compare cells that differ along one axis of the matrix and in nothing "
        "else: medians with bootstrap intervals, and the difference of each group "
        "from the first. docs/howto/comparing.md explains the figures."
    )
    parser.add_argument("runs", type=path, nargs="+", metavar="RUN", help="folder of a run")
    parser.add_argument("--by", choices=COMPARED, default="series", help="default: series")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="AXIS=VALUE",
        help="only use cells with this value of the axis; may be repeated for several values",
    )
    add_table(parser)
    parser.set_defaults(handler=_compare)


def _compare(args: argparse.Namespace) -> int:
    choice = chosen(args)
    found = compare_runs(args.runs, by=args.by, only=parse_only(args.only), say=say_line)
    if args.json:
        sys.stdout.write(to_json([row.to_json() for row in found.rows]))
    elif args.csv:
        sys.stdout.write(comparison_grid(found.rows).chosen(choice).csv())
    else:
        console = plain_console()
        print_comparison(console, found.rows, same=found.same, notes=found.notes(), choice=choice)
        first = args.runs[0]
        say_next(
            console,
            (f"compare {first} --by AXIS", f"another axis: {', '.join(COMPARED)}"),
            (f"show {first}", "the cells, one by one"),
        )
    return 0
