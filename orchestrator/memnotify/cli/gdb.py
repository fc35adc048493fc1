"""`memnotify gdb`: gdb on the guest of a finished cell."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from memnotify.cli.paths import path
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


def register(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "gdb",
        help="gdb on a finished cell's guest, forward and back",
        description="Play the recording of a finished cell (make it first, if need be) with gdb on "
        "the guest: its kernel's symbols, and reverse-stepi, reverse-continue and goto-record to "
        "go back. A cell that cannot be recorded runs anew, and only forward. See "
        "docs/debugging.md.",
    )
    parser.add_argument("run", type=path, metavar="RUN", help="the run's folder")
    parser.add_argument("cell", metavar="CELL", help="its id, the beginning, or name")
    parser.add_argument(
        "--record", type=_index, metavar="N", help="start where record N, from 0, is written"
    )
    parser.add_argument("-x", "--batch", type=_file, metavar="FILE", help="run these gdb commands")
    parser.set_defaults(handler=_gdb)


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a record, 0 or more")
    return int(text)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
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
