"""`memnotify published`: compare a run with the published results of its experiment."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from memnotify.check.distance import Curve
from memnotify.cli.damaged import say_damaged
from memnotify.cli.output import add_table, chosen, say_next
from memnotify.cli.paths import path
from memnotify.errors import InputError
from memnotify.extras import extra
from memnotify.files import held_for_result, write_whole, writing
from memnotify.report.grid import Choice
from memnotify.report.plain import plain_console
from memnotify.report.published import print_published, print_series, published_grid
from memnotify.results.folder import RunFolder, to_json
from memnotify.results.published import compare_published
from memnotify.results.published_series import PICTURES, csv_text
from memnotify.text import printable_lines


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Print the published figures of the experiment that the run's campaign "
        "reproduces next to those of the run, and the distance between the "
        "published time series and those of the run: the mean absolute difference "
        "over time, in the unit of the series and as a fraction of the published "
        "range. The exit status is 1 if a figure does not agree or has not been "
        "run, unless it is only an alternative reading of the published text."
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    add_table(parser, csv=False)
    parser.add_argument(
        "--csv",
        type=path,
        nargs="?",
        const=True,
        metavar="FILE",
        help="print the table of figures as CSV; with FILE: write the published and the measured "
        "series there as CSV, and print the table as usual",
    )
    parser.add_argument(
        "--plot",
        type=path,
        metavar="FILE",
        help="plot the published and the measured series; the suffix selects the format: "
        f"{', '.join(PICTURES)}",
    )
    parser.set_defaults(handler=_published)


def _published(args: argparse.Namespace) -> int:
    choice, of_table = chosen(args, csv=args.csv is True), args.csv is True
    args.csv = None if of_table else args.csv
    if args.csv is not None and args.csv == args.plot:
        raise InputError(f"{args.csv}: --csv and --plot need different files")
    with held_for_result(args.csv), held_for_result(args.plot):
        return _compare(args, choice, of_table=of_table)


def _compare(args: argparse.Namespace, choice: Choice, *, of_table: bool) -> int:
    if args.plot is not None and args.plot.suffix not in PICTURES:
        raise InputError(f"{args.plot}: the name of a plot must end in {' or '.join(PICTURES)}")
    if args.plot is not None:
        # Imported here: it takes half a second, which other uses need not wait for.
        with extra("report", "--plot"):
            from memnotify.report.plots.overlay import save_overlay
    say_damaged(args.run)
    found = compare_published(RunFolder(args.run))
    published, curves = found.table, found.curves
    rows = [{"kind": "figure", **dataclasses.asdict(one)} for one in found.figures]
    series = [curve.row() for curve in curves]
    if args.csv is not None:
        _needs_series(args.csv, curves)
        write_whole(args.csv, csv_text(curves).encode())
        _wrote(args.csv)
    if args.plot is not None:
        _needs_series(args.plot, curves)
        with writing(args.plot):
            save_overlay(args.plot, curves, title=published.source, assumed=published.assumed)
        _wrote(args.plot)
    if args.json:
        sys.stdout.write(to_json([*rows, *series]))
    elif of_table:
        sys.stdout.write(published_grid(found.figures).chosen(choice).csv())
    else:
        console = plain_console()
        print_published(console, published.source, published.machine, found.figures, choice)
        if series:
            print_series(console, series)
            say_next(
                console,
                (f"published {args.run} --plot FILE.svg", "the series, published and reproduced"),
            )
    return 0 if all(one.agrees or one.alternative for one in found.figures) else 1


def _wrote(file: Path) -> None:
    # Not on stdout, where --json prints.
    print(printable_lines(f"wrote {file}"), file=sys.stderr)


def _needs_series(file: Path, curves: Sequence[Curve]) -> None:
    if not curves:
        raise InputError(
            f"{file}: no published series matches a cell of this run",
            hint="see the table for single figures",
        )
