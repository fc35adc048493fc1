"""memnotify series list"""

from __future__ import annotations

import argparse

from memnotify.cli.output import add_json, say
from memnotify.jsontext import dump
from memnotify.report.lineage import lineage_lines, lineage_rows
from memnotify.series.lineage import family


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Print each revision below the one that it follows, with the date it was "
        "posted, the tree it was posted against, the bases that have patches, and "
        "what it changed. The exit status is 2 if the files of a revision are "
        "invalid; the others are still listed."
    )
    add_json(
        parser,
        " with subjects and Message-Ids; promises: whether `check` knows the "
        "promises of the revision; wrong: errors in its files, one line each",
    )
    parser.set_defaults(handler=_list)


def _list(args: argparse.Namespace) -> int:
    members = family()
    if args.json:
        print(dump(lineage_rows(members)))
    else:
        print("\n".join(lineage_lines(members)))
    # Several members may share a file, and each reports its errors.
    wrong = dict.fromkeys(line for member in members for line in member.wrong)
    for line in wrong:
        say(f"memnotify: {line}")
    return 2 if wrong else 0
