"""`memnotify plot`: draw a run."""

from __future__ import annotations

import argparse
import sys

from memnotify.axes import REPEAT
from memnotify.cli.damaged import say_damaged, say_line
from memnotify.cli.paths import named, path
from memnotify.errors import InputError
from memnotify.files import held_for_result, write_whole
from memnotify.report.plots.choose import Asked, PictureKind, picture_of
from memnotify.report.plots.converter import converter
from memnotify.report.plots.drawing import FORMS, drawn, form_of
from memnotify.results.comparison import COMPARED, parse_only
from memnotify.results.folder import RunFolder
from memnotify.text import known_names, printable_lines

_AXES = tuple(axis for axis in COMPARED if axis not in (REPEAT, "clock", "seed"))


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Draw a picture of a run. With CELL: the timeline of each guest, side by side. "
        "Without CELL: the published results behind those of the run, or the figures of several "
        "seeds, or else the timelines of one cell for each series. The suffix of FILE "
        "selects the form; a page (.html) can be zoomed. docs/howto/plots.md shows every kind."
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "cells",
        nargs="*",
        type=named,
        metavar="CELL",
        help="id of a cell, a prefix of it, or its name",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        metavar="FILE",
        help=f"file to write, ending in one of {' '.join(FORMS)}; default: RUN/plot.svg",
    )
    parser.add_argument(
        "--kind",
        choices=[str(kind) for kind in PictureKind],
        help="timeline of guests; figures of runs with several seeds; latency from the gate to "
        "each client's first wakeup; sizes of batches; herd: the largest batch over the number "
        "of clients; published series behind ours",
    )
    parser.add_argument("--by", choices=_AXES, default="series", help="default: series")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="AXIS=VALUE",
        help="only use cells with this value of the axis; may be repeated for several values",
    )
    parser.add_argument(
        "--figure",
        action="append",
        default=[],
        metavar="NAME",
        help="a figure of `compare` to draw instead of the usual six; may be repeated",
    )
    parser.set_defaults(handler=_plot)


def _plot(args: argparse.Namespace) -> int:
    output = args.output or args.run / "plot.svg"
    form = form_of(output)
    run = RunFolder(args.run)
    plan = run.plan()
    with held_for_result(output):
        converter()  # before the work, if it is missing
        names = [name for row in plan for name in (row.id, row.name)]
        for wanted in args.cells:
            if not any(wanted == row.name or row.id.startswith(wanted) for row in plan):
                text = f"{args.run} has no cell {wanted}"
                raise InputError(text, hint=known_names(wanted, names))
        say_damaged(args.run)
        asked = Asked(
            cells=list(dict.fromkeys(run.find(wanted) for wanted in args.cells)),
            kind=PictureKind(args.kind) if args.kind else None,
            by=args.by,
            only=parse_only(args.only),
            figures=args.figure,
        )
        picture = picture_of(run, asked, say=say_line)
        content = drawn(picture, form)
        write_whole(output, content)
    print(printable_lines(picture.title), file=sys.stderr)
    print(output)
    return 0
