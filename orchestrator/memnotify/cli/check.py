"""`memnotify check`: check the log of every guest against the promises of its revision."""

from __future__ import annotations

import argparse
import sys

from memnotify.cli.damaged import say_damaged
from memnotify.cli.output import add_table, chosen, say, say_next
from memnotify.cli.paths import named, path
from memnotify.errors import InputError
from memnotify.places import command
from memnotify.report.check import check_grid, print_check
from memnotify.report.plain import plain_console
from memnotify.results.folder import RECORDS, RunFolder, to_json
from memnotify.results.promises import check_run


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Check the records of a run against the promises of their revision, and "
        "name the records that break one. The exit status is 1 if a promise is "
        "broken, or if the results of a cell are damaged. A promise that was never "
        "tested is reported as 'not exercised', not as kept, with what would test it. "
        "The cells of a series whose promises are not known are not checked: the exit "
        "status is then 2, or 1 if another series broke a promise."
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--against",
        type=named,
        metavar="REV",
        help="check all kernels with a series against the promises of this revision, for "
        "example a changed copy of it",
    )
    add_table(parser)
    parser.set_defaults(handler=_check)


def _check(args: argparse.Namespace) -> int:
    run, choice = RunFolder(args.run), chosen(args)
    looked = say_damaged(args.run)
    damaged = bool(looked.damaged)
    rows = list(check_run(run, against=args.against, looked=looked))
    if not rows and damaged:
        hint = f"see {command(f'show {args.run}')}"
        raise InputError(f"no cell of {args.run} that is not damaged has a log", hint=hint)
    if not rows:
        raise InputError(
            f"no cell of {args.run} has a log", hint=f"see {command(f'show {args.run}')}"
        )
    if args.json:
        sys.stdout.write(to_json([row.to_json() for row in rows]))
    elif args.csv:
        sys.stdout.write(check_grid(rows).chosen(choice).csv())
    else:
        console = plain_console()
        print_check(console, rows, files=run.cells, records=RECORDS, choice=choice)
        say_next(
            console,
            ("explain INVARIANT", "what an invariant says, and how it is checked"),
            (f"gdb {args.run} CELL --record N", "the guest where it wrote a record"),
        )
    broken = damaged or any(row.broken for row in rows)
    unknown = sorted({str(row.point["series"]) for row in rows if row.answer is None})
    if not unknown:
        return int(broken)
    whole = all(row.answer is None for row in rows)
    what = "nothing was checked" if whole else "its cells were not checked"
    hint = "add them to its revision.toml, or restore its folder; see patches/README.md"
    error = InputError(
        f"no promises of {', '.join(unknown)} are on file: {what}", hint=f"{hint}; or --against REV"
    )
    if not broken:
        raise error
    say(f"memnotify: {error}")
    return 1
