"""`memnotify help`: explain a command."""

from __future__ import annotations

import argparse


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Print the help of a command, such as `memnotify help series import`; without COMMAND, "
        "the list of all commands."
    )
    parser.add_argument(
        "words", nargs="*", metavar="COMMAND", help="a command, and a subcommand if it has some"
    )
    parser.set_defaults(handler=_help)


def _help(args: argparse.Namespace) -> int:
    from memnotify.cli.main import parser  # which imports this module

    words = [*args.words, "--help"]
    try:
        parser(words).parse_args(words)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
