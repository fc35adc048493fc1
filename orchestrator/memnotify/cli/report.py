"""`memnotify report`: a run as a page, or as what a CI service reads."""

from __future__ import annotations

import argparse
from typing import Any

from memnotify.cli.damaged import say_damaged
from memnotify.cli.paths import path
from memnotify.report.formats import FORMATS, make_report
from memnotify.results.folder import RunFolder


def register(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "report",
        help="a run as HTML, JUnit XML, KTAP or Markdown",
        description="Write a report of a run. The file's suffix says what: .html a page for "
        "people, .xml JUnit, .ktap what the kernel's own tests print, .md the summary of a CI job.",
    )
    parser.add_argument("run", type=path, metavar="RUN", help="the run's folder")
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        metavar="FILE",
        help=f"with one of the suffixes {' '.join(FORMATS)}; default: RUN/report.html",
    )
    parser.set_defaults(handler=_report)


def _report(args: argparse.Namespace) -> int:
    say_damaged(args.run)
    output = args.output or args.run / "report.html"
    make_report(RunFolder(args.run), output)
    print(output)
    return 0
