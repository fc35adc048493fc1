"""The option --base-dir of every command: one more folder of the user's own."""

from __future__ import annotations

import argparse
import os
from typing import Any

from memnotify import places
from memnotify.cli.paths import path

BASE_DIR = "--base-dir"


def add_base_dir(parser: argparse.ArgumentParser, *, told: bool) -> None:
    """Add the option to a parser; its help is `told` once, with that of `memnotify` itself."""
    text = (
        "also use the bases, series, machines and campaigns of this folder, which has kernels/, "
        f"patches/, images/machines/ or campaigns/; may be repeated, and adds to {places.PATH}"
    )
    parser.add_argument(
        BASE_DIR,
        action=_BaseDir,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help=text if told else argparse.SUPPRESS,
    )


class _BaseDir(argparse.Action):
    """Adds a folder to those of the environment, which processes that are started inherit."""

    def __call__(self, _parser: Any, _namespace: Any, value: Any, _option: Any = None) -> None:
        folder = str(path(value).expanduser().absolute())
        if os.pathsep in folder:
            raise argparse.ArgumentError(self, f"{value}: {os.pathsep} separates folders")
        known = os.environ.get(places.PATH)
        os.environ[places.PATH] = os.pathsep.join(filter(None, (known, folder)))
