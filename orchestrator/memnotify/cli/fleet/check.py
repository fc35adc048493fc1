"""memnotify fleet check"""

from __future__ import annotations

import argparse
import sys

from memnotify.cli.fleet import add_hosts
from memnotify.cli.output import add_json, say
from memnotify.errors import InfrastructureError
from memnotify.jsontext import dump
from memnotify.report.grid import Column, Grid, Row
from memnotify.report.plain import plain_console
from memnotify.run.fleet.check import check
from memnotify.run.fleet.hosts import load_hosts
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Log in to each host, make an environment there, run memnotify doctor in it, and remove "
        "it again. The exit status is 3 if a host cannot be used."
    )
    add_hosts(parser)
    add_json(parser)
    parser.set_defaults(handler=_check)


def _check(args: argparse.Namespace) -> int:
    found = check(load_hosts(args.hosts), store=Store(), say=say)
    if args.json:
        sys.stdout.write(dump([one.to_json() for one in found]) + "\n")
    else:
        columns = (
            Column(name="host"),
            Column(name="state"),
            Column(name="cores", right=True),
            Column(name="memory_mib", title="MiB", right=True),
            Column(name="detail", title="detail, and how to fix it", wraps=True),
        )
        rows = [Row(one.row(), {}, "" if one.fit else "bold red") for one in found]
        Grid(columns, tuple(rows)).print(plain_console())
    return 0 if all(one.fit for one in found) else InfrastructureError.exit_code
