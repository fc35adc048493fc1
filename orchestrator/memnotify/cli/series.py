"""memnotify series list | import | originals | apply | trees | diff | bisect"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from memnotify.campaign.figures import read_comparison
from memnotify.campaign.load import load_campaign
from memnotify.cli import trees
from memnotify.cli.originals import register_originals
from memnotify.cli.output import add_json
from memnotify.cli.paths import campaign, named, path
from memnotify.errors import InputError
from memnotify.jsontext import dump
from memnotify.kernel.apply import apply_to_base, apply_to_tree
from memnotify.kernel.import_series import ImportRequest, import_series
from memnotify.mailpatch.rangediff import range_diff
from memnotify.mailpatch.repairs import Question
from memnotify.mailpatch.report import report_lines, report_rows
from memnotify.report.board import open_board
from memnotify.report.lineage import lineage_lines, lineage_rows
from memnotify.report.table import plain_console
from memnotify.run.bisect import bisect_series, only_cell, sentence
from memnotify.run.services import Services
from memnotify.series.apply import Application
from memnotify.series.lineage import family
from memnotify.series.quilt import compared
from memnotify.store import Store
from memnotify.text import counted, printable_lines


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    actions = parser.add_subparsers(metavar="COMMAND", required=True)

    listing = actions.add_parser(
        "list",
        help="show the family tree of the revisions",
        description="Print each revision below the one that it follows, with the date it was "
        "posted, the tree it was posted against, the bases that have patches, and "
        "what it changed. The exit status is 2 if the files of a revision are "
        "invalid; the others are still listed.",
    )
    add_json(
        listing,
        " with subjects and Message-Ids; promises: whether `check` knows the "
        "promises of the revision; wrong: errors in its files, one line each",
    )
    listing.set_defaults(handler=_list)

    importing = actions.add_parser(
        "import",
        help="turn archived mails into patches that apply",
        description="Restore the patches in archived mails against a kernel tree, and write "
        "them as a series. docs/importing.md describes what is repaired and what is "
        "refused.",
    )
    importing.add_argument(
        "mails",
        nargs="+",
        type=named,
        metavar="MAIL",
        help="a mail, an mbox, a maildir, a page saved from an archive, or a Message-Id",
    )
    against = importing.add_mutually_exclusive_group(required=True)
    against.add_argument("--base", type=named, help="base that the patches are for")
    against.add_argument(
        "--tree", type=path, metavar="DIR", help="a kernel tree that the patches are for"
    )
    importing.add_argument(
        "-o",
        dest="output",
        type=path,
        metavar="DIR",
        required=True,
        help="folder to write the series to",
    )
    importing.add_argument(
        "--replace",
        action="store_true",
        help="replace the patches in DIR that have the same numbers",
    )
    importing.add_argument(
        "--fuzz",
        type=int,
        choices=(0, 1, 2),
        default=0,
        help="how many context lines at each end of a hunk may be missing from the tree; "
        "default: 0",
    )
    importing.add_argument(
        "--revision",
        type=_revision,
        metavar="vN",
        help="which revision to import, such as v4, if the mails are of several",
    )
    importing.add_argument(
        "--interactive", action="store_true", help="ask when a mail is ambiguous"
    )
    importing.add_argument(
        "--mbox",
        type=path,
        metavar="FILE",
        help="look up Message-Ids in this mbox instead of at lore.kernel.org",
    )
    add_json(importing)
    importing.set_defaults(handler=_import)

    apply = actions.add_parser("apply", help="apply a revision strictly, or check that it applies")
    apply.add_argument(
        "revision", type=named, metavar="REV", help="REV, REV/BASE, or a folder with a series"
    )
    target = apply.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--base", type=named, help="apply to the work tree of this base in the store"
    )
    target.add_argument("--tree", type=path, metavar="DIR", help="apply to this kernel tree")
    apply.add_argument(
        "--for",
        dest="variant",
        type=named,
        metavar="BASE",
        help="with --tree: apply the patches for this base, whatever the tree is; default: the "
        "base that matches the version in the tree's Makefile",
    )
    apply.add_argument(
        "--check", action="store_true", help="only check that it applies; change nothing"
    )
    apply.set_defaults(handler=_apply)

    trees.register(actions)

    diff = actions.add_parser(
        "diff",
        help="compare two series patch by patch",
        description="Compare two series with git range-diff: which patches correspond, and how "
        "they differ.",
    )
    for name, metavar in (("old", "A"), ("new", "B")):
        diff.add_argument(
            name, type=named, metavar=metavar, help="REV, REV/BASE, or a folder with a series"
        )
    diff.add_argument("--stat", action="store_true", help="show only the numbers of changed lines")
    diff.add_argument(
        "--no-messages",
        dest="messages",
        action="store_false",
        help="ignore commit messages; compare only the changes",
    )
    diff.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        nargs="?",
        const="always",
        default="auto",
        metavar="WHEN",
        help="auto, always or never; default: auto",
    )
    diff.set_defaults(handler=_diff)

    bisect = actions.add_parser(
        "bisect",
        help="find the patch of a series that changes an outcome",
        description="Bisect a series: run the single cell of a campaign with more or fewer of "
        "the first patches applied, until the patch is found with which the answer "
        "to a question changes. The exit status is 1 if the answer is the same with "
        "all patches as with none.",
    )
    bisect.add_argument(
        "revision", type=named, metavar="REV", help="REV, or a folder with a `series` file"
    )
    bisect.add_argument(
        "--campaign", type=campaign, metavar="FILE", required=True, help="a campaign with one cell"
    )
    bisect.add_argument(
        "--until",
        metavar="QUESTION",
        required=True,
        help="a comparison of a figure of show --json: 'wakeups > 0', 'outcome != \"ok\"'",
    )
    bisect.add_argument(
        "--base", type=named, help="which base of the campaign to use, if it has several"
    )
    bisect.add_argument(
        "--source", type=named, metavar="PATH", help="kernel tree or tarball to build from"
    )
    bisect.add_argument(
        "-o", dest="output", type=path, metavar="DIR", help="default: runs/bisect-<campaign's name>"
    )
    bisect.set_defaults(handler=_bisect)

    register_originals(actions, _ask)


def _revision(word: str) -> int:
    digits = word.removeprefix("v")
    if not digits.isdecimal():
        raise argparse.ArgumentTypeError(f"{word} is not like v4")
    return int(digits)


def _say(line: str) -> None:
    print(printable_lines(line), file=sys.stderr, flush=True)


def _ask(question: Question) -> int:
    _say(question.text)
    for number, choice in enumerate(question.choices, 1):
        _say(f"--- {number}\n{choice}")
    while True:
        print(f"1 to {len(question.choices)}? ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            raise InputError(f"{question.text}: no answer")
        if answer.strip().isdecimal() and 0 < int(answer) <= len(question.choices):
            return int(answer) - 1


def _list(args: argparse.Namespace) -> int:
    members = family()
    if args.json:
        print(dump(lineage_rows(members)))
    else:
        print("\n".join(lineage_lines(members)))
    # Several members may share a file, and each reports its errors.
    wrong = dict.fromkeys(line for member in members for line in member.wrong)
    for line in wrong:
        _say(f"memnotify: {line}")
    return 2 if wrong else 0


def _import(args: argparse.Namespace) -> int:
    request = ImportRequest(
        mails=args.mails,
        base=args.base,
        tree=args.tree,
        mbox=args.mbox,
        fuzz=args.fuzz,
        revision=args.revision,
        replace=args.replace,
    )
    imported = import_series(
        request,
        args.output,
        choose=_ask if args.interactive else None,
        store=Store(),
        progress=_say,
    )
    if args.json:
        print(dump(report_rows(imported)))
    else:
        print(printable_lines("\n".join(report_lines(imported))))
        print(f"series in {args.output}")
    return 0


def _apply(args: argparse.Namespace) -> int:
    if args.tree is not None:
        where, applied = apply_to_tree(
            args.revision, args.tree, variant=args.variant, check=args.check
        )
    elif args.variant is not None:
        raise InputError("--for can only be used with --tree")
    else:
        where, applied = apply_to_base(
            args.revision,
            args.base,
            check=args.check,
            store=Store(),
            progress=_say,
        )
    _show(applied)
    print(f"{'applies' if args.check else 'applied'} to {where}")
    return 0


def _diff(args: argparse.Namespace) -> int:
    old, new = compared(args.old, args.new)
    auto = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    color = auto if args.color == "auto" else args.color == "always"
    said = range_diff(old.patches, new.patches, stat=args.stat, color=color, messages=args.messages)
    # A program gets the text unchanged.
    terminal = sys.stdout.isatty()
    sys.stdout.write(printable_lines(said, colored=True) if terminal else said)
    return 0


def _bisect(args: argparse.Namespace) -> int:
    try:
        question = read_comparison(args.until)
    except ValueError as error:
        raise InputError(f"--until {error}") from error
    campaign = load_campaign(args.campaign)
    with open_board(plain_console(stderr=True)) as board:
        found = bisect_series(
            campaign,
            only_cell(campaign, args.base, args.source),
            args.revision,
            question,
            Services(store=Store(), board=board),
            path=args.output or Path("runs") / f"bisect-{campaign.table.name}",
            say=lambda line: print(line, flush=True),
        )
    print(sentence(found, question, args.revision))
    return 0 if found.patches else 1


def _show(applied: Application) -> None:
    for done in applied.patches:
        print(f"{done.patch.name}: {counted(done.hunks, 'hunk')}")
        for hunk in done.shifted:
            fuzz = f", fuzz {hunk.fuzz}" if hunk.fuzz else ""
            lines = "line" if abs(hunk.offset) == 1 else "lines"
            print(f"  {hunk.file}:{hunk.line}: offset {hunk.offset:+} {lines}{fuzz}")
