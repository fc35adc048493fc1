"""memnotify store list"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from memnotify.cli.output import add_table, chosen, say_next
from memnotify.jsontext import dump
from memnotify.report.grid import Column, Grid, Row
from memnotify.report.plain import plain_console, print_line
from memnotify.run.storage import KINDS, Item, items
from memnotify.store import Store

_MIB = 1 << 20


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "List the kinds of things in the store; with KIND, each thing of these kinds. "
        "The last use of a thing is when it was made, or last used by a run."
    )
    parser.add_argument(
        "kinds", nargs="*", type=kind, metavar="KIND", help=f"one of {', '.join(KINDS)}"
    )
    add_table(parser)
    parser.set_defaults(handler=_list)


def kind(text: str) -> str:
    """Return the name of a kind; argparse cannot check the choices of `*`."""
    if text not in KINDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(KINDS)}")
    return text


def _list(args: argparse.Namespace) -> int:
    choice, store = chosen(args), Store()
    found = list(items(store, args.kinds or KINDS))
    grid = _items_grid(found) if args.kinds else _kinds_grid(found)
    if args.json:
        sys.stdout.write(dump([row.values for row in grid.rows]) + "\n")
    elif args.csv:
        sys.stdout.write(grid.chosen(choice).csv())
    else:
        console = plain_console()
        grid.chosen(choice).print(console)
        total = sum(item.size for item in found) / _MIB
        print_line(console, f"{total:,.0f} MiB in {store.root}")
        say_next(
            console,
            ("store list KIND", "the things of one kind"),
            ("store prune --dry-run", "what could be removed"),
        )
    return 0


def _items_grid(found: Sequence[Item]) -> Grid:
    """Return a table with one row for each thing, the largest first."""
    columns = (
        Column(name="kind"),
        Column(name="key"),
        Column(name="what", wraps=True),
        Column(name="size", title="MiB", right=True),
        Column(name="used", title="last use (UTC)"),
        Column(name="path", usual=False),
    )
    rows = [
        Row(item.to_json(), {"key": item.key[:40], "size": f"{item.size / _MIB:,.1f}"})
        for item in sorted(found, key=lambda item: -item.size)
    ]
    return Grid(columns, tuple(rows))


def _kinds_grid(found: Sequence[Item]) -> Grid:
    columns = (
        Column(name="kind"),
        Column(name="number", right=True),
        Column(name="size", title="MiB", right=True),
        Column(name="used", title="last use (UTC)"),
        Column(name="what", wraps=True),
    )
    rows = []
    for name, what in KINDS.items():
        some = [item for item in found if item.kind == name]
        size = sum(item.size for item in some)
        used = max(some, key=lambda item: item.used).date if some else None
        values = {"kind": name, "number": len(some), "size": size, "used": used, "what": what}
        rows.append(Row(values, {"size": f"{size / _MIB:,.1f}"}))
    return Grid(columns, tuple(rows))
