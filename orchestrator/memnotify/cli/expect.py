"""`memnotify expect`: compare the outcome of a run with the expectations of its campaign."""

from __future__ import annotations

import argparse
import sys

from memnotify.cli.damaged import say_damaged
from memnotify.cli.output import add_table, chosen, say_next
from memnotify.cli.paths import path
from memnotify.errors import InputError
from memnotify.places import command
from memnotify.report.expect import expectations_grid, print_expectations
from memnotify.report.plain import plain_console
from memnotify.results.expectations import expectations, failed
from memnotify.results.folder import to_json


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Print each [[expect]] of the campaign, and in how many cells it was met. "
        "The exit status is 1 if one was not met, and 2 if "
        "no cell has results."
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    add_table(parser)
    parser.set_defaults(handler=_expect)


def _expect(args: argparse.Namespace) -> int:
    choice = chosen(args)
    looked = say_damaged(args.run)
    results = expectations(looked.run, list(looked.verdicts()))
    if args.json:
        sys.stdout.write(to_json([result.to_json() for result in results]))
    elif args.csv:
        sys.stdout.write(expectations_grid(results).chosen(choice).csv())
    else:
        console = plain_console()
        print_expectations(console, results, choice)
        say_next(
            console,
            (f"expect {args.run} --columns result,broken", "the cells in which one was not met"),
            (f"show {args.run} CELL", "the timeline of one guest"),
        )
    if results and not looked.whole:
        hint = f"see {command(f'show {args.run}')}"
        raise InputError(f"no cell of {args.run} has results: nothing was tried", hint=hint)
    return int(failed(results))
