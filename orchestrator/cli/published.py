"""`memnotify published`: a run beside what was published of the experiment that it repeats."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

from orchestrator.campaign.published import compare_published
from orchestrator.campaign.results import RunFolder, to_json
from orchestrator.cli.damaged import say_damaged
from orchestrator.cli.paths import path
from orchestrator.report.published import print_published
from orchestrator.report.table import plain_console


def register(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "published",
        help="compare a run with what was published of its experiment",
        description="Print the figures that were published of the experiment that a run's campaign "
        "repeats, beside those of the run. Exit status 1 if one does not agree, or has not run.",
    )
    parser.add_argument("run", type=path, metavar="RUN", help="the run's folder")
    parser.add_argument("--json", action="store_true", help="print data for programs")
    parser.set_defaults(handler=_published)


def _published(args: argparse.Namespace) -> int:
    say_damaged(args.run)
    published, compared = compare_published(RunFolder(args.run))
    rows = [dataclasses.asdict(one) for one in compared]
    if args.json:
        sys.stdout.write(to_json(rows))
    else:
        print_published(plain_console(), published.source, published.machine, rows)
    return 0 if all(one.agrees for one in compared) else 1
