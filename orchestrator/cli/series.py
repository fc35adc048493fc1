"""memnotify series apply"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError
from orchestrator.kernel.apply import apply_to_base, apply_to_tree
from orchestrator.series.apply import Application
from orchestrator.store import Store


def register(subparsers: Any) -> None:
    """Add `series` to the command line."""
    series = subparsers.add_parser("series", help="work with series of patches")
    actions = series.add_subparsers(metavar="ACTION", required=True)

    apply = actions.add_parser("apply", help="apply a revision, strictly, or see if it applies")
    apply.add_argument("revision", metavar="REV")
    target = apply.add_mutually_exclusive_group(required=True)
    target.add_argument("--base", help="to the work tree of a base, in the store")
    target.add_argument("--tree", type=Path, metavar="DIR", help="to a kernel tree of yours")
    apply.add_argument(
        "--for",
        dest="variant",
        metavar="BASE",
        help="with --tree: the base whose variant to apply; default: as the tree's Makefile says",
    )
    apply.add_argument("--check", action="store_true", help="only see if it applies")
    apply.set_defaults(handler=_apply)


def _apply(args: argparse.Namespace) -> int:
    if args.tree is not None:
        where, applied = apply_to_tree(
            args.revision, args.tree, variant=args.variant, check=args.check
        )
    elif args.variant is not None:
        raise InputError("--for goes with --tree only")
    else:
        where, applied = apply_to_base(
            args.revision,
            args.base,
            check=args.check,
            store=Store(),
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        )
    _show(applied)
    print(f"{'applies' if args.check else 'applied'} to {where}")
    return 0


def _show(applied: Application) -> None:
    for done in applied.patches:
        print(f"{done.patch.name}: {done.hunks} hunks")
        for hunk in done.shifted:
            fuzz = f", fuzz {hunk.fuzz}" if hunk.fuzz else ""
            print(f"  {hunk.file}:{hunk.line}: offset {hunk.offset:+} lines{fuzz}")
