"""memnotify series apply"""

from __future__ import annotations

import argparse

from memnotify.cli.output import say
from memnotify.cli.paths import named, path
from memnotify.errors import InputError
from memnotify.kernel.apply import apply_to_base, apply_to_tree
from memnotify.series.apply import Application
from memnotify.store import Store
from memnotify.text import counted


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument(
        "revision", type=named, metavar="REV", help="REV, REV/BASE, a folder, or a range of git"
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--base", type=named, help="apply to the work tree of this base in the store"
    )
    target.add_argument("--tree", type=path, metavar="DIR", help="apply to this kernel tree")
    parser.add_argument(
        "--for",
        dest="variant",
        type=named,
        metavar="BASE",
        help="with --tree: apply the patches for this base, regardless of the tree's version; "
        "default: the base that matches the version in the tree's Makefile",
    )
    parser.add_argument(
        "--check", action="store_true", help="only check that it applies; change nothing"
    )
    parser.set_defaults(handler=_apply)


def _apply(args: argparse.Namespace) -> int:
    if args.tree is not None:
        where, applied = apply_to_tree(
            args.revision, args.tree, variant=args.variant, check=args.check
        )
    elif args.variant is not None:
        raise InputError("--for can only be used with --tree")
    else:
        where, applied = apply_to_base(
            args.revision,
            args.base,
            check=args.check,
            store=Store(),
            progress=say,
        )
    _show(applied)
    print(f"{'applies' if args.check else 'applied'} to {where}")
    return 0


def _show(applied: Application) -> None:
    for done in applied.patches:
        print(f"{done.patch.name}: {counted(done.hunks, 'hunk')}")
        for hunk in done.shifted:
            fuzz = f", fuzz {hunk.fuzz}" if hunk.fuzz else ""
            lines = "line" if abs(hunk.offset) == 1 else "lines"
            print(f"  {hunk.file}:{hunk.line}: offset {hunk.offset:+} {lines}{fuzz}")
