"""The author, the title and the message of a mail, without what an archive or an answer adds."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from memnotify.mailpatch.mail import mails_of
from memnotify.mailpatch.restore_series import Imported, import_mails
from memnotify.series.apply import FileState

from tests.support.history import Original, mailinfo
from tests.support.made_history import original_of
from tests.support.mail_forms import FORMS
from tests.support.verdicts import differing_letters

OLD = b"".join(b"\tline(%d);\n" % n for n in range(20))
NEW = OLD.replace(b"\tline(7);\n", b"\tline(7);\n\tmine();\n")


@pytest.fixture(scope="module")
def original() -> Original:
    return original_of({"mm/a.c": OLD}, {"mm/a.c": NEW})


def imported(data: bytes, files: dict[str, bytes]) -> Imported:
    def read(name: str) -> FileState | None:
        return FileState(files[name], 0o644) if name in files else None

    (patch,) = import_mails(mails_of(data, Path("mail")), read).patches
    assert isinstance(patch, Imported)
    return patch


@pytest.mark.parametrize("form", list(FORMS))
def test_a_form_keeps_the_letter(original: Original, form: str) -> None:
    data = FORMS[form](original, list(original.lines), random.Random(1))
    assert data is not None
    letter = mailinfo(imported(data, {"mm/a.c": OLD}).data)
    assert list(differing_letters(letter, original.letter, masked=False)) == []


@pytest.mark.parametrize("mark", ["> ", ">", "| ", "    "])
def test_a_message_is_taken_out_of_its_quoting(original: Original, mark: str) -> None:
    lines = [(mark + line).rstrip() for line in original.lines]
    data = FORMS["raw"](original, lines, random.Random(1))
    assert data is not None
    patch = imported(data, {"mm/a.c": OLD})
    assert list(differing_letters(mailinfo(patch.data), original.letter, masked=False)) == []
    assert re.search(rb"\n---\n mm/a\.c \| +1 \+\n", patch.data)


def test_entities_of_a_message_above_a_diff_that_has_none(original: Original) -> None:
    lines = [line.replace("<", "&lt;").replace(">", "&gt;") for line in original.lines]
    data = FORMS["raw"](original, lines, random.Random(1))
    assert data is not None
    patch = imported(data, {"mm/a.c": OLD})
    assert list(differing_letters(mailinfo(patch.data), original.letter, masked=False)) == []
    named = original_of({"mm/a.c": OLD}, {"mm/a.c": NEW}, message=("Write &lt; for <.", ""))
    data = FORMS["raw"](named, list(named.lines), random.Random(1))
    assert data is not None
    assert b"\nWrite &lt; for <.\n" in imported(data, {"mm/a.c": OLD}).data


def test_a_rename_whose_git_line_was_wrapped() -> None:
    lines = [
        *("Text.", "---", "diff --git a/mm/a.c", "b/mm/b.c", "similarity index 100%"),
        *("rename from mm/a.c", "rename to mm/b.c", "diff --git a/mm/c.c", "b/mm/c.c"),
        *("--- a/mm/c.c", "+++ b/mm/c.c", "@@ -1 +1 @@", "-one", "+two", ""),
    ]
    head = "From: Ada <ada@example.org>\nDate: now\nSubject: lamps\n\n"
    patch = imported((head + "\n".join(lines)).encode(), {"mm/a.c": OLD, "mm/c.c": b"one\n"})
    assert [(c.before, c.after) for c in patch.changes] == [
        ("mm/a.c", "mm/b.c"),
        ("mm/c.c", "mm/c.c"),
    ]


def test_a_message_that_looks_like_a_diff_ends_nowhere() -> None:
    """Git would take such lines for the header of a diff, and the message as ended."""
    original = original_of({"m": OLD}, {"m": NEW})
    lines = ["Text.", "", "--- lamps are no bulbs", "", "More.", *original.lines[3:]]
    head = "From: Ada <ada@example.org>\nDate: now\nSubject: lamps\n\n"
    patch = imported((head + "\n".join(lines) + "\n").encode(), {"m": OLD})
    assert b"\n --- lamps are no bulbs\n" in patch.data
    assert mailinfo(patch.data).message[-1] == "More."
    assert imported(patch.data, {"m": OLD}).data == patch.data
