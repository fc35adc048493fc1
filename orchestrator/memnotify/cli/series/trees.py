"""memnotify series trees"""

from __future__ import annotations

import argparse

from memnotify.cli.output import add_json
from memnotify.cli.paths import named, path
from memnotify.jsontext import dump
from memnotify.report.fit import fit_markdown, fit_rows
from memnotify.series.fit import chosen, fit_trees
from memnotify.series.quilt import load_series
from memnotify.text import printable_lines


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Try each series on each tree, and print a Markdown table: what applies, "
        "what applies with an offset, and which hunks of which files fail. No tree "
        "is changed. Each patch is tried on top of the hunks that applied of the "
        "patches before it. Series registered with 'series originals' are tried "
        "only if --series names them."
    )
    parser.add_argument("trees", nargs="+", type=path, metavar="TREE", help="a kernel tree")
    parser.add_argument(
        "--series",
        action="append",
        default=[],
        type=named,
        metavar="REV",
        help="only this revision; may be repeated",
    )
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        type=named,
        metavar="BASE",
        help="only the series for this base; may be repeated",
    )
    add_json(parser)
    parser.set_defaults(handler=_trees)


def _trees(args: argparse.Namespace) -> int:
    series = [load_series(name, base) for name, base in chosen(args.series, args.base)]
    fits = fit_trees(series, args.trees)
    if args.json:
        print(dump(fit_rows(fits)))
    else:
        print(printable_lines(fit_markdown(fits)), end="")
    return 0
