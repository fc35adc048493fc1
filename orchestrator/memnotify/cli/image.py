"""`memnotify image`: the program that runs in guests."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from memnotify.cli.output import add_json
from memnotify.image.build import INITRAMFS, ensure_image
from memnotify.jsontext import dump
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    build = commands.add_parser(
        "build",
        help="build the image unless it is in the store",
        description="Compile the guest program and write its initramfs into the store.",
    )
    build.add_argument(
        "--arch",
        choices=[arch.value for arch in Arch],
        action="append",
        help="may be repeated; default: all",
    )
    add_json(build)
    build.set_defaults(handler=_build)


def _build(args: argparse.Namespace) -> int:
    store = Store()
    log = CommandLog(store.folder("logs") / "image.jsonl")
    images = [
        {"arch": str(arch), "key": image.key, "path": str(image.path), **image.facts}
        for arch in args.arch or list(Arch)
        for image in [ensure_image(Arch(arch), store=store, log=log)]
    ]
    if args.json:
        print(dump(images))
        return 0
    table = Table("arch", "initramfs bytes", "file")
    for image in images:
        table.add_row(image["arch"], str(image["initramfs_bytes"]), f"{image['path']}/{INITRAMFS}")
    Console(soft_wrap=True).print(table)
    return 0
