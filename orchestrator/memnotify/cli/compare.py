"""`memnotify compare`: compare revisions, or the values of another axis."""

from __future__ import annotations

import argparse
import sys

from memnotify.check.change import Limit, parse_limit
from memnotify.check.reaction import UNITS
from memnotify.cli.damaged import say_line
from memnotify.cli.output import add_table, chosen, say_next
from memnotify.cli.paths import path
from memnotify.errors import InputError
from memnotify.report.changes import print_changes, print_judgement
from memnotify.report.comparison import comparison_grid, print_comparison
from memnotify.report.plain import plain_console
from memnotify.results.changes import Judgement, changes, judge
from memnotify.results.comparison import (
    COMPARED,
    GROUPED,
    GroupComparison,
    NotOneCell,
    compare_runs,
    parse_only,
)
from memnotify.results.folder import to_json
from memnotify.results.grouping import BUILD, RUN
from memnotify.text import counted


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Compare cells that differ along one axis of the matrix and in nothing "
        "else: medians with bootstrap intervals, and the difference of each group "
        "from the first. docs/howto/comparing.md explains the figures. With --fail-if, the "
        "exit status is 1 if a figure moved further than that, and there is evidence "
        "for it."
    )
    parser.add_argument("runs", type=path, nargs="+", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--by",
        choices=GROUPED,
        help="an axis; run: compare whole runs, such as one before a change and one after it; "
        "build: compare builds of the kernel. Default: series, and run if the runs have the same "
        "cells with other kernels, or with --fail-if",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="AXIS=VALUE",
        help="only use cells with this value of the axis; may be repeated for several values",
    )
    add_fail_if(parser)
    add_table(parser, "; with --fail-if, each row of a limited figure has the verdict (fail_if)")
    parser.set_defaults(handler=_compare)


def add_fail_if(parser: argparse.ArgumentParser) -> None:
    """Add `--fail-if`."""
    parser.add_argument(
        "--fail-if",
        dest="limits",
        action="append",
        default=[],
        metavar="LIMIT",
        help="'FIGURE > +10%%', 'FIGURE > +5 ms' or 'FIGURE < -5 ms': exit with 1 if the figure "
        "rises or falls by more, or if a cell has no results; may be repeated",
    )


def limits_of(args: argparse.Namespace) -> list[Limit]:
    """Return the limits of `--fail-if`. Raises InputError."""
    try:
        return [parse_limit(text, UNITS) for text in args.limits]
    except ValueError as error:
        raise InputError(f"--fail-if {error}") from error


def tell(found: Judgement, *, unchecked: int, aloud: bool) -> int:
    """Print what --fail-if found, and return the exit status; `aloud`: on stdout, in colours.

    `unchecked` cells have no results that a limit could be held against, so they are no pass.
    """
    if aloud:
        print_judgement(plain_console(), found)
    else:
        for line in found.lines():
            say_line(line)
    if unchecked:
        say_line(f"--fail-if: {counted(unchecked, 'cell')} could not be checked: no results")
    return int(bool(found.broken or unchecked))


def _compared(args: argparse.Namespace, limits: list[Limit]) -> GroupComparison:
    only, several = parse_only(args.only), len(args.runs) > 1
    by = args.by or (RUN if limits and several else "series")
    try:
        return compare_runs(args.runs, by=by, only=only, say=say_line)
    except NotOneCell:
        if args.by is not None or not several:
            raise
        return compare_runs(args.runs, by=RUN, only=only)


def _compare(args: argparse.Namespace) -> int:
    choice, limits = chosen(args), limits_of(args)
    found = _compared(args, limits)
    by = found.rows[0].by
    moved = changes(found) if limits or by in (RUN, BUILD) else []
    judged = judge(moved, limits) if limits else None
    unchecked = found.not_run + found.failed
    if args.json:
        rows = [row.to_json() for row in found.rows]
        if judged is not None:
            for row in rows:
                is_first = row["group"] == rows[0]["group"]
                limited = [] if is_first else judged.to_json(row["metric"], row["group"])
                row["fail_if"] = [{**limit, "unchecked_cells": unchecked} for limit in limited]
        sys.stdout.write(to_json(rows))
    elif args.csv:
        sys.stdout.write(comparison_grid(found.rows).chosen(choice).csv())
    else:
        console = plain_console()
        # Medians over several settings say little about a change.
        settings = bool(moved) and bool(found.pooled)
        print_comparison(
            console,
            found.rows,
            same=found.same,
            notes=[
                *found.notes(table=not settings),
                *([narrower] if not settings and (narrower := found.narrower()) else []),
            ],
            choice=choice,
            table=not settings,
        )
        if settings:
            print_changes(console, moved, by=by)
        first = args.runs[0]
        say_next(
            console,
            (f"compare {first} --by AXIS", f"another axis: {', '.join(COMPARED)}"),
            (f"show {first}", "the cells, one by one"),
        )
    if judged is None:
        return 0
    return tell(judged, unchecked=unchecked, aloud=not (args.json or args.csv))
