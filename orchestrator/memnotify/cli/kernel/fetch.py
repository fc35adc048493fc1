"""memnotify kernel fetch"""

from __future__ import annotations

import argparse

from memnotify import limits
from memnotify.cli.kernel import BASE
from memnotify.cli.paths import named
from memnotify.cli.progress import add_progress, progress
from memnotify.kernel.base import load_base
from memnotify.kernel.location import refuse_unfit
from memnotify.kernel.source import fetch_source
from memnotify.process import CommandLog
from memnotify.run.telling import telling
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("base", type=named, metavar="BASE", help=BASE)
    parser.add_argument(
        "--source", type=named, metavar="PATH", help="use this tree, tarball or folder of parts"
    )
    add_progress(parser)
    parser.set_defaults(handler=_fetch)


def _fetch(args: argparse.Namespace) -> int:
    store = Store()
    refuse_unfit(store)
    limits.refuse_low()
    log = CommandLog(store.folder("logs") / "commands.jsonl")
    with (
        progress(args, "kernel fetch", stderr=True) as board,
        telling(f"source {args.base}", board=board) as told,
    ):
        source = fetch_source(
            load_base(args.base), args.source, store=store, log=log, progress=told.step
        )
        told.done(source.version)
        board.result(
            {
                "version": source.version,
                "origin": source.origin,
                "sha256": source.digest,
                "tarball": str(source.tarball),
            }
        )
    if not args.json_lines:
        print(f"Linux {source.version} from {source.origin}")
        print(f"sha256 {source.digest}")
        print(source.tarball)
    return 0
