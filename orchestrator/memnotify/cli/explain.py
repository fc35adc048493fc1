"""`memnotify explain`: what a finding, a failure or an invariant means."""

from __future__ import annotations

import argparse
import sys

from memnotify.cli.output import add_json
from memnotify.jsontext import dump
from memnotify.report.explain import every, explain_lines, explained
from memnotify.text import counted


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Say what a finding, an infrastructure failure or an invariant means, how it is "
        "recognized, and what to do about it. Without FINDING, list what can be explained."
    )
    parser.add_argument(
        "finding",
        nargs="?",
        metavar="FINDING",
        help="a kind, such as panic or infrastructure:qemu-died, or an invariant, such as guard",
    )
    add_json(parser)
    parser.set_defaults(handler=_explain)


_CALLED = {"infrastructure": "infrastructure failure"}


def _explain(args: argparse.Namespace) -> int:
    if args.finding is not None:
        found = explained(args.finding)
        if args.json:
            sys.stdout.write(dump(found.to_json()) + "\n")
        else:
            print("\n".join(explain_lines(found)))
        return 0
    known = list(every())
    if args.json:
        sys.stdout.write(dump([one.to_json() for one in known]) + "\n")
        return 0
    for what in dict.fromkeys(one.what for one in known):
        names = [one.name for one in known if one.what == what]
        print(f"{counted(len(names), _CALLED.get(what, what))}: {', '.join(names)}")
    return 0
