"""`memnotify gdb`: gdb on the guest of a finished cell."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from memnotify.cli.paths import named, path
from memnotify.guest.session import run_cell
from memnotify.process import CommandLog
from memnotify.results.cell import find_finished
from memnotify.results.folder import RunFolder
from memnotify.run.campaign import run_until_done
from memnotify.run.guests import GuestRunner
from memnotify.run.ledger import Ledger
from memnotify.run.recordings import debug
from memnotify.run.replay import Again
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Replay the recording of a finished cell under gdb, with the symbols of the "
        "guest's kernel; the recording is made first if there is none. "
        "reverse-stepi, reverse-continue and goto-record go back in time. A cell "
        "that cannot be recorded is re-run, forward only. See docs/howto/debugging.md."
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "cell", type=named, metavar="CELL", help="id of the cell, a prefix of it, or its name"
    )
    parser.add_argument(
        "--record",
        type=_index,
        metavar="N",
        help="start where record N (counted from 0) is written",
    )
    parser.add_argument(
        "-x", "--batch", type=_file, metavar="FILE", help="run the gdb commands in FILE and exit"
    )
    parser.set_defaults(handler=_gdb)


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a record (0 or more)")
    return int(text)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"file {text!r} does not exist")
    return Path(text)


def _gdb(args: argparse.Namespace) -> int:
    store, run = Store(), RunFolder(args.run)
    guests = GuestRunner(
        ledger=Ledger(store.folder("ledger")),
        runner=run_cell,
        templates=None,
        log=CommandLog(store.folder("logs") / "commands.jsonl"),
    )
    again = Again(guests=guests, on_stage=partial(print, file=sys.stderr, flush=True))
    finished = find_finished(run, args.cell, store=store)
    done = debug(run, finished, again, number=args.record, script=args.batch)
    return 1 if run_until_done(done) else 0
