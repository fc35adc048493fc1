"""Mails restored against a few files, without a folder, a tree or the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InputError
from memnotify.mailpatch.mail import mails_of
from memnotify.mailpatch.restore_series import Imported, import_mails
from memnotify.series.apply import FileState

NUMBERED = "".join(f"\tline({n});\n" for n in range(40))
"""A file of C of which each line says its number, from 0."""

NAME = "mm/a.c"
HEAD = ["Text.", "---", f"--- a/{NAME}", f"+++ b/{NAME}"]
"""What is above the hunks of a mail that changes one file; the first hunk is its fifth line."""


def line(number: int, mark: str = " ") -> str:
    """Return a line of NUMBERED as a hunk has it."""
    return f"{mark}\tline({number});"


def hunk(start: int, *body: str, old: int = 0, new: int = 0, at: int | None = None) -> list[str]:
    """Return a hunk; `old` and `new` are counts of its header, unless they are right."""
    old_start = start if at is None else at
    old = old or sum(text[:1] in " -" for text in body)
    new = new or sum(text[:1] in " +" for text in body)
    return [f"@@ -{old_start},{old} +{start},{new} @@", *body]


def with_new(place: int = 11, text: str = "\tnew();") -> str:
    """Return the numbered file with a line before one of its lines."""
    return NUMBERED.replace(f"\tline({place});\n", f"{text}\n\tline({place});\n")


def mail_of(*lines: str, subject: str = "[PATCH] lamps") -> bytes:
    head = ["From: Ada <ada@example.org>", "Date: Tue, 15 Jan 2008 10:00:29 +0900"]
    return "".join(f"{line}\n" for line in [*head, f"Subject: {subject}", "", *lines]).encode()


def restored(*mails: bytes, files: Mapping[str, str], **options: Any) -> list[Imported]:
    def read(name: str) -> FileState | None:
        return FileState(files[name].encode(), 0o644) if name in files else None

    found = [each for mail in mails for each in mails_of(mail, Path("mail"))]
    patches = import_mails(found, read, **options).patches
    assert all(isinstance(patch, Imported) for patch in patches)
    return [patch for patch in patches if isinstance(patch, Imported)]


def refusal(*mails: bytes, files: Mapping[str, str], **options: Any) -> str:
    """Return why mails are refused, with the line of the mail, and without its name."""
    with pytest.raises(InputError) as caught:
        restored(*mails, files=files, **options)
    return str(caught.value).removeprefix("mail:")


def after(patch: Imported) -> dict[str, str]:
    """Return the files that a patch makes, by name."""
    return {change.after: change.new.data().decode() for change in patch.changes if change.after}


def repairs(patch: Imported) -> Sequence[tuple[str, str, int | None, str, bool]]:
    """Return the repairs of a patch: kind, file, line, detail, and whether it is sure."""
    return [
        (repair.kind.name, repair.file, repair.line, repair.detail, repair.sure)
        for repair in patch.repairs
    ]
