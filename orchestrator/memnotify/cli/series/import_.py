"""memnotify series import"""

from __future__ import annotations

import argparse

from memnotify.cli.output import add_json, say
from memnotify.cli.paths import named, path
from memnotify.cli.series.ask import add_restoring, ask
from memnotify.jsontext import dump
from memnotify.kernel.import_series import ImportRequest, import_series
from memnotify.mailpatch.report import report_lines, report_rows
from memnotify.store import Store
from memnotify.text import printable_lines


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Restore the patches in archived mails against a kernel tree, and write "
        "them as a series. docs/howto/importing.md describes what is repaired and what is "
        "refused."
    )
    parser.add_argument(
        "mails",
        nargs="+",
        type=named,
        metavar="MAIL",
        help="a mail, an mbox, a maildir, a page saved from an archive, or a Message-Id",
    )
    against = parser.add_mutually_exclusive_group(required=True)
    against.add_argument("--base", type=named, help="base that the patches are for")
    against.add_argument(
        "--tree", type=path, metavar="DIR", help="a kernel tree that the patches are for"
    )
    parser.add_argument(
        "-o",
        dest="output",
        type=path,
        metavar="DIR",
        required=True,
        help="folder to write the series to",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the patches in DIR that have the same numbers",
    )
    parser.add_argument(
        "--revision",
        type=_revision,
        metavar="vN",
        help="which revision to import, such as v4, if the mails are of several",
    )
    add_restoring(parser, fuzz=0)
    parser.add_argument(
        "--mbox",
        type=path,
        metavar="FILE",
        help="look up Message-Ids in this mbox instead of at lore.kernel.org",
    )
    add_json(parser)
    parser.set_defaults(handler=_import)


def _revision(word: str) -> int:
    digits = word.removeprefix("v")
    if not digits.isdecimal():
        raise argparse.ArgumentTypeError(f"{word} is not like v4")
    return int(digits)


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
        choose=ask if args.interactive else None,
        store=Store(),
        progress=say,
    )
    if args.json:
        print(dump(report_rows(imported)))
    else:
        print(printable_lines("\n".join(report_lines(imported))))
        print(f"series in {args.output}")
    return 0
