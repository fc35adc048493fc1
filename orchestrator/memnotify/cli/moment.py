"""The arguments of commands that run a finished cell again up to one of its records."""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial

from memnotify.cli.paths import named, path
from memnotify.records.compare import Agreement, Comparison
from memnotify.results.cell import find_finished
from memnotify.results.folder import RunFolder
from memnotify.run.looking import Moment, moment
from memnotify.run.replay import Again
from memnotify.store import Store


def add_cell(parser: argparse.ArgumentParser) -> None:
    """Add the run and the cell."""
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "cell", type=named, metavar="CELL", help="id of the cell, a prefix of it, or its name"
    )


def add_moment(parser: argparse.ArgumentParser, *, default: str = "the last one") -> None:
    """Add the run, the cell, and when to stop its guest."""
    add_cell(parser)
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--record",
        type=index,
        metavar="N",
        help=f"stop where record N (counted from 0) has just become valid; default: {default}",
    )
    when.add_argument(
        "--at",
        type=_seconds,
        metavar="TIME",
        help="stop at the first record at or after TIME, in seconds, as show has it",
    )


def index(text: str) -> int:
    """Return the number of a record."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a record (0 or more)")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time in seconds")
    return seconds


def moment_of(args: argparse.Namespace, store: Store, *, before_end: bool = False) -> Moment:
    """Return the moment that was asked for, or the default of `moment`. Raises InputError."""
    finished = find_finished(RunFolder(args.run), args.cell, store=store)
    return moment(finished, number=args.record, at=args.at, before_end=before_end)


def again_with(store: Store) -> Again:
    """Return what runs a cell again as it ran, and prints its stages on stderr."""
    return Again.of(store, on_stage=partial(print, file=sys.stderr, flush=True))


def agreement(found: Comparison) -> str:
    """Return how a guest's records up to a moment compare with those of the run."""
    count = f"{found.records[0]:,} records"
    if found.agreement is Agreement.EXACT:
        return f"its {count} so far are those of the run, bit for bit"
    if found.agreement is Agreement.TIMES:
        return (
            f"its {count} so far are those of the run, at times up to {found.greatest_ns:,} ns off"
        )
    return f"its records so far are not those of the run: {found.differing:,} of {count} differ"
