"""memnotify store prune"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from memnotify.cli.output import add_json
from memnotify.cli.paths import path
from memnotify.cli.store.list import kind
from memnotify.jsontext import dump
from memnotify.run.storage import KINDS, Pruned, needed_by, prune
from memnotify.store import Store
from memnotify.text import counted, printable

_DAY_S = 86_400
_MIB = 1 << 20


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Remove what has not been used for some time. What a running command uses stays, "
        "and so do the kernels and images that the runs below --runs need for a replay. What is "
        "removed is fetched or built again when it is needed; a source of your own has to be "
        "given again with --source, and runs in other folders may lose what they need for a "
        "replay."
    )
    parser.add_argument(
        "kinds", nargs="*", type=kind, metavar="KIND", help=f"default: {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--unused",
        type=_days,
        default=30,
        metavar="DAYS",
        help="remove what has not been used for so many days; 0: everything that is not in use; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--runs",
        type=path,
        action="append",
        metavar="DIR",
        help="keep what the runs below this folder need; may be repeated; default: runs",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would be removed; change nothing"
    )
    add_json(parser)
    parser.set_defaults(handler=_prune)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days (0 or more)")
    return days


def _prune(args: argparse.Namespace) -> int:
    pruned = prune(
        Store(),
        kinds=args.kinds or KINDS,
        unused_s=args.unused * _DAY_S,
        needed=needed_by(args.runs or [Path("runs")]),
        dry_run=args.dry_run,
    )
    if args.json:
        sys.stdout.write(dump([one.to_json() for one in pruned]) + "\n")
        return 0
    found = []
    for one in pruned:
        found.append(one)
        print(printable(_line(one, dry_run=args.dry_run)), flush=True)
    print(_summary(found, dry_run=args.dry_run))
    return 0


def _line(one: Pruned, *, dry_run: bool) -> str:
    item = one.item
    done = "would remove" if dry_run else "removed"
    name = f"{item.kind} {item.key[:40]} {item.what}".rstrip()
    where = f"{name}, {item.size / _MIB:,.1f} MiB, last used {item.date}"
    return f"kept {where}: {one.kept}" if one.kept else f"{done} {where}"


def _summary(found: Sequence[Pruned], *, dry_run: bool) -> str:
    gone = [one.item for one in found if not one.kept]
    size = sum(item.size for item in gone) / _MIB
    done = "would remove" if dry_run else "removed"
    kept = len(found) - len(gone)
    return f"{done} {counted(len(gone), 'thing')}, {size:,.0f} MiB; kept {kept} that are needed"
