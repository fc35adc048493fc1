"""memnotify baseline compare"""

from __future__ import annotations

import argparse
import sys

from rich.text import Text

from memnotify.check.change import parse_limit
from memnotify.check.reaction import UNITS
from memnotify.cli.compare import add_fail_if, limits_of
from memnotify.cli.damaged import say_line
from memnotify.cli.output import add_json
from memnotify.cli.paths import named, path
from memnotify.errors import InputError
from memnotify.report.changes import print_changes, print_judgement
from memnotify.report.plain import plain_console
from memnotify.results.against import against, differing
from memnotify.results.baseline import Place, measured
from memnotify.results.changes import judge
from memnotify.results.folder import to_json
from memnotify.results.grouping import RUN
from memnotify.text import counted, printable


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Compare a run with a baseline, cell by cell. The exit status is 1 if there is evidence "
        "that a figure breaks a limit of the baseline or of --fail-if, or, without limits, that "
        "any figure moved. It is also 1 if a cell of the baseline has no results, or ends in a "
        "new finding."
    )
    parser.add_argument(
        "name", type=named, metavar="NAME", help="a name, or a path that ends in .toml"
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of a run")
    add_fail_if(parser)
    add_json(parser, ": one object for each figure in each setting")
    parser.set_defaults(handler=_compare)


def _compare(args: argparse.Namespace) -> int:
    more = limits_of(args)
    baseline, found = Place.of(args.name).load(), measured(args.run, say=say_line)
    limits = [*(parse_limit(text, UNITS) for text in baseline.limits), *more]
    result = against(baseline, found, run=str(args.run), name=args.name)
    if not result.pairs:
        raise InputError(
            f"{args.run} has no cell of the baseline {args.name}",
            hint="is it a run of the same campaign, on the same base?",
        )
    judged = judge(result.moved, limits) if limits else None
    moved = differing(result.moved)
    bad = bool(judged.broken if judged is not None else moved)
    failed = bad or bool(result.gone) or bool(result.worse)
    console = plain_console(stderr=args.json)
    if args.json:
        sys.stdout.write(to_json([one.to_json() for one in result.moved]))
    else:
        print_changes(console, result.moved, by=RUN)
    for note in result.notes(args.name, (baseline.qemu, found.qemu)):
        console.print(Text(printable(note)), soft_wrap=True)
    if judged is not None:
        print_judgement(console, judged)
    elif moved:
        console.print(Text(f"FAIL {counted(len(moved), 'figure')} moved"), style="red")
    return int(failed)
