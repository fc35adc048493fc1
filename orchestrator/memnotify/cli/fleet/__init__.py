"""`memnotify fleet`: several hosts that run the cells of campaigns together."""

from __future__ import annotations

import argparse

from memnotify.cli.parser import Parser
from memnotify.cli.paths import path

COMMANDS = {
    "check": "check over ssh that each host can run guests; nothing is left there",
    "up": "make an environment on each host, start a scheduler here and workers there",
    "status": "show the state of each host of a fleet, and what it runs",
    "down": "end a fleet; nothing of it is left on the hosts or here",
}


def register(parser: Parser) -> None:
    """Add the commands to the parser of `fleet`."""
    parser.add_commands("memnotify.cli.fleet", COMMANDS)


def add_hosts(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the file of hosts."""
    parser.add_argument(
        "hosts",
        type=path,
        metavar="HOSTS.toml",
        help="the hosts; docs/howto/many-machines.md describes the format",
    )
