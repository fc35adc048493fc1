"""`memnotify gdb`: gdb on the guest of a finished cell."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from memnotify.cli.moment import add_cell, again_with, index
from memnotify.guest.debug import need_gdb
from memnotify.kernel.dwarf import VMLINUX, ensure_dwarf, kept_dwarf
from memnotify.results.cell import find_finished
from memnotify.results.folder import RunFolder
from memnotify.run.campaign import run_until_done
from memnotify.run.recordings import debug
from memnotify.store import Artifact, Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Replay the recording of a finished cell under gdb, with the symbols of the "
        "guest's kernel; the recording is made first if there is none. "
        "reverse-stepi, reverse-continue and goto-record go back in time. A cell "
        "that cannot be recorded is re-run, forward only. See docs/howto/debugging.md."
    )
    add_cell(parser)
    parser.add_argument(
        "--record",
        type=index,
        metavar="N",
        help="start where record N (counted from 0) is written",
    )
    parser.add_argument(
        "-x", "--batch", type=_file, metavar="FILE", help="run the gdb commands in FILE and exit"
    )
    parser.add_argument(
        "--dwarf",
        action="store_true",
        help="compile the kernel once more for debug information (source lines, types, bt); not "
        "needed if the store has it",
    )
    parser.set_defaults(handler=_gdb)


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"file {text!r} does not exist")
    return Path(text)


def _gdb(args: argparse.Namespace) -> int:
    store, run = Store(), RunFolder(args.run)
    finished = find_finished(run, args.cell, store=store)
    again = again_with(store)
    job = finished.job
    need_gdb()
    if args.dwarf:
        dwarf: Artifact | None = ensure_dwarf(
            job.kernel,
            job.cell.request,
            store=store,
            log=again.guests.log,
            progress=partial(print, file=sys.stderr, flush=True),
        )
    else:
        dwarf = kept_dwarf(job.kernel, store=store)
    done = debug(
        run,
        finished,
        again,
        number=args.record,
        script=args.batch,
        vmlinux=None if dwarf is None else dwarf.file(VMLINUX),
    )
    return 1 if run_until_done(done) else 0
