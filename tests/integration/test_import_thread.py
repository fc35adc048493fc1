"""What a thread says besides its patches: revisions, and what git and b4 write below them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.imports import change, run, small_tree

COMMIT, CHANGE = "0123456789abcdef0123456789abcdef01234567", "20080115-lamps-0123456789ab"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


def post(
    tree: Path, name: str, subject: str, diff: list[str], *below: str, answers: str = ""
) -> Path:
    """Write a mail; without a diff, it is a cover letter."""
    folder = tree.parent / "in"
    folder.mkdir(exist_ok=True)
    head = [
        "From: Ada <ada@example.org>",
        "Date: Tue, 15 Jan 2008 10:00:29 +0900",
        f"Subject: {subject}",
        f"Message-Id: <{name}@example.org>",
        *([f"In-Reply-To: <{answers}@example.org>"] if answers else []),
    ]
    file = folder / name
    file.write_text("\n".join([*head, "", "Text.", "---", *diff, *below, ""]))
    return file


def done(tree: Path, out: str = "out") -> dict[str, str]:
    folder = tree.parent / out
    return {name: (folder / name).read_text() for name in (folder / "series").read_text().split()}


def patch_id(text: str) -> str:
    argv = ["git", "patch-id", "--stable"]
    said = subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout
    return said.split()[0]


def test_what_a_series_needs_is_read_and_said(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = "f" * 40
    cover = post(
        tree,
        "0",
        "[PATCH 0/2] lamps",
        [],
        f"base-commit: {COMMIT}",
        f"change-id: {CHANGE}",
        "prerequisite-message-id: <7@example.org>",
    )
    signature = ["-- ", "2.39"]
    one = post(tree, "1", "[PATCH 1/2] one", change(10, "one"), *signature)
    two = post(
        tree,
        "2",
        "[PATCH 2/2] two",
        change(30, "two"),
        "",
        f"prerequisite-patch-id: {missing}",
        *signature,
    )
    assert run(tree, tree.parent / "out", cover, one, two) == 0
    said = capsys.readouterr().out
    assert f"base-commit: {COMMIT} (the tree is not compared with it)\n" in said
    assert f"change-id: {CHANGE}\n" in said
    assert "prerequisite-message-id: <7@example.org>\n" in said
    assert f"prerequisite-patch-id: {missing[:12]}: not among these patches" in said
    first, second = done(tree).values()
    assert f"\nX-Memnotify-Base-Commit: {COMMIT}\nX-Memnotify-Change-Id: {CHANGE}\n" in first
    assert f"\nX-Memnotify-Prerequisite-Patch-Id: {missing}\n" in second
    assert missing not in first
    files = [tree.parent / "out" / name for name in done(tree)]
    assert run(tree, tree.parent / "again", *files) == 0
    assert done(tree, "again") == done(tree)
    assert f"base-commit: {COMMIT}" in capsys.readouterr().out


def test_a_prerequisite_that_is_there_is_not_missing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = post(tree, "1", "[PATCH 1/2] one", change(10, "one"))
    assert run(tree, tree.parent / "alone", one) == 0
    (text,) = done(tree, "alone").values()
    needs = f"prerequisite-patch-id: {patch_id(text)}"
    two = post(tree, "2", "[PATCH 2/2] two", change(30, "two"), "", needs)
    capsys.readouterr()
    assert run(tree, tree.parent / "out", one, two) == 0
    assert "not among these patches" not in capsys.readouterr().out
    assert run(tree, tree.parent / "other", two) == 0
    assert "not among these patches" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    ["Change-Id: I0123456789", "base-commit: yes", "> base-commit: 0123456789", "change-id:"],
)
def test_other_lines_are_no_terms(
    tree: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    one = post(tree, "1", "[PATCH] one", change(10, "one"), "", line)
    assert run(tree, tree.parent / "out", one) == 0
    assert line not in capsys.readouterr().out


def test_the_newest_revision_of_a_thread_is_said(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = post(tree, "1", "[PATCH v3 1/1] one", change(10, "one"))
    newer = post(tree, "2", "[PATCH v5 0/2] lamps", [])
    reply = post(tree, "3", "Re: [PATCH v9 0/2] lamps", [])
    assert run(tree, tree.parent / "out", one, newer, reply) == 0
    assert "the newest revision is v5: “[PATCH v5 0/2] lamps”" in capsys.readouterr().out
    (text,) = done(tree).values()
    assert "\nX-Memnotify-Newest: v5\n" in text
    assert run(tree, tree.parent / "json", one, newer, reply, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert "the newest revision is v5: “[PATCH v5 0/2] lamps”" in row["thread"]
    assert run(tree, tree.parent / "one", one) == 0
    assert "newest revision" not in capsys.readouterr().out


def test_two_revisions_of_one_patch_are_told_apart(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = post(tree, "1", "[PATCH] lamps", change(10, "old"))
    new = post(tree, "2", "[PATCH v2] lamps", change(10, "new"))
    assert run(tree, tree.parent / "out", old, new) == 2
    said = capsys.readouterr().err
    assert "these are mails of several revisions of a series: v1, v2" in said
    assert "--revision v2 takes the last" in said
    for revision, word in (("v1", "old"), ("v2", "new")):
        assert run(tree, tree.parent / revision, old, new, "--revision", revision) == 0
        (text,) = done(tree, revision).values()
        assert f"+\t{word};\n" in text
    said = capsys.readouterr().out
    assert "the newest is v2" in said
    assert "the newest revision is v2: “[PATCH v2] lamps”" in said


@pytest.mark.parametrize("linked", [False, True])
def test_a_revision_may_be_in_the_title_of_the_cover_letter(tree: Path, linked: bool) -> None:
    old, new = "lamps v1", "lamps (v2)"
    mails = []
    for number, title in enumerate((old, new), 1):
        answers = f"{number}-0" if linked else ""
        mails.append(post(tree, f"{number}-0", f"[PATCH 0/{number}] {title}", []))
        for at in range(1, number + 1):
            diff = change(10 * at, f"n{number}")
            name, subject = f"{number}-{at}", f"[PATCH {at}/{number}] part"
            mails.append(post(tree, name, subject, diff, answers=answers))
    assert run(tree, tree.parent / "out", *mails, "--revision", "v2") == 0
    assert all("+\tn2;\n" in text for text in done(tree).values())
    assert len(done(tree)) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[PATCH 1/1] lamps", "[PATCH 1/1 take 2] lamps"),
        ("[PATCH 1/1] lamps", "[PATCH 1/1] lamps (try 2)"),
        ("[PATCH 1/1] lamps", "[PATCH 1/1 #2] lamps"),
        ("[PATCH 1/1] lamps", "[PATCH 1/1] lamps, version 2"),
        ("[PATCH 1/1] lamps", "[PATCHv2-1/1] lamps"),
        ("[PATCH 1/1] lamps", "[PATCH 1/1] lamps v2"),
        ("[PATCH 1/1] lamps", "[PATCH 1/1] lamps v2: more"),
        ("[PATCH 1/1] lamps", "[PATCH 1/1][rev 2] lamps"),
    ],
)
def test_a_revision_is_found_in_tags_and_titles(tree: Path, old: str, new: str) -> None:
    mails = [post(tree, "1", old, change(10, "old")), post(tree, "2", new, change(10, "new"))]
    assert run(tree, tree.parent / "out", *mails, "--revision", "v2") == 0
    (text,) = done(tree).values()
    assert "+\tnew;\n" in text


def test_a_mail_that_is_there_is_not_fetched(tree: Path) -> None:
    one = post(tree, "1", "[PATCH] one", change(10, "one"))
    link = "https://lore.kernel.org/all/1@example.org/T/#u"
    assert run(tree, tree.parent / "out", one, link) == 0
    assert len(done(tree)) == 1


def test_an_address_without_a_message_id_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "https://lkml.org/lkml/2008/1/15/66"
    assert run(tree, tree.parent / "out", address) == 2
    assert f"{address}: no Message-Id in this address (save the page" in capsys.readouterr().err
