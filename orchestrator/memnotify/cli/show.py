"""`memnotify show`: show the table of a run, or the timeline of one of its guests."""

from __future__ import annotations

import argparse
import sys

from memnotify.cli.damaged import say_line
from memnotify.cli.output import add_table, chosen, say_next
from memnotify.cli.paths import named, path
from memnotify.errors import InputError
from memnotify.jsontext import dumped_rows
from memnotify.places import command
from memnotify.report.plain import plain_console, print_line
from memnotify.report.strips import print_strips
from memnotify.report.table import print_cell, print_run, run_grid
from memnotify.results.course import course_if_any
from memnotify.results.folder import RunFolder, read_verdict, to_json
from memnotify.results.timeline import timeline_of


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Print the table of a run; with CELL, print the timeline of that cell's guest, as a "
        "table and drawn in letters."
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "cell",
        nargs="?",
        type=named,
        metavar="CELL",
        help="id of the cell, a prefix of it, or its name",
    )
    add_table(parser)
    parser.set_defaults(handler=_show)


def _show(args: argparse.Namespace) -> int:
    folder, choice = RunFolder(args.run), chosen(args)
    if args.cell is not None:
        if choice.made or args.csv:
            raise InputError("--csv, --columns and --sort are for the table of a run, without CELL")
        return _show_cell(folder, args.cell, as_json=args.json)
    damaged, each = folder.judged()
    for line in damaged:
        say_line(line)
    if args.json:
        sys.stdout.writelines(dumped_rows(verdict.to_json() for verdict in each))
        sys.stdout.write("\n")
        return 0
    verdicts = list(each)
    if args.csv:
        sys.stdout.write(run_grid(verdicts).chosen(choice).csv())
    else:
        console = plain_console()
        print_run(console, verdicts, planned=len(folder.ids()), choice=choice)
        say_next(
            console,
            (f"show {args.run} CELL", "the timeline of one guest"),
            (f"check {args.run}", "the promises of each revision, on every record"),
            (f"compare {args.run}", "the revisions, figure by figure"),
        )
    return 0


def _show_cell(folder: RunFolder, wanted: str, *, as_json: bool) -> int:
    cell_id = folder.find(wanted)
    cell = folder.cell(cell_id)
    if not cell.exists():
        raise InputError(
            f"{wanted} has not been run yet", hint=f"run its campaign again with {command('run')}"
        )
    manifest = folder.manifest(cell_id)  # raises if the results are damaged
    verdict, events = read_verdict(cell), timeline_of(cell)
    if as_json:
        sys.stdout.write(to_json({**verdict.to_json(), "timeline": events}))
    else:
        console = plain_console()
        print_cell(console, verdict, events)
        if moved := manifest.moved_in_words():
            print_line(console, f"ran on {manifest.host}; moved {moved}")
        drawn = course_if_any(cell)
        if drawn is not None:
            print_strips(console, drawn)
        cell_of = f"{folder.path} {cell_id}"
        say_next(
            console,
            (f"plot {cell_of}", "the same as a picture"),
            (f"replay {cell_of}", "run it again, and compare the records"),
            (f"gdb {cell_of} --record N", "see the guest write a record"),
            ("explain FINDING", "what a finding means"),
        )
    return 0
