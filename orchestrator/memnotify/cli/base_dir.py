"""The option --base-dir of every command: one more folder of the user's own."""

from __future__ import annotations

import argparse
import os

from memnotify import places
from memnotify.cli.paths import path
from memnotify.errors import InputError

BASE_DIR = "--base-dir"
_BEFORE, _AFTER = "base_dirs_before", "base_dirs_after"


def add_base_dir(parser: argparse.ArgumentParser, *, before: bool) -> None:
    """Add the option to the parser of `memnotify`, `before` a command, or to that of a command.

    The help of the former describes it.
    """
    text = (
        "also use the bases, series, machines and campaigns of this folder, which has kernels/, "
        f"patches/, images/machines/ or campaigns/; may be repeated, and adds to {places.PATH}"
    )
    parser.add_argument(
        BASE_DIR,
        action="append",
        dest=_BEFORE if before else _AFTER,
        type=path,
        metavar="DIR",
        default=[],
        help=text if before else argparse.SUPPRESS,
    )


def use_base_dirs(args: argparse.Namespace) -> None:
    """Add the folders to those of the environment, which processes that are started inherit.

    Raises InputError for a name that cannot be part of a list.
    """
    named = [*getattr(args, _BEFORE, []), *getattr(args, _AFTER, [])]
    folders = [str(folder.expanduser().absolute()) for folder in named]
    for folder in folders:
        if os.pathsep in folder:
            raise InputError(f"{BASE_DIR}: {os.pathsep} separates folders", file=folder)
    if folders:
        known = os.environ.get(places.PATH)
        os.environ[places.PATH] = os.pathsep.join(filter(None, (known, *folders)))
