"""`memnotify report`: write a run as a page, or in a format for a CI service."""

from __future__ import annotations

import argparse

from memnotify.cli.damaged import say_damaged
from memnotify.cli.paths import path
from memnotify.errors import InputError
from memnotify.files import held_for_result
from memnotify.places import command
from memnotify.report.formats import FORMATS, make_report
from memnotify.results.folder import RunFolder


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Write a report of a run. The suffix of the file selects the format: .html "
        "(a page to read), .xml (JUnit), .ktap (the format of the kernel's own "
        "tests) or .md (a summary for a CI job)."
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        metavar="FILE",
        help=f"file to write, ending in one of {' '.join(FORMATS)}; default: RUN/report.html",
    )
    parser.set_defaults(handler=_report)


def _report(args: argparse.Namespace) -> int:
    with held_for_result(args.output):
        say_damaged(args.run)
        folder = RunFolder(args.run)
        if not folder.results()[0]:
            # A CI service would regard a report without failures as a success.
            hint = f"see {command(f'show {args.run}')}"
            raise InputError(f"no cell of {args.run} has results to report", hint=hint)
        output = args.output or args.run / "report.html"
        make_report(folder, output)
    print(output)
    return 0
