"""`memnotify demo`: run campaigns/demo.toml."""

from __future__ import annotations

import argparse

from memnotify.cli import run
from memnotify.places import CAMPAIGNS, data_files


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Run campaigns/demo.toml, which comes with memnotify, into runs/demo: two kernels, twelve "
        "guests, and a table of who woke when. The options and the exit status are those of "
        "memnotify run."
    )
    run.add_options(parser)
    parser.set_defaults(handler=_demo)


def _demo(args: argparse.Namespace) -> int:
    (args.campaign,) = data_files(CAMPAIGNS, "demo.toml")
    return run.execute(args, command="demo")
