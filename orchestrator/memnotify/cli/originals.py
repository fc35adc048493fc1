"""memnotify series originals"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from memnotify.cli.paths import path
from memnotify.jsontext import dump
from memnotify.kernel.base import load_base
from memnotify.kernel.originals import (
    check_complete,
    difference,
    find_originals,
    import_originals,
    mail_row,
    register,
)
from memnotify.mailpatch.originals import Verdict, originals_of
from memnotify.mailpatch.repairs import Chooser
from memnotify.mailpatch.report import report_lines
from memnotify.places import command
from memnotify.report.originals import verdict_lines
from memnotify.series.quilt import tree_version
from memnotify.store import Store
from memnotify.text import counted, printable_lines


def register_originals(actions: Any, ask: Chooser) -> None:
    """Add `series originals` to the command line; `ask` asks the user."""
    originals = actions.add_parser(
        "originals",
        help="fetch, verify and register the mails of a revision as they were posted",
        description="Take the patch mails of a revision from lore.kernel.org or from local "
        "files, verify each against its digest, import them, and register them as "
        "the series REV-original, which campaigns and builds can name. See "
        "docs/originals.md. The exit status is 1 if the text of a mail does not "
        "match its digest, 2 if a mail is missing, and 3 if lore cannot be reached.",
    )
    originals.add_argument("revision", metavar="REV", help="such as v4")
    originals.add_argument(
        "mails",
        nargs="*",
        default=[],  # otherwise the error for a missing REV would also name MAIL
        type=path,
        metavar="MAIL",
        help="a file or folder with mails, or a page saved from an archive",
    )
    originals.add_argument(
        "--mbox", type=path, metavar="FILE", help="an mbox, such as that of a whole mailing list"
    )
    originals.add_argument("--maildir", type=path, metavar="DIR", help="a maildir, likewise")
    against = originals.add_mutually_exclusive_group()
    against.add_argument(
        "--base", help="base to import the patches for; default: the nearest one that they apply to"
    )
    against.add_argument(
        "--tree", type=path, metavar="DIR", help="a kernel tree to import them for instead"
    )
    originals.add_argument(
        "--fuzz",
        type=int,
        choices=(0, 1, 2),
        default=2,
        help="how many context lines at each end of a hunk may be missing from the tree; "
        "default: 2",
    )
    originals.add_argument(
        "--altered",
        action="store_true",
        help="also register mails whose text does not match the digest, as REV-altered",
    )
    originals.add_argument(
        "--interactive", action="store_true", help="ask when a mail is ambiguous"
    )
    originals.add_argument("--json", action="store_true")
    originals.set_defaults(handler=lambda args: _originals(args, ask))


def _say(line: str) -> None:
    print(printable_lines(line), file=sys.stderr, flush=True)


def _originals(args: argparse.Namespace, ask: Chooser) -> int:
    store = Store()
    wanted = originals_of(args.revision)
    # Check these first: their errors need not wait for the mails.
    if args.base is not None:
        load_base(args.base)
    if args.tree is not None:
        tree_version(args.tree)
    found = find_originals(
        wanted, given=args.mails, mbox=args.mbox, maildir=args.maildir, progress=_say
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
    other = sum(each.verdict is Verdict.OTHER for each in found)
    complete = all(each.verdict is not Verdict.MISSING for each in found)
    if args.json and not (complete and (args.altered or not other)):
        print(dump(rows))
    check_complete(wanted, found)
    if other and not args.altered:
        verb = "has" if other == 1 else "have"
        _say(
            f"memnotify: {wanted.revision}: {counted(other, 'mail')} {verb} a text that does "
            "not match the digest, so nothing is registered (--altered registers them as "
            f"{wanted.revision}-altered)"
        )
        return 1
    ready = import_originals(
        wanted,
        found,
        base=args.base,
        tree=args.tree,
        fuzz=args.fuzz,
        choose=ask if args.interactive else None,
        store=store,
        progress=_say,
    )
    done = register(wanted, found, ready, store=store, progress=_say)
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
