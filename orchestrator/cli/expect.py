"""`memnotify expect`: what a campaign expected of its cells, and what came out."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from orchestrator.campaign.expect import expectations, failed
from orchestrator.campaign.results import RunFolder, to_json
from orchestrator.cli.damaged import say_damaged
from orchestrator.cli.paths import path
from orchestrator.report.expect import print_expectations
from orchestrator.report.table import plain_console


def register(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "expect",
        help="compare a run with what its campaign expects",
        description="Print each [[expect]] of the campaign, and in how many cells it was met. The "
        "exit status is 1 if one was not.",
    )
    parser.add_argument("run", type=path, metavar="RUN", help="the run's folder")
    parser.add_argument("--json", action="store_true", help="print data for programs")
    parser.set_defaults(handler=_expect)


def _expect(args: argparse.Namespace) -> int:
    say_damaged(args.run)
    folder = RunFolder(args.run)
    results = expectations(folder, folder.verdicts())
    if args.json:
        sys.stdout.write(to_json(results))
    else:
        print_expectations(plain_console(), results)
    return int(failed(results))
