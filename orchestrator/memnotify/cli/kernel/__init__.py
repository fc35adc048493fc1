"""`memnotify kernel`: fetch, build and list kernels."""

from __future__ import annotations

from memnotify.cli.parser import Parser

BASE = "a base, such as 2.6.24; `memnotify kernel list` names them"
"""The help of an argument that names one."""

COMMANDS = {
    "list": "list the bases, their series, and the kernels in the store",
    "fetch": "fetch the source of a base",
    "build": "build a base with a series applied",
    "new": "propose a base of your own for a kernel tree, and try it",
}


def register(parser: Parser) -> None:
    """Add the commands to the parser of `kernel`."""
    parser.add_commands("memnotify.cli.kernel", COMMANDS)
