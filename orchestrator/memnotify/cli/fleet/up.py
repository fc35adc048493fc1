"""memnotify fleet up"""

from __future__ import annotations

import argparse
import sys

from memnotify.cli.fleet import add_hosts
from memnotify.cli.fleet.status import print_status
from memnotify.cli.output import add_json, say
from memnotify.errors import InfrastructureError
from memnotify.jsontext import dump
from memnotify.run.fleet.hosts import load_hosts
from memnotify.run.fleet.state import Place
from memnotify.run.fleet.status import FAILED, status
from memnotify.run.fleet.up import up
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Copy the environment of this memnotify to each host, make certificates for the fleet, "
        "and start a Dask scheduler here and a worker on each host. Hosts that cannot take part "
        "are named and left out; then the exit status is 3. memnotify run --fleet uses a fleet "
        "that is up."
    )
    add_hosts(parser)
    add_json(parser, ", the same as fleet status --json")
    parser.set_defaults(handler=_up)


def _up(args: argparse.Namespace) -> int:
    hosts = load_hosts(args.hosts)
    found = status(up(hosts, store=Store(), say=say), Place(args.hosts), hosts)
    if args.json:
        sys.stdout.write(dump(found.to_json()) + "\n")
    else:
        print_status(found, args.hosts)
    failed = any(host.state == FAILED for host in found.hosts)
    return InfrastructureError.exit_code if failed else 0
