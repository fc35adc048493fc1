"""`memnotify baseline`: keep the figures of a run in a repository, and compare runs with them."""

from __future__ import annotations

from memnotify.cli.parser import Parser

COMMANDS = {
    "save": "write the figures of a run to a baseline",
    "compare": "compare a run with a baseline",
}


def register(parser: Parser) -> None:
    """Add the commands to the parser of `baseline`."""
    parser.add_commands("memnotify.cli.baseline", COMMANDS)
