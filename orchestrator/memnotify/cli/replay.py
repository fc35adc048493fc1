"""`memnotify replay`: run a finished cell again, and compare."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from memnotify.cli.output import add_json
from memnotify.cli.paths import named, path
from memnotify.cli.progress import add_progress, check_progress, progress
from memnotify.errors import InputError
from memnotify.report.board import Board
from memnotify.report.replay import replay_lines
from memnotify.results.cell import Finished, find_finished
from memnotify.results.folder import RunFolder, to_json
from memnotify.run.campaign import run_until_done
from memnotify.run.recordings import record
from memnotify.run.replay import Again, Replay, replay
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Re-run a finished cell with the same kernel, image and machine, and "
        "compare its records with those of the run. The exit status is 1 if they "
        "differ although the cell's repeatability is exact."
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "cell", type=named, metavar="CELL", help="id of the cell, a prefix of it, or its name"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--times", type=_count, default=1, metavar="N", help="re-run it N times")
    how.add_argument("--record", action="store_true", help="keep a recording for memnotify gdb")
    parser.add_argument(
        "-o", "--output", type=path, metavar="DIR", help="keep the results in DIR/1, DIR/2, ..."
    )
    add_json(parser)
    add_progress(parser)
    parser.set_defaults(handler=_replay)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs (1 or more)")
    return int(text)


def _replay(args: argparse.Namespace) -> int:
    if args.record and args.output is not None:
        raise InputError(
            "--record keeps the recording in the folder of the run", hint="leave out -o"
        )
    check_progress(args)
    store, run = Store(), RunFolder(args.run)
    finished = find_finished(run, args.cell, store=store)
    with progress(args, "replay", stderr=True) as board:
        replays = _replays(args, run, finished, store, board)
        result = {
            "cell": finished.job.id,
            "name": finished.job.name,
            "outcome": str(finished.outcome),
            "repeatability": finished.repeatability,
            "replays": [done.row() for done in replays],
        }
        board.result(result)
    if args.json:
        sys.stdout.write(to_json(result))
    return 0 if all(done.kept for done in replays) else 1


def _replays(
    args: argparse.Namespace, run: RunFolder, finished: Finished, store: Store, board: Board
) -> list[Replay]:
    name = finished.job.name
    again = Again.of(store, on_stage=partial(board.stage, name), on_view=partial(board.view, name))

    def show(done: Replay) -> None:
        board.finished(name, done.result.outcome)
        if args.json or args.json_lines:
            return
        with board.aside():
            for line in replay_lines(done.row(), outcome=str(finished.outcome)):
                print(line, flush=True)

    if args.record:
        replays = [run_until_done(record(run, finished, again))]
        show(replays[0])
        return replays
    board.planned(args.times, 0)
    return run_until_done(
        replay(finished, again, times=args.times, output=args.output, on_replay=show)
    )
