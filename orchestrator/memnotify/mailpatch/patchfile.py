"""A restored patch as a file of a series: headers, provenance, message, diffstat, diff."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from memnotify.errors import InfrastructureError
from memnotify.mailpatch.changes import Change, diff_text
from memnotify.mailpatch.git_settings import NO_SETTINGS
from memnotify.mailpatch.ident import author_of, is_date, taken_message, without_diffs
from memnotify.mailpatch.mail import PROVENANCE, Mail
from memnotify.mailpatch.repairs import Repair, summary
from memnotify.process import CommandLog, run
from memnotify.series.apply import FileState, put_files, read_tree

_STAT = re.compile(
    r"\s*\S.*\|\s*(?:\d+[\s+-]*|Bin\b.*)|\s*\d+ files? changed.*"
    r"|\s*(?:create|delete) mode \d+ .*"
)
_HG = re.compile(r"# (?:User|Date|Node ID|Parent|Branch|EXP-\S*)\b|#  *\w{3} \w{3} \d")


def split_message(head: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """Return a mail's message, the notes after its ---, and whether it had a diffstat."""
    lines = list(head)
    at = next((n for n, line in enumerate(lines) if line.rstrip() == "---"), None)
    total = next(
        (n for n, line in enumerate(lines) if re.match(r"\s*\d+ files? changed", line)), None
    )
    message, notes = (lines, []) if at is None else (lines[:at], lines[at + 1 :])
    message = _without_hg(message)
    stat = [line for line in lines if _STAT.fullmatch(line)] if total is not None else []
    if total is not None:
        # Without a ---, a diffstat with text below it is part of the message.
        while at is None and message and (not message[-1].strip() or message[-1] in stat):
            message.pop()
        notes = [line for line in notes if line not in stat]
    return _trimmed(message), _trimmed(notes), bool(stat)


def _without_hg(lines: Sequence[str]) -> list[str]:
    """Return a message without the header lines that Mercurial's patchbomb adds above it."""
    at = next((n for n, line in enumerate(lines) if line == "# HG changeset patch"), None)
    if at is None:
        return list(lines)
    end = at + 1
    while end < len(lines) and _HG.match(lines[end]):
        end += 1
    return [*lines[:at], *lines[end:]]


def _trimmed(lines: Sequence[str]) -> list[str]:
    text = [line.rstrip() for line in lines]
    while text and not text[0]:
        text.pop(0)
    while text and not text[-1]:
        text.pop()
    return text


def provenance(mail: Mail, repairs: Sequence[Repair]) -> list[str]:
    """Return the header lines that record where a patch is from and how it was repaired.

    Lines of earlier imports are kept. A mail that has such lines and was not repaired gets no new
    ones, so that importing a patch again gives the same bytes.
    """
    lines = list(mail.provenance)
    done = [repair for repair in repairs if repair.changes]
    if lines and not done:
        return lines
    lines += [f"{PROVENANCE}Source: {Path(mail.source).name}", f"{PROVENANCE}Sha256: {mail.sha256}"]
    return lines + [f"{PROVENANCE}Repair: {line}" for line in summary(repairs)]


def patch_bytes(
    mail: Mail,
    head: Sequence[str],
    stat: str,
    changes: Sequence[Change],
    repairs: Sequence[Repair],
    *,
    headers: Sequence[str] = (),
    log: CommandLog | None = None,
) -> bytes:
    """Return the file of a patch, which `git am` takes; `stat` is its diffstat.

    `headers` are more lines for its header.
    """
    message, notes, _ = split_message(head)
    message, dates = taken_message(message, log=log)
    fields = {**mail.headers, "From": author_of(mail.headers.get("From"))}
    if fields.get("Date") and not is_date(fields["Date"], log=log):
        dates.insert(0, fields.pop("Date"))
    lines = [
        f"{name}: {fields[name]}"
        for name in ("From", "Date", "Subject", "Message-Id")
        if fields.get(name)
    ]
    lines += [
        line for date in dates if (line := f"{PROVENANCE}Date: {date}") not in mail.provenance
    ]
    lines += [*provenance(mail, repairs), *headers]
    lines += ["", *message, *([""] if message else []), "---"]
    notes = without_diffs(notes)
    lines += [*notes, *([""] if notes else []), *stat.splitlines(), ""]
    text = "\n".join(lines) + "\n" + "".join(diff_text(change) for change in changes)
    return text.encode("utf-8", "surrogateescape")


def prove(
    changes: Sequence[Change], before: Mapping[str, FileState | None], *, log: CommandLog | None
) -> str:
    """Let git apply a patch to the original files, and return its diffstat.

    Raises InfrastructureError if git's result differs from ours: then the patch is wrong.
    """
    diff = "".join(diff_text(change) for change in changes).encode("utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory(prefix="memnotify-prove-") as folder:
        root = Path(folder)
        put_files(root, {name: state for name, state in before.items() if state is not None})
        # Not in a repository, even if the folder for temporary files is in one.
        env = {"GIT_DIR": os.fspath(root / "none"), **NO_SETTINGS}
        done = run(
            ["git", "apply", "--apply", "--stat", "--summary", "--whitespace=nowarn", "-"],
            cwd=root,
            env=env,
            input=diff,
            timeout=60,
            log=log,
        )
        read = read_tree(root)
        for change in changes:
            if change.after is None or not change.hunks:
                continue
            state = read(change.after)
            if state is None or state.data != change.new.data():
                raise InfrastructureError(
                    "import",
                    f"git reads the patch of {change.after} differently than intended",
                    hint="please report it",
                )
    return done.stdout
