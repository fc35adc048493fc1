"""memnotify series originals"""

from __future__ import annotations

import argparse
from typing import Any

from memnotify.cli.output import add_json, say
from memnotify.cli.paths import named, path
from memnotify.cli.series.ask import add_restoring, ask
from memnotify.jsontext import dump
from memnotify.kernel.base import load_base
from memnotify.kernel.originals import (
    Against,
    check_complete,
    difference,
    find_originals,
    import_originals,
    mail_row,
)
from memnotify.kernel.originals import register as register_series
from memnotify.mailpatch.originals import MailVerdict, originals_of
from memnotify.mailpatch.report import report_lines
from memnotify.places import command
from memnotify.report.originals import verdict_lines
from memnotify.series.quilt import tree_version
from memnotify.store import Store
from memnotify.text import counted, printable_lines


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Take the patch mails of a revision from lore.kernel.org or from local "
        "files, verify each against its digest, import them, and register them as "
        "the series REV-original, which campaigns and builds can name. See "
        "docs/howto/originals.md. The exit status is 1 if the text of a mail does not "
        "match its digest, 2 if a mail is missing, and 3 if lore cannot be reached."
    )
    parser.add_argument("revision", type=named, metavar="REV", help="such as v4")
    parser.add_argument(
        "mails",
        nargs="*",
        default=[],  # otherwise the error for a missing REV would also name MAIL
        type=path,
        metavar="MAIL",
        help="a file or folder with mails, or a page saved from an archive",
    )
    parser.add_argument(
        "--mbox", type=path, metavar="FILE", help="an mbox, such as that of a whole mailing list"
    )
    parser.add_argument("--maildir", type=path, metavar="DIR", help="a maildir, likewise")
    against = parser.add_mutually_exclusive_group()
    against.add_argument(
        "--base",
        type=named,
        help="base to import the patches for; default: the nearest one that they apply to",
    )
    against.add_argument(
        "--tree", type=path, metavar="DIR", help="a kernel tree to import them for instead"
    )
    parser.add_argument(
        "--altered",
        action="store_true",
        help="also register mails whose text does not match the digest, as REV-altered",
    )
    add_restoring(parser, fuzz=2)
    add_json(parser)
    parser.set_defaults(handler=_originals)


def _originals(args: argparse.Namespace) -> int:
    store = Store()
    wanted = originals_of(args.revision)
    # Check these first: their errors need not wait for the mails.
    if args.base is not None:
        load_base(args.base)
    if args.tree is not None:
        tree_version(args.tree)
    found = find_originals(
        wanted, given=args.mails, mbox=args.mbox, maildir=args.maildir, progress=say
    )
    rows: dict[str, Any] = {
        "revision": wanted.revision,
        "posted_for": wanted.table.posted_for,
        "mails": [mail_row(each) for each in found],
        "name": None,
        "base": None,
        "folder": None,
        "ours": [],
    }
    if not args.json:
        print(printable_lines("\n".join(verdict_lines(wanted, found))), flush=True)
    other = sum(each.verdict is MailVerdict.OTHER for each in found)
    complete = all(each.verdict is not MailVerdict.MISSING for each in found)
    if args.json and not (complete and (args.altered or not other)):
        print(dump(rows))
    check_complete(wanted, found)
    if other and not args.altered:
        verb = "has" if other == 1 else "have"
        say(
            f"memnotify: {wanted.revision}: {counted(other, 'mail')} {verb} a text that does "
            "not match the digest, so nothing is registered (--altered registers them as "
            f"{wanted.revision}-altered)"
        )
        return 1
    ready = import_originals(
        wanted,
        found,
        Against(base=args.base, tree=args.tree, fuzz=args.fuzz),
        choose=ask if args.interactive else None,
        store=store,
        progress=say,
    )
    done = register_series(wanted, found, ready, store=store, progress=say)
    if args.json:
        rows |= {"name": done.name, "base": done.base, "folder": str(done.folder)}
        print(dump(rows | {"ours": list(done.ours)}))
        return 0
    lines = [*ready.said, f"imported for {ready.base}:", *report_lines(ready.imported)]
    apart = difference(done)
    if apart is None:
        lines.append(f"the project has no {done.revision} for {done.base} to compare with")
    else:
        words = f"{done.revision}/{done.base} {done.name}/{done.base} --no-messages"
        lines += [
            f"compared with the project's reconstruction ({command(f'series diff {words}')}):",
            apart.rstrip(),
        ]
    lines += done.notes()
    lines.append(f'registered: series = "{done.name}" for {done.base}, in {done.folder}')
    print(printable_lines("\n".join(lines)))
    return 0
