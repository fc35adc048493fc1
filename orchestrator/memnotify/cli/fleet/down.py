"""memnotify fleet down"""

from __future__ import annotations

import argparse

from memnotify.cli.fleet import add_hosts
from memnotify.cli.output import say
from memnotify.errors import InfrastructureError
from memnotify.run.fleet.down import take_down
from memnotify.run.fleet.state import Place
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "End the workers and the scheduler of a fleet with all their guests, and remove the files "
        "of the fleet. If a host cannot be reached, the exit status is 3, and the command can be "
        "repeated. Without a fleet there is nothing to do."
    )
    add_hosts(parser)
    parser.set_defaults(handler=_down)


def _down(args: argparse.Namespace) -> int:
    place = Place(args.hosts)
    with place.hold(Store()):
        fleet = place.read()
        if fleet is None:
            say("no fleet of these hosts is up")
            return 0
        failures = take_down(fleet, place, say=say)
    if failures:
        say(f"something may be left on {', '.join(failures)}: repeat the command")
        return InfrastructureError.exit_code
    say("the fleet is down")
    return 0
