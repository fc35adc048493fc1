"""`memnotify cells`: preview the cells of a campaign."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.cli.output import add_table, chosen, say_next
from memnotify.cli.paths import campaign, named
from memnotify.errors import InputError
from memnotify.jsontext import dump
from memnotify.model import Accel, Clock
from memnotify.process import CommandLog
from memnotify.report.foreseen import foreseen_grid
from memnotify.report.plain import plain_console, print_line
from memnotify.run.foreseen import ForeseenCell, foresee
from memnotify.run.telling import if_slow
from memnotify.store import Store
from memnotify.text import counted, unknown_name


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "List the cells that a campaign would run on one base: their ids, their parameters, the "
        "host memory that each takes, and how long each took the last time. Nothing is fetched "
        "or run, and no kernel is built. A cell has no id before the source of its kernel is in "
        "the store."
    )
    parser.add_argument(
        "campaign", type=campaign, metavar="CAMPAIGN.toml", help="the campaign, as for run"
    )
    parser.add_argument(
        "--base", type=named, help="one of the campaign's bases; default: the first"
    )
    for name, kind, default in (("accel", Accel, "auto"), ("clock", Clock, "virtual")):
        parser.add_argument(
            f"--{name}",
            choices=[one.value for one in kind],
            default=default,
            help="as for run; default: %(default)s",
        )
    parser.add_argument("--source", type=named, metavar="PATH", help="as for run")
    parser.add_argument("--cc", type=named, metavar="CC", help="as for run")
    add_table(parser)
    parser.set_defaults(handler=_cells)


def _cells(args: argparse.Namespace) -> int:
    choice, store = chosen(args), Store()
    asked = load_campaign(args.campaign)
    if args.base is not None:
        _refuse_other(args.base, asked.table.kernel.base)
    cells = plan_cells(
        asked,
        base=args.base,
        accel=Accel(args.accel),
        clock=Clock(args.clock),
        source=args.source,
        cc=args.cc,
    )
    log = CommandLog(store.folder("logs") / "commands.jsonl")
    own = sorted({program.name for cell in cells for program in cell.programs})
    slow = f"compiling {', '.join(own)}" if own else "looking for kernels and earlier results"
    with if_slow(slow, partial(print, file=sys.stderr, flush=True)):
        found, wrong = foresee(cells, store=store, log=log)
    if args.json:
        sys.stdout.write(dump([cell.to_json() for cell in found]) + "\n")
    elif args.csv:
        sys.stdout.write(foreseen_grid(found).chosen(choice).csv())
    else:
        console = plain_console()
        foreseen_grid(found).chosen(choice).print(console)
        for line in [*wrong, _total(found)]:
            print_line(console, line)
        say_next(
            console,
            (f"run {args.campaign} --plan", "the kernels that it needs"),
            (f"run {args.campaign}", "run it"),
        )
    return 0


def _refuse_other(base: str, bases: Sequence[str]) -> None:
    """Raise InputError for a base that is none of the campaign's."""
    if base not in bases:
        raise InputError(f"the campaign has no base {base!r}", hint=unknown_name(base, bases))


def _total(found: Sequence[ForeseenCell]) -> str:
    known = [cell.seconds for cell in found if cell.seconds is not None]
    text = f"{counted(len(found), 'cell')}; the largest takes {_most(found)} MiB of the host"
    if not known:
        return f"{text}; none has run before, so the time is not known"
    per = sum(known) / len(known)
    rest = len(found) - len(known)
    guess = ""
    if rest:
        new = "is new and counts" if rest == 1 else "are new and count"
        guess = f", {rest} of which {new} as the mean"
    return f"{text}; {sum(known) + rest * per:.0f} s one after the other{guess}"


def _most(found: Sequence[ForeseenCell]) -> int:
    return max(cell.takes_mib for cell in found)
