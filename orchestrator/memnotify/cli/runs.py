"""`memnotify runs`: list the runs below a folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from memnotify.cli.output import add_table, chosen, say, say_next
from memnotify.cli.paths import path
from memnotify.jsontext import dump
from memnotify.report.plain import plain_console
from memnotify.report.runs import runs_grid
from memnotify.results.runs import runs_below


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "List the runs below a folder: their campaigns, how many of their cells have results, the "
        "outcomes, the date of the newest, and how much disk space they take. Results are not "
        "checked for damage; memnotify show RUN does that. The exit status is 2 if a run cannot "
        "be read."
    )
    parser.add_argument(
        "folder", nargs="?", type=path, default=Path("runs"), metavar="DIR", help="default: runs"
    )
    add_table(parser)
    parser.set_defaults(handler=_runs)


def _runs(args: argparse.Namespace) -> int:
    choice = chosen(args)
    found = list(runs_below(args.folder))
    if args.json:
        sys.stdout.write(dump([run.to_json() for run in found]) + "\n")
    elif args.csv:
        sys.stdout.write(runs_grid(found).chosen(choice).csv())
    else:
        console = plain_console()
        runs_grid(found).chosen(choice).print(console)
        say_next(console, (f"show {found[-1].run}", "the results of a run"))
    wrong = [run.wrong for run in found if run.wrong is not None]
    for line in wrong:
        say(f"memnotify: {line}")
    return 2 if wrong else 0
