"""memnotify kernel new"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memnotify import limits, places
from memnotify.cli.output import add_json
from memnotify.cli.paths import named, path
from memnotify.cli.progress import add_progress, progress
from memnotify.jsontext import dump
from memnotify.kernel.base import label
from memnotify.kernel.location import refuse_unfit
from memnotify.kernel.new_base import Proposal, propose_base
from memnotify.places import command
from memnotify.process import CommandLog
from memnotify.run.telling import telling
from memnotify.series.fit import PatchFit
from memnotify.store import Store
from memnotify.text import counted, printable


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Propose a base for a kernel tree of your own: write kernels/NAME.toml, modelled on an "
        "existing base, into a folder of yours; try its configuration on a copy of the tree; and "
        "list what the tree lacks: options of the configuration, and lines that patches expect."
    )
    parser.add_argument("name", type=named, metavar="NAME", help="how campaigns call the base")
    parser.add_argument(
        "--like", type=named, metavar="BASE", required=True, help="the base to start from"
    )
    parser.add_argument(
        "--source",
        type=named,
        metavar="PATH",
        required=True,
        help="the tree or tarball, or a Debian package of the source",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        metavar="DIR",
        help="write DIR/kernels/NAME.toml; default: the last --base-dir or folder of "
        f"{places.PATH}, or else the current folder",
    )
    add_json(parser)
    add_progress(parser)
    parser.set_defaults(handler=_new)


def _new(args: argparse.Namespace) -> int:
    store = Store()
    refuse_unfit(store)
    limits.refuse_low()
    log = CommandLog(store.folder("logs") / "commands.jsonl")
    own = places.own_folders()
    folder = (args.output or (own[-1] if own else Path())).expanduser().absolute()
    with (
        progress(args, "kernel new", stderr=True) as board,
        telling(f"base {args.name}", board=board) as told,
    ):
        found = propose_base(
            args.name, args.like, args.source, folder, store=store, log=log, progress=told.step
        )
        told.done()
        board.result(_row(found))
    if args.json:
        print(dump(_row(found)))
    elif not args.json_lines:
        for line in (*_lines(found), *_next(found, folder)):
            print(printable(line))
    return 0


def _lines(found: Proposal) -> Iterator[str]:
    """Yield the lines that report a proposal."""
    yield f"Linux {found.version}, as {found.like}:"
    for name in found.known:
        yield f"base {name} is also for trees of this version"
    for arch, asked in found.asked.items():
        if arch in found.broken:
            yield f"{arch}: the configuration could not be tried: {found.broken[arch]}"
            continue
        there = [one for one in found.lacking if arch in one.arches]
        yield f"{arch}: the tree takes {asked - len(there)} of {counted(asked, 'option')}"
    for one in found.lacking:
        got = f" (it has {one.got})" if one.got else ""
        yield f"  {one.option.text}, for {' and '.join(one.arches)}: {one.why}{got}"
    for fit in found.fixes:
        yield f"  {label(fit.patch)} does not fit: {_failed(fit)}"
    for port in found.ports:
        if port.whole:
            yield f"{port.revision}: all of its patches fit ({len(port.fits)})"
        else:
            good = sum(not fit.failed for fit in port.fits)
            yield f"{port.revision}: {good} of {len(port.fits)} patches fit"
            for fit in port.fits:
                if fit.failed:
                    yield f"  {fit.patch.name}: {_failed(fit)}"


def _failed(fit: PatchFit) -> str:
    parts = []
    for file in fit.failed:
        hunks = ", ".join(map(str, file.hunks))
        word = "hunk" if len(file.hunks) == 1 else "hunks"
        parts.append(f"{word} {hunks} of {file.of} in {file.file}")
    return "; ".join(parts)


def _next(found: Proposal, folder: Path) -> list[str]:
    """Return what to do next, in order."""
    known = folder in (*places.own_folders(), places.HOME)
    lines = [f"wrote {file}" for file in found.files]
    lines.append("next:")
    if not known:
        lines.append(f"  export {places.PATH}={folder}")
    if found.fixes:
        lines.append("  adapt the patches that do not fit, in patches/ there (patches/README.md)")
    lines.append(f"  {command(f'kernel build {found.name}')}")
    for port in found.ports:
        if port.whole:
            there = folder / "patches/mem_notify" / port.revision / found.name
            lines.append(f"  cp -r {port.folder} {there}   # and {port.revision} is for it")
    if not all(port.whole for port in found.ports):
        lines.append(
            f"  port a series: docs/howto/own-kernel.md; patches for {found.like} are a start"
        )
    lines.append(f'  in a campaign: base = "{found.name}", series = "none", clients of kind "psi"')
    return lines


def _row(found: Proposal) -> dict[str, Any]:
    return {
        "name": found.name,
        "like": found.like,
        "version": found.version,
        "files": [str(file) for file in found.files],
        "asked": {arch.value: count for arch, count in found.asked.items()},
        "lacking": [
            {
                "line": one.option.text,
                "got": one.got,
                "why": one.why,
                "arches": [arch.value for arch in one.arches],
            }
            for one in found.lacking
        ],
        "broken": {arch.value: why for arch, why in found.broken.items()},
        "fixes": [fit.patch.name for fit in found.fixes],
        "series": {
            port.revision: [fit.patch.name for fit in port.fits if fit.failed]
            for port in found.ports
        },
    }
