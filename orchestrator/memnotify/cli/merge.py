"""`memnotify merge`: merge the parts of a campaign that ran on several machines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from memnotify.cli.output import add_json
from memnotify.cli.paths import path
from memnotify.report.expect import print_expectations
from memnotify.report.plain import plain_console
from memnotify.report.table import print_run
from memnotify.results.expectations import expectations, failed
from memnotify.results.folder import RunFolder, to_json
from memnotify.run.shards import merge
from memnotify.text import printable


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Copy the results of several parts of one campaign into the folder of a new "
        "run, print its table, and the result of each [[expect]] of the campaign. "
        "The exit status is 1 if a cell has no result in any part, or if an "
        "[[expect]] was not met."
    )
    parser.add_argument("runs", type=path, nargs="+", metavar="RUN", help="folder of a part")
    parser.add_argument(
        "-o", "--output", type=path, required=True, metavar="DIR", help="folder of the new run"
    )
    add_json(parser, ", the same as show --json")
    parser.set_defaults(handler=_merge)


def _merge(args: argparse.Namespace) -> int:
    merged = RunFolder(args.output)
    missing = merge([RunFolder(run) for run in args.runs], merged)
    return show_merged(merged, missing, as_json=args.json)


def show_merged(merged: RunFolder, missing: Sequence[str], *, as_json: bool) -> int:
    """Print a merged run and return the exit status."""
    verdicts = merged.verdicts()
    expected = expectations(merged, verdicts)
    if as_json:
        sys.stdout.write(to_json([verdict.to_json() for verdict in verdicts]))
    else:
        console = plain_console()
        print_run(console, verdicts, planned=len(merged.whole()))
        if expected:
            print_expectations(console, expected)
    for name in missing:
        print(f"no result of {printable(name)}", file=sys.stderr)
    return int(bool(missing) or failed(expected))
