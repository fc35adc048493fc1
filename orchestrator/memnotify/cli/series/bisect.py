"""memnotify series bisect"""

from __future__ import annotations

import argparse
from pathlib import Path

from memnotify.campaign.figures import read_comparison
from memnotify.campaign.load import load_campaign
from memnotify.cli.paths import campaign, named, path
from memnotify.cli.progress import add_progress, progress
from memnotify.errors import InputError
from memnotify.run.bisect import Asked, bisect_series, only_cell, sentence
from memnotify.run.services import Services
from memnotify.store import Store


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Bisect a series: run the single cell of a campaign with more or fewer of "
        "the first patches applied, until the patch is found with which the answer "
        "to a question changes. The exit status is 1 if the answer is the same with "
        "all patches as with none, or as with those of --good."
    )
    parser.add_argument(
        "revision",
        type=named,
        metavar="REV",
        help="REV, a folder of patches, or git:TREE#BASE..BRANCH",
    )
    parser.add_argument(
        "--campaign", type=campaign, metavar="FILE", required=True, help="a campaign with one cell"
    )
    parser.add_argument(
        "--until",
        metavar="QUESTION",
        required=True,
        help="a comparison of a figure of show --json: 'wakeups > 0', 'outcome != \"ok\"'",
    )
    parser.add_argument(
        "--good",
        type=_number,
        default=0,
        metavar="N",
        help="take the first N patches as good, and look among the others; default: "
        "0, the base alone",
    )
    parser.add_argument(
        "--base", type=named, help="which base of the campaign to use, if it has several"
    )
    parser.add_argument(
        "--source", type=named, metavar="PATH", help="kernel tree or tarball to build from"
    )
    parser.add_argument(
        "-o", dest="output", type=path, metavar="DIR", help="default: runs/bisect-<campaign's name>"
    )
    add_progress(parser)
    parser.set_defaults(handler=_bisect)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of patches")
    return int(text)


def _bisect(args: argparse.Namespace) -> int:
    try:
        question = read_comparison(args.until)
    except ValueError as error:
        raise InputError(f"--until {error}") from error
    campaign = load_campaign(args.campaign)
    with progress(args, "series bisect", stderr=True) as board:

        def say(line: str) -> None:
            if args.json_lines:
                board.note(line)
                return
            with board.aside():
                print(line, flush=True)

        found = bisect_series(
            campaign,
            only_cell(campaign, args.base, args.source),
            Asked(revision=args.revision, question=question, good=args.good),
            Services(store=Store(), board=board),
            path=args.output or Path("runs") / f"bisect-{campaign.table.name}",
            say=say,
        )
        answer = sentence(found, question, args.revision)
        patches = [patch.name for patch in found.patches]
        board.result({"patches": patches, "holds": found.holds, "answer": answer})
    if not args.json_lines:
        print(answer)
    return 0 if found.patches else 1
