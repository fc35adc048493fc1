"""Line ends in mails, and letters that archives cannot show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import archive_forms
from tests.support.archives import Clean
from tests.support.silent import (
    HEADERS,
    HOWTO,
    TREE,
    again,
    diff,
    made,
    note,
    odd_tree,
    run,
    unsure,
    write,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return odd_tree(tmp_path)


BATCH = "@@ -1,4 +1,5 @@\n one\n-two\n+TWO\n+new\n three\n four"


@pytest.mark.parametrize("crlf", [False, True])
def test_added_lines_end_as_those_of_the_file(
    tree: Path, capsys: pytest.CaptureFixture[str], crlf: bool
) -> None:
    mail = write(tree.parent / "m", diff("w.bat", BATCH))
    mail.write_bytes(mail.read_bytes().replace(b"\n", b"\r\n") if crlf else mail.read_bytes())
    assert unsure(capsys, tree, mail) == []
    assert made(tree)["w.bat"] == "one\r\nTWO\r\nnew\r\nthree\r\nfour\r\n"
    assert again(tree)


def test_in_a_file_with_both_line_ends_it_is_likely_only(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "w.bat").write_bytes(b"one\r\ntwo\r\nthree\nfour\n")
    mail = write(tree.parent / "m", diff("w.bat", BATCH))
    assert set(unsure(capsys, tree, mail)) == {"line ends of the file put back"}
    assert made(tree)["w.bat"] == "one\r\nTWO\r\nnew\r\nthree\nfour\n"
    assert again(tree)


@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_line_ends_that_a_mail_kept_are_the_patchs(tree: Path, encoding: str) -> None:
    lines = diff("w.bat", "@@ -1,2 +1,3 @@\n one\r\n-two\r\n+two\n+new\r")
    lines += ["--- /dev/null", "+++ b/n.bat", "@@ -0,0 +1,1 @@", "+x\r"]
    clean = Clean(HEADERS, lines)
    mail = tree.parent / "m"
    mail.write_bytes(archive_forms.as_mail(clean, lines, encoding=encoding))
    assert run(tree, mail) == 0
    assert made(tree)["w.bat"] == "one\r\ntwo\nnew\r\nthree\r\nfour\r\n"
    assert made(tree)["n.bat"] == "x\r\n"
    assert again(tree)


def test_line_ends_that_the_tree_has_not_are_taken_off(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = diff("plain.txt", "@@ -1,2 +1,3 @@\n line 1\r\n+new\r\n line 2\r")
    mail = write(tree.parent / "m", lines)
    assert unsure(capsys, tree, mail) == []
    assert made(tree)["plain.txt"] == TREE["plain.txt"].replace("line 2", "new\nline 2")
    written = (tree.parent / "out/0001-dim-the-lamps.patch").read_bytes()
    assert b"line ends of the file put back" in written
    assert again(tree)


def test_in_a_new_file_line_ends_are_then_likely_only(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = diff("plain.txt", "@@ -1,2 +1,3 @@\n line 1\r\n+new\r\n line 2\r")
    mail = write(tree.parent / "m", [*lines, *note("n.txt", "x\r")])
    assert unsure(capsys, tree, mail) == ["line ends of the file put back"]
    assert made(tree)["n.txt"] == "x\n"
    assert again(tree)


def test_line_ends_of_added_lines_only_are_left_and_named(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = diff("plain.txt", "@@ -1,2 +1,3 @@\n line 1\n+new\r\n line 2")
    assert len(unsure(capsys, tree, write(tree.parent / "m", lines))) == 1
    assert made(tree)["plain.txt"] == TREE["plain.txt"].replace("line 2", "new\r\nline 2")
    assert again(tree)


def test_a_change_of_nothing_but_line_ends_is_none_of_ours(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = write(tree.parent / "m", diff("w.bat", "@@ -1,3 +1,3 @@\n one\n-two\n+two\n three"))
    assert unsure(capsys, tree, mail) == ["line ends of the file put back"]
    assert made(tree)["w.bat"] == "one\r\ntwo\nthree\r\nfour\r\n"


@pytest.mark.parametrize("cr", ["", "\r"])
def test_lines_behind_the_last_one_without_an_end(tree: Path, cr: str) -> None:
    (tree / "unended.txt").write_bytes(TREE["unended.txt"].replace("\n", cr + "\n").encode())
    lines = diff("unended.txt", "@@ -1,3 +1,4 @@\n one\n two\n three\n+four")
    assert run(tree, write(tree.parent / "m", lines)) == 0
    assert made(tree)["unended.txt"] == f"one{cr}\ntwo{cr}\nthree{cr}\nfour{cr}\n"
    assert again(tree)


@pytest.mark.parametrize(
    ("hunk", "wanted"),
    [
        ("@@ -1,3 +1,4 @@\n one\n two\n+mid\n three", "one\ntwo\nmid\nthree"),
        ("@@ -1,3 +1,4 @@\n one\n two\n-three\n+three\n+four", "one\ntwo\nthree\nfour\n"),
        ("@@ -1,3 +1,2 @@\n one\n two\n-three", "one\ntwo\n"),
        ("@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n+four", "one\nTWO\nthree\nfour\n"),
    ],
    ids=["before", "instead", "removed", "both"],
)
def test_a_file_without_a_last_line_end(tree: Path, hunk: str, wanted: str) -> None:
    assert run(tree, write(tree.parent / "m", diff("unended.txt", hunk))) == 0
    assert made(tree)["unended.txt"] == wanted
    assert again(tree)


def test_lines_of_other_letters_are_not_all_the_same(tree: Path) -> None:
    (tree / "HOWTO").write_text("序\n語\n" * 20 + TREE["HOWTO"])
    lines = diff("HOWTO", HOWTO.format("新しい"))
    assert run(tree, write(tree.parent / "m", lines)) == 0
    assert made(tree)["HOWTO"].endswith("カーネル開発\n新しい\n方法です。\n\n終り\n")
