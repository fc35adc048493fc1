"""`memnotify shell`: a shell in the guest of a finished cell."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from memnotify.cli.moment import add_moment, again_with, agreement, moment_of
from memnotify.cli.parser import Parser
from memnotify.image.tools import ensure_tools
from memnotify.records.compare import Comparison
from memnotify.run.shell import refuse_if_impossible, shell
from memnotify.store import Store


def register(parser: Parser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Re-run a finished cell up to one of its records, and open a shell in its guest, or run a "
        "command there and return its exit status. Up to the record the guest is that of the run; "
        "from then on its processes are stopped. See docs/howto/look-into-a-guest.md."
    )
    add_moment(parser, default="the last one before the scenario ends its processes")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="-- COMMAND",
        help="run this command in the guest instead of an interactive shell",
    )
    parser.rest = "words"
    parser.set_defaults(handler=_shell)


def _shell(args: argparse.Namespace) -> int:
    store = Store()
    moment = moment_of(args, store, before_end=True)
    refuse_if_impossible(moment)
    again = again_with(store)
    job = moment.finished.job
    say = partial(print, file=sys.stderr, flush=True)
    tools = ensure_tools(job.cell.request.arch, store=store, log=again.guests.log, progress=say)

    def arrived(found: Comparison) -> None:
        say(f"{job.name} at {moment.words}: {agreement(found)}")

    return shell(moment, again, tools, command=args.words, on_arrival=arrived)
