"""memnotify kernel list | fetch | build"""

from __future__ import annotations

import argparse
import sys

from memnotify import limits
from memnotify.cli.output import add_json
from memnotify.cli.paths import named
from memnotify.jsontext import dump
from memnotify.kernel.base import load_base
from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.inventory import list_kernels
from memnotify.kernel.location import refuse_unfit
from memnotify.kernel.source import fetch_source
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandLog
from memnotify.report.kernels import bases_table, builds_table
from memnotify.report.table import plain_console
from memnotify.series.quilt import NONE
from memnotify.store import Store

_BASE = "a base, such as 2.6.24; `memnotify kernel list` names them"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    actions = parser.add_subparsers(metavar="COMMAND", required=True)

    listing = actions.add_parser(
        "list", help="list the bases, their series, and the kernels in the store"
    )
    add_json(listing)
    listing.set_defaults(handler=_list)

    fetch = actions.add_parser("fetch", help="fetch the source of a base")
    fetch.add_argument("base", type=named, metavar="BASE", help=_BASE)
    fetch.add_argument(
        "--source", type=named, metavar="PATH", help="use this tree, tarball or folder of parts"
    )
    fetch.set_defaults(handler=_fetch)

    build = actions.add_parser("build", help="build a base with a series applied")
    build.add_argument("base", type=named, metavar="BASE", help=_BASE)
    build.add_argument(
        "--series",
        type=named,
        metavar="REV",
        default=NONE,
        help="apply this revision, such as v4; default: %(default)s",
    )
    build.add_argument(
        "--arch", choices=[arch.value for arch in Arch], default="x86_64", help="default: x86_64"
    )
    build.add_argument(
        "--variant",
        type=named,
        metavar="NAME",
        help="use this alternative configuration of the base",
    )
    build.add_argument(
        "--source", type=named, metavar="PATH", help="build from this tree or tarball"
    )
    build.add_argument("--cc", type=named, metavar="CC", help="compiler to use; default: gcc")
    add_json(build)
    build.set_defaults(handler=_build)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _list(args: argparse.Namespace) -> int:
    rows = list_kernels(Store())
    if args.json:
        print(dump(rows))
        return 0
    console = plain_console()
    console.print(bases_table(rows))
    if any(row["builds"] for row in rows):
        console.print("\nin the store, newest first:")
        console.print(builds_table(rows))
    return 0


def _fetch(args: argparse.Namespace) -> int:
    store = Store()
    refuse_unfit(store)
    limits.refuse_low()
    source = fetch_source(
        load_base(args.base), args.source, store=store, log=_log(store), progress=_say
    )
    print(f"Linux {source.version} from {source.origin}")
    print(f"sha256 {source.digest}")
    print(source.tarball)
    return 0


def _build(args: argparse.Namespace) -> int:
    request = KernelRequest(
        base=args.base,
        series=args.series,
        arch=Arch(args.arch),
        variant=args.variant or "",
        source=args.source,
        cc=args.cc,
    )
    store = Store()
    kernel = ensure_kernel(request, store=store, log=_log(store), progress=_say)
    if args.json:
        shown = {"key": kernel.key, "path": str(kernel.path), "facts": dict(kernel.facts)}
        print(dump(shown))
    else:
        print(f"Linux {kernel.facts['version']} {args.series} {args.arch}")
        print(f"key {kernel.key}")
        print(kernel.path)
    return 0


def _log(store: Store) -> CommandLog:
    return CommandLog(store.folder("logs") / "commands.jsonl")
