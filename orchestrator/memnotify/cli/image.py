"""`memnotify image`: the program that runs in guests."""

from __future__ import annotations

import argparse
from functools import partial

from memnotify.cli.output import add_json
from memnotify.cli.progress import add_progress, progress
from memnotify.image.build import INITRAMFS, ensure_image
from memnotify.image.program import prebuild
from memnotify.jsontext import dump
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.report.grid import Column, Grid, Row
from memnotify.report.plain import plain_console
from memnotify.run.telling import telling
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    build = commands.add_parser(
        "build",
        help="build the image unless it is in the store",
        description="Write an initramfs with the guest program into the store. "
        "The program is compiled only if images/prebuilt has none from the present sources.",
    )
    build.add_argument(
        "--arch",
        choices=[arch.value for arch in Arch],
        action="append",
        help="may be repeated; default: all",
    )
    add_json(build)
    add_progress(build)
    build.set_defaults(handler=_build)
    again = commands.add_parser(
        "prebuild",
        help="compile the guest program into images/prebuilt",
        description="Compile images/guest for each architecture into images/prebuilt, "
        "after a change of its sources.",
    )
    again.set_defaults(handler=_prebuild)


def _build(args: argparse.Namespace) -> int:
    store = Store()
    log = CommandLog(store.folder("logs") / "image.jsonl")
    images = []
    with progress(args, "image build", stderr=True) as board:
        for arch in args.arch or list(Arch):
            with telling(f"image {arch}", board=board) as told:
                image = ensure_image(
                    Arch(arch),
                    store=store,
                    log=log,
                    waiting=partial(told.step, "waiting for another build of it to finish"),
                )
                told.done(image.key[:16])
            row = {"arch": str(arch), "key": image.key, "path": str(image.path), **image.facts}
            images.append(row)
        board.result(images)
    if args.json:
        print(dump(images))
    if args.json or args.json_lines:
        return 0
    columns = (
        Column(name="arch"),
        Column(name="initramfs_bytes", title="initramfs bytes", right=True),
        Column(name="file", wraps=True),
    )
    rows = tuple(Row({**image, "file": f"{image['path']}/{INITRAMFS}"}) for image in images)
    Grid(columns, rows).print(plain_console())
    return 0


def _prebuild(_: argparse.Namespace) -> int:
    store = Store()
    for path in prebuild(store=store, log=CommandLog(store.folder("logs") / "image.jsonl")):
        print(path)
    return 0
