"""`memnotify completion`: a script that completes commands, options and values in a shell."""

from __future__ import annotations

import argparse
from types import MappingProxyType

from memnotify.cli.completion.values import VALUES
from memnotify.errors import MemnotifyError
from memnotify.text import printable

SHELLS = ("bash", "zsh", "fish")
_INSTALL = MappingProxyType(
    {
        "bash": "~/.local/share/bash-completion/completions/memnotify",
        "zsh": "_memnotify in a folder of $fpath",
        "fish": "~/.config/fish/completions/memnotify.fish",
    }
)


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Print a script with which a shell completes the commands, options and values of "
        "memnotify: runs and their cells, series, bases and findings too. Bash reads it from "
        f"{_INSTALL['bash']}, zsh from {_INSTALL['zsh']}, fish from {_INSTALL['fish']}."
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that the script is for")
    # What the scripts call: a key of VALUES, and the words of the command line so far.
    parser.add_argument("--values", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(handler=_completion)


def _completion(args: argparse.Namespace) -> int:
    if not args.values:
        from memnotify.cli.completion.script import script  # not needed when a key is pressed

        print(script(args.shell))
        return 0
    kind, *words = args.values
    try:
        for value in VALUES[kind](words) if kind in VALUES else ():
            if value == printable(value):  # a name that a terminal would obey is not offered
                print(value)
    except MemnotifyError:
        pass  # a half-typed line may name a run that is not there; the command itself will say so
    return 0
