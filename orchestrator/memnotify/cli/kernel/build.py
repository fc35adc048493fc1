"""memnotify kernel build"""

from __future__ import annotations

import argparse

from memnotify.cli.kernel import BASE
from memnotify.cli.output import add_json
from memnotify.cli.paths import named
from memnotify.cli.progress import add_progress, progress
from memnotify.jsontext import dump
from memnotify.kernel.base import load_base
from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.source import remember_source
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandLog
from memnotify.run.telling import kernel_name, telling
from memnotify.series.quilt import NONE
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("base", type=named, metavar="BASE", help=BASE)
    parser.add_argument(
        "--series",
        type=named,
        metavar="REV",
        default=NONE,
        help="apply this revision, such as v4; default: %(default)s",
    )
    parser.add_argument(
        "--arch", choices=[arch.value for arch in Arch], default="x86_64", help="default: x86_64"
    )
    parser.add_argument(
        "--variant",
        type=named,
        metavar="NAME",
        help="use this alternative configuration of the base",
    )
    parser.add_argument(
        "--source",
        type=named,
        metavar="PATH",
        help="build from this tree or tarball, as later builds and runs of the base will do",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=named,
        metavar="LINE",
        help="a line for the configuration, such as CONFIG_LRU_GEN=y; may be repeated",
    )
    parser.add_argument("--cc", type=named, metavar="CC", help="compiler to use; default: gcc")
    add_json(parser)
    add_progress(parser)
    parser.set_defaults(handler=_build)


def _build(args: argparse.Namespace) -> int:
    request = KernelRequest(
        base=args.base,
        series=args.series,
        arch=Arch(args.arch),
        variant=args.variant or "",
        options=tuple(args.option),
        source=args.source,
        cc=args.cc,
    )
    store = Store()
    log = CommandLog(store.folder("logs") / "commands.jsonl")
    with (
        progress(args, "kernel build", stderr=True) as board,
        telling(kernel_name(request), board=board) as told,
    ):
        kernel = ensure_kernel(request, store=store, log=log, progress=told.step, tell=told.tell)
        told.done(kernel.key[:16])
        if args.source is not None:
            found = str(kernel.inputs["source"])
            kept = remember_source(load_base(args.base), found, args.source, store=store)
            if kept is not None:
                board.note(kept)
        shown = {"key": kernel.key, "path": str(kernel.path), "facts": dict(kernel.facts)}
        board.result(shown)
    if args.json:
        print(dump(shown))
    elif not args.json_lines:
        print(f"Linux {kernel.facts['version']} {args.series} {args.arch}")
        print(f"key {kernel.key}")
        print(kernel.path)
    return 0
