"""`memnotify doctor`: can this machine do it, and what is missing."""

from __future__ import annotations

import argparse
from typing import Any

from rich.table import Table
from rich.text import Text

from memnotify.cli.doctor_checks import Check, State, examine
from memnotify.errors import InfrastructureError
from memnotify.jsontext import dump
from memnotify.report.table import plain_console
from memnotify.store import Store

_STYLES = {State.OK: "green", State.MISSING: "bold red", State.NOTE: "yellow"}


def register(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "doctor",
        help="can this machine run the testbed, and what is missing",
        description="Try what the testbed needs. Exit status 3 if something needed is missing.",
    )
    parser.add_argument("--json", action="store_true", help="print data for programs")
    parser.set_defaults(handler=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    checks = list(examine(Store()))
    if args.json:
        print(dump([check.as_json() for check in checks]))
    else:
        plain_console().print(_table(checks))
    missing = [check for check in checks if check.state is State.MISSING]
    if missing and not args.json:
        print(f"{len(missing)} missing: {', '.join(check.name for check in missing)}")
    return InfrastructureError.exit_code if missing else 0


def _table(checks: list[Check]) -> Table:
    table = Table("check", "state", "detail", "mend")
    for check in checks:
        state = Text(check.state, style=_STYLES[check.state])
        table.add_row(check.name, state, Text(check.detail), Text(check.mend))
    return table
