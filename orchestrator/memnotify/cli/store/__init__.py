"""`memnotify store`: what is kept in the cache folder."""

from __future__ import annotations

from memnotify.cli.parser import Parser

COMMANDS = {
    "list": "list what is in the store, how big it is, and when it was last used",
    "prune": "remove what has not been used for some time",
}


def register(parser: Parser) -> None:
    """Add the commands to the parser of `store`."""
    parser.add_commands("memnotify.cli.store", COMMANDS)
