"""`git am` takes every patch that is shipped, and every patch that an import writes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from memnotify.mailpatch.git_settings import NO_SETTINGS
from memnotify.mailpatch.ident import author_of, is_date
from memnotify.places import PATCHES
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file
from unidiff.patch import Hunk, PatchSet

from tests.support.imports import change, new, run, small_tree
from tests.support.ours import folders_of_patches

SHIPPED = list(folders_of_patches())
ODD = ["2008-01-15 10:00:29", "Mon Jan 14 2008 - 20:02:23 EST", "Tue, 15 Jan 2008 10:00:29 +0900"]


def git(folder: Path, *words: str | Path, status: int = 0) -> str:
    """Run git in a folder, and return what it prints."""
    names = {f"GIT_COMMITTER_{what}": "test" for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *map(str, words)],
        cwd=folder,
        env={**os.environ, **NO_SETTINGS, **names},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


class MadeUp:
    """A file that has what the hunks of a series expect where they expect it."""

    def __init__(self) -> None:
        self.own: list[str | None] = []  # the lines before the series; None: any
        self.now: list[int | str] = []  # those after the patches so far, by their number in `own`
        self.whole = False

    def expect(self, at: int, text: str) -> None:
        """Let a line be what a hunk expects; with fuzz, an earlier patch may disagree."""
        while len(self.now) <= at:
            self.now.append(len(self.own))
            self.own.append(None)
        place = self.now[at]
        if isinstance(place, int) and self.own[place] is None:
            self.own[place] = text

    def apply(self, hunk: Hunk) -> None:
        at = hunk.target_start - (hunk.target_length > 0)
        last = 0
        for line in hunk:
            last = last + 1 if line.is_context else 0
            if not line.is_added:
                self.expect(at, line.value)
            if line.is_added:
                self.now.insert(at, line.value)
            elif line.is_removed:
                del self.now[at]
            at += not line.is_removed
        self.whole = self.whole or last < 3

    def text(self) -> str:
        lines = [*self.own, *([] if self.whole else [None] * 20)]
        return "".join(f"/* {n} */\n" if line is None else line for n, line in enumerate(lines))


def made_up_tree(folder: Path, patches: list[Path]) -> Path:
    """Make a tree for a series that needs neither offset nor fuzz, except the series' own."""
    files: dict[str, MadeUp] = {}
    created: set[str] = set()
    for part in (part for patch in patches for part in PatchSet(patch.read_text())):
        name = part.target_file.partition("/")[2].split("\t")[0]
        if part.is_added_file:
            created.add(name)
        for hunk in part if name not in created else ():
            files.setdefault(name, MadeUp()).apply(hunk)
    for name, file in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(file.text())
    return folder


def committed(folder: Path) -> Path:
    """Make a repository of a folder, and commit what is in it."""
    git(folder, "init", "-q")
    git(folder, "add", "-f", ".")
    git(folder, "commit", "-q", "--author=Eve <eve@example.org>", "-m", "the tree")
    return folder


@pytest.mark.parametrize("folder", SHIPPED, ids=[str(f.relative_to(PATCHES)) for f in SHIPPED])
def test_git_am_takes_what_is_shipped(tmp_path: Path, folder: Path) -> None:
    patches = read_series_file(folder / "series")
    tree = made_up_tree(tmp_path, [patch.path for patch in patches])
    wanted = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    committed(tree)
    git(tree, "am", "-q", *(patch.path for patch in patches))
    assert git(tree, "rev-list", "--count", "HEAD").strip() == str(len(patches) + 1)
    found = read_tree(tree)
    assert wanted == {name: found(name) for name in wanted}
    authors = git(tree, "log", "--format=%an", f"-{len(patches)}").splitlines()
    first_lines = [patch.path.read_text().partition("\n")[0] for patch in patches]
    assert authors == [line[6:].partition(" <")[0] for line in reversed(first_lines)]


