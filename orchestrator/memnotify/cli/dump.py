"""`memnotify dump`: the memory of a finished cell's guest at one of its records."""

from __future__ import annotations

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path

from memnotify.cli.moment import add_moment, again_with, agreement, moment_of
from memnotify.cli.paths import path
from memnotify.kernel.dwarf import VMLINUX, ensure_dwarf
from memnotify.model import Arch
from memnotify.run.campaign import run_until_done
from memnotify.run.vmcore import refuse_unwritable, write_vmcore
from memnotify.store import Artifact, Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Re-run a finished cell up to one of its records, and write the memory of its guest to a "
        "file that drgn and crash open (for i386: gdb). The kernel is compiled once more for it, "
        "with debug information, unless the store has that. See docs/howto/look-into-a-guest.md."
    )
    add_moment(parser)
    parser.add_argument(
        "-o", "--output", type=path, metavar="FILE", help="default: CELL-N.vmcore, in this folder"
    )
    parser.add_argument(
        "--no-dwarf", action="store_true", help="do not compile the kernel for debug information"
    )
    parser.set_defaults(handler=_dump)


def _dump(args: argparse.Namespace) -> int:
    store = Store()
    moment = moment_of(args, store)
    job = moment.finished.job
    file = args.output or Path(f"{job.id}-{moment.number}.vmcore")
    refuse_unwritable(file)
    again = again_with(store)
    dwarf = None
    if not args.no_dwarf:
        dwarf = ensure_dwarf(
            job.kernel,
            job.cell.request,
            store=store,
            log=again.guests.log,
            progress=partial(print, file=sys.stderr, flush=True),
        )
    done = run_until_done(write_vmcore(moment, again, file))
    print(f"{job.name} at {moment.words}: {agreement(done)}")
    print(f"{file} has its memory ({file.stat().st_size / (1 << 20):.0f} MiB)")
    for line in openers(file, dwarf, job.cell.request.arch):
        print(f"  {line}")
    return 0


def openers(file: Path, dwarf: Artifact | None, arch: Arch) -> list[str]:
    """Return the commands that open a dump."""
    if dwarf is None:
        return []
    core, kernel = shlex.quote(str(file)), shlex.quote(str(dwarf.file(VMLINUX)))
    if arch is Arch.I386:
        return [f"gdb {kernel} {core}"]
    return [f"drgn -c {core} -s {kernel}", f"crash {kernel} {core}"]
