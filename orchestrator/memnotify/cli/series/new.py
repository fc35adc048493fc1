"""memnotify series new"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from memnotify.cli.paths import named
from memnotify.places import command
from memnotify.series.new import new_series


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Copy the patches of a revision into a new folder, to be edited. Its revision.toml "
        "adopts the promises of that revision, until you edit it."
    )
    parser.add_argument("name", type=named, metavar="NAME", help="the folder to make")
    parser.add_argument(
        "--from", dest="origin", type=named, metavar="REV", required=True, help="the revision"
    )
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        metavar="BASE",
        help="only the patches for this base; may be repeated. Default: all bases",
    )
    parser.set_defaults(handler=_new)


def _new(args: argparse.Namespace) -> int:
    folder = Path(args.name).expanduser()
    found = new_series(folder, args.origin, args.base)
    for base, series in found.items():
        place = folder if len(found) == 1 else folder / base
        number = len(series.patches)
        patches = "1 patch" if number == 1 else f"{number} patches"
        print(f"{place}: {patches} of {args.origin} for {base}")
    word = args.name if os.sep in args.name else f"./{args.name}"
    print(f'in a campaign beside it: series = ["{args.origin}", "{word}"]')
    print(f"compare them with `{command(f'series diff {args.origin}/{next(iter(found))} {word}')}`")
    return 0
