"""Mails made of v4's patches, as somebody posted them, and the data on file about them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.places import PATCHES
from unidiff.patch import PatchSet

from tests.support import archive_forms
from tests.support.archives import Clean
from tests.support.imports import V4, made_up_tree

SEED = PATCHES / "mem_notify/v4/original/3-of-5.txt"
MASKED = "056c880fcbfe9513755da4025cf0309c7aea19ef6cd758d70b02a7223c33bd43"
AUTHOR = "Ada <ada@example.org>"
NUMBERS = range(1, 6)
Capture = pytest.CaptureFixture[str]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def expected(lines: list[str], *, without_addresses: bool = False) -> str:
    """Return the digest by the rule in originals.toml, computed in a different way."""
    text = ""
    for part in PatchSet("\n".join(lines[begin(lines) :]) + "\n"):
        for line in (line for hunk in part for line in hunk if line.line_type in "+-"):
            text += line.line_type + re.sub(r"\s", "", line.value)
    text = re.sub(r"<[^<>]*@[^<>]*>", "", text) if without_addresses else text
    return hashlib.sha256(text.encode()).hexdigest()


def begin(lines: list[str]) -> int:
    return next(at for at, line in enumerate(lines) if line.startswith(("diff --git", "--- ")))


class Post:
    """Five mails made of v4's patches for 2.6.24, and the data on file about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        patches = sorted(V4.glob("*.patch"))
        self.tree = made_up_tree(folder / "tree", patches)
        self.mails: dict[int, Clean] = {}
        entries = [
            '[revision.v4]\nbases = ["2.6.24-rc6-mm1", "2.6.24"]\n'
            'posted_for = "2.6.24-rc6-mm1"\nours = ["0006-build-fix-include-mem_notify.h.patch"]\n'
        ]
        for number in NUMBERS:
            clean = Clean.of(patches[number - 1].read_text().replace("xxxxxxxxx>", "example.org>"))
            headers = {
                "From": AUTHOR,
                "Date": f"Tue, 15 Jan 2008 10:0{number}:00 +0900",
                "Subject": f"[RFC][PATCH {number}/5] lamp {number}",
                "Message-Id": f"<2008.{number}.ADA@example.org>",
            }
            self.mails[number] = Clean(headers, clean.lines)
            entries.append(
                f'[[mail]]\nrevision = "v4"\npart = {number}\nof = 5\n'
                f'subject = "{headers["Subject"]}"\nmessage_id = "2008.{number}.ADA@example.org"\n'
                f'date = "2008-01-15 10:0{number}:00 +0900"\ndigest = "{expected(clean.lines)}"\n'
            )
            if number == 3:
                bare = expected(clean.lines, without_addresses=True)
                entries[-1] += f'digest_without_addresses = "{bare}"\n'
        self.file = folder / "originals.toml"
        self.file.write_text("\n".join(entries))

    def mail(self, number: int, change: Callable[[str], str] = lambda line: line) -> bytes:
        clean = self.mails[number]
        return archive_forms.as_mail(clean, [change(line) for line in clean.lines])

    def box(self, *mails: bytes, name: str = "box.mbox") -> Path:
        file = self.folder / name
        file.write_bytes(archive_forms.as_mbox(list(mails)))
        return file

    def run(self, *words: str | Path, tree: bool = True) -> int:
        given = ["--tree", str(self.tree)] if tree else []
        return main(["series", "originals", "v4", *map(str, words), *given])

    def whole(self) -> Path:
        return self.box(*map(self.mail, NUMBERS))


def masked(line: str) -> str:
    return line.replace("@example.org>", "@xxxxxxxxxxx>")


def altered(line: str) -> str:
    return line.replace("wake_up_locked_nr", "wake_up_lamps_nr")


def doubled(lines: list[str]) -> str:
    text = "".join(
        line.line_type + re.sub(r"\s", "", line.value)
        for part in PatchSet("\n".join(lines[begin(lines) :]) + "\n")
        for hunk in part
        for line in hunk
        if line.line_type in "+-"
    )
    return sha(text + text)
