"""memnotify kernel fetch"""

from __future__ import annotations

import argparse

from memnotify import limits
from memnotify.cli.kernel import BASE
from memnotify.cli.output import say
from memnotify.cli.paths import named
from memnotify.kernel.base import load_base
from memnotify.kernel.location import refuse_unfit
from memnotify.kernel.source import fetch_source
from memnotify.process import CommandLog
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("base", type=named, metavar="BASE", help=BASE)
    parser.add_argument(
        "--source", type=named, metavar="PATH", help="use this tree, tarball or folder of parts"
    )
    parser.set_defaults(handler=_fetch)


def _fetch(args: argparse.Namespace) -> int:
    store = Store()
    refuse_unfit(store)
    limits.refuse_low()
    source = fetch_source(
        load_base(args.base),
        args.source,
        store=store,
        log=CommandLog(store.folder("logs") / "commands.jsonl"),
        progress=say,
    )
    print(f"Linux {source.version} from {source.origin}")
    print(f"sha256 {source.digest}")
    print(source.tarball)
    return 0
