"""memnotify kernel list"""

from __future__ import annotations

import argparse

from memnotify.cli.output import add_json
from memnotify.jsontext import dump
from memnotify.kernel.inventory import list_kernels
from memnotify.report.kernels import bases_table, builds_table
from memnotify.report.plain import plain_console
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    parser.set_defaults(handler=_list)


def _list(args: argparse.Namespace) -> int:
    rows = list_kernels(Store())
    if args.json:
        print(dump(rows))
        return 0
    console = plain_console()
    bases_table(rows).print(console)
    if any(row["builds"] for row in rows):
        console.print("\nin the store, newest first:")
        builds_table(rows).print(console)
    return 0
