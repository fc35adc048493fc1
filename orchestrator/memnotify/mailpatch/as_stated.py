"""Try whether a diff fits a tree as it stands, and makes the files that its index lines state."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from memnotify.errors import InputError
from memnotify.mailpatch.account import Account
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import CR, OpenFile
from memnotify.mailpatch.diffs import read_diffs
from memnotify.mailpatch.git_index import confirmed, is_stated
from memnotify.mailpatch.line_index import index_of
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.paths import Opener, Reader
from memnotify.mailpatch.standing import standing
from memnotify.mailpatch.tokens import plain


def makes_stated(files: Sequence[OpenFile], effort: Effort) -> bool:
    """Return whether diffs make every file that their index lines state, and there is one.

    Then the text is right as it is: nothing else has this digest.
    """
    stated = [file for file in files if is_stated(file)]
    return bool(stated) and all(_fits(file, effort, proof=True) for file in stated)


def preferred(mail: Mail, read: Reader, effort: Effort) -> Mail:
    """Return a mail as its headers state it, if that fits the tree better than what was decoded."""
    if mail.stated is None:
        return mail
    return max((mail, mail.stated), key=lambda each: _worth(each, read, effort))


def _worth(mail: Mail, read: Reader, effort: Effort) -> int:
    """Return 2 if the index lines of a mail's diffs confirm it, 1 if it fits a tree, or else 0."""
    opener = Opener(read, effort, Account(mail).error)
    try:
        texts = [
            read_diffs(lines, file=mail.source, first=mail.first)
            for lines in (mail.levels[0], [plain(line) for line in mail.lines])
        ]
        opened = [opener.open(text.diffs) for text in texts]
    except InputError:
        return 0
    if any(makes_stated(files, effort) for files in opened):
        return 2
    return int(any(files and all(_fits(f, effort) for f in files) for files in opened))


def _fits(file: OpenFile, effort: Effort, *, proof: bool = False) -> bool:
    """Return whether a diff fits a file as it stands, and, for a `proof`, makes the one stated."""
    index = index_of(file.old.lines)
    probe = dataclasses.replace(file, readings=[])
    after = 0
    for hunk in file.diff.hunks:
        start = max(hunk.old_start - (hunk.old_count > 0), 0)
        reading = standing(hunk, index, start=start, after=after, width=0)
        if reading is None:
            return False
        after = start + hunk.old_count
        probe.readings.append((hunk, reading))
    if not proof:
        return True
    added = [part.text.removesuffix(CR) for part in probe.added()]
    ends = [CR if part.text.endswith(CR) else "" for part in probe.added()]
    return confirmed(probe, added, ends, (), effort) is not None
