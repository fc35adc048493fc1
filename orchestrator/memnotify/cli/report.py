"""`memnotify report`: write a run as a page, or in a format for a CI service."""

from __future__ import annotations

import argparse

from memnotify.cli.damaged import say_damaged
from memnotify.cli.paths import path
from memnotify.errors import InputError
from memnotify.files import held_for_result
from memnotify.places import command
from memnotify.report.formats import FORMATS, make_report


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Write a report of a run. The suffix of the file selects the format: .html "
        "(a page to read, in one file that needs no network), .xml (JUnit), .ktap (the "
        "format of the kernel's own tests) or .md (a summary for a CI job). With several "
        "runs of one campaign, the page shows the newest one, and how each figure and "
        "each cell changed from run to run. docs/howto/report.md says how to read it."
    )
    parser.add_argument(
        "runs", nargs="+", type=path, metavar="RUN", help="folder of the run, or of each run"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        metavar="FILE",
        help=f"file to write, ending in one of {' '.join(FORMATS)}; default: report.html in the "
        "folder of the first run",
    )
    parser.set_defaults(handler=_report)


def _report(args: argparse.Namespace) -> int:
    with held_for_result(args.output):
        runs = []
        for path in args.runs:
            runs.append(looked := say_damaged(path))
            if not looked.whole:
                # A CI service would regard a report without failures as a success.
                hint = f"see {command(f'show {path}')}"
                raise InputError(f"no cell of {path} has results to report", hint=hint)
        output = args.output or runs[0].run.path / "report.html"
        make_report(runs, output)
    print(output)
    return 0