def imported(tmp_path: Path, head: list[str], message: list[str], diff: list[str]) -> str:
    """Import a mail, have git commit what was written, and return author, date and message."""
    tree = small_tree(tmp_path / "tree")
    mail = tmp_path / "m.eml"
    mail.write_text("\n".join([*head, "", *message, "---", *diff, ""]))
    assert run(tree, tmp_path / "out", mail) == 0
    (patch,) = read_series_file(tmp_path / "out/series")
    assert run(tree, tmp_path / "again", patch.path) == 0
    assert (tmp_path / "again" / patch.name).read_bytes() == patch.path.read_bytes()
    wanted = apply_series(Series(revision="", base="", patches=(patch,)), read_tree(tree)).files
    git(committed(tree), "am", "-q", patch.path)
    found = read_tree(tree)
    assert wanted == {name: found(name) for name in wanted}
    return git(tree, "log", "-1", "--format=%an|%ae|%ad|%B", "--date=raw")


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("Ada <ada@example.org>", "Ada", "ada@example.org"),
        ("ada@example.org (Ada)", "Ada", "ada@example.org"),
        ("ada@example.org", "ada@example.org", "ada@example.org"),
        ("Ada Lovelace", "Ada Lovelace", ""),
        ("Ada <ada () example ! org>", "Ada", "ada () example ! org"),
        ("ada () example ! org", "ada () example ! org", ""),
        ("Ada Lovelace <>", "Ada Lovelace", ""),
        ("<>", "unknown", ""),
        (None, "unknown", ""),
        ("A", "A", "A"),
        ("L" * 70, "L" * 70, "L" * 70),
        ("Ada > Bob", "Ada Bob", ""),
        ('"."', "unknown", ""),
    ],
)
def test_git_finds_an_author(tmp_path: Path, value: str | None, name: str, address: str) -> None:
    head = [f"Subject: lamps\nDate: {ODD[2]}", *([] if value is None else [f"From: {value}"])]
    said = imported(tmp_path, head, ["Text."], change(10, "x"))
    found = said.split("|")
    assert found[0] == name
    assert found[1] == address
    assert found[2] == "1200358829 +0900"


@pytest.mark.parametrize("date", [*ODD, "now", "", "yesterday", "15 Jan 1900 10:00:00 +0000"])
def test_git_finds_a_date_or_none(tmp_path: Path, date: str) -> None:
    head = ["From: Ada <ada@example.org>", f"Date: {date}", "Subject: lamps"]
    said = imported(tmp_path, head, ["Text."], change(10, "x")).split("|")
    assert (said[2].startswith("12003")) == (date in ODD)
    text = (tmp_path / "out/0001-lamps.patch").read_text()
    assert (f"\nX-Memnotify-Date: {date}\n" in text) == (bool(date) and date not in ODD)


@pytest.mark.parametrize(
    ("message", "author"),
    [
        (["From: Bob Babbage", "Date: now", "", "Text."], "Bob Babbage|"),
        (["From: Bob <bob@example.org>", "", "Text."], "Bob|bob@example.org"),
        (["Text.", "", "From: nobody", "Date: now"], "Ada|ada@example.org"),
        (["Text.", "From bob@example.org Mon Jan 14 20:02:23 2008", "more"], "Ada|ada@example.org"),
        (["Text.", "", "    --- a/x.c", "    +++ b/x.c", "    @@ -1 +1 @@"], "Ada|ada@example.org"),
        ([], "Ada|ada@example.org"),
    ],
)
def test_git_takes_any_message(tmp_path: Path, message: list[str], author: str) -> None:
    head = ["From: Ada <ada@example.org>", f"Date: {ODD[2]}", "Subject: [PATCH] lamps"]
    said = imported(tmp_path, head, message, change(10, "x"))
    assert said.startswith(author)
    assert said.partition("|12")[2].partition("|")[2].splitlines()[0] == "lamps"
    assert all(line in said for line in message if line[:5] not in ("From:", "Date:"))


def test_git_takes_a_patch_without_a_subject(tmp_path: Path) -> None:
    said = imported(tmp_path, ["From: Ada <a@example.org>"], [], new("mm/b.c", "int b;"))
    assert said.startswith("Ada|a@example.org")


def test_an_author_that_git_takes_stays() -> None:
    for value in ("Ada <a@example.org>", "a@example.org", "Ada <>", "Ada <ada () x ! org>"):
        assert author_of(value) == value
    assert is_date(ODD[0])
    assert not is_date("now")
