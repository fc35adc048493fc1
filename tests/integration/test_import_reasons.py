"""A reason of a refusal is true: of the mail, and of the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import archive_forms
from tests.support.archives import Clean
from tests.support.imports import HEAD, run, small_tree

NAMES = ["--- a/mm/a.c", "+++ b/mm/a.c"]
HUNK = [
    *("@@ -10,6 +10,8 @@", " \tline(9);", " \tline(10);", " \tline(11);", "+\tone();"),
    *("+\ttwo();", " \tline(12);", " \tline(13);", " \tline(14);"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


def eaten(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines]


def refused(tree: Path, capsys: pytest.CaptureFixture[str], lines: list[str]) -> str:
    file = tree.parent / "mail"
    file.write_bytes(archive_forms.as_mail(Clean(HEAD, lines), ["Text.", "---", *NAMES, *lines]))
    assert run(tree, tree.parent / "out", file, "--replace") == 2
    return capsys.readouterr().err


def replaced(tree: Path, old: str, new: str) -> None:
    file = tree / "mm/a.c"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("number", [11, 13, 14])
def test_a_mail_without_indentation_is_whole(
    tree: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """Another tree has a part of the hunk: that part is no hunk, and the mail lacks nothing."""
    replaced(tree, f"\tline({number});\n", "\tother();\n")
    said = refused(tree, capsys, eaten(HUNK))
    assert f"does not fit mm/a.c, which has no line 'line({number});'" in said


def test_what_lacks_lines_lacks_them_in_every_tree(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "ends in hunk 1 of 1 of mm/a.c: 4 of 8 lines" in refused(tree, capsys, HUNK[:5])
    replaced(tree, "\tline(11);\n", "\tline(11);\n\tone();\n\tother();\n")
    assert "lacks lines in hunk 1 of 1 of mm/a.c: 4 of 8" in refused(tree, capsys, HUNK[:5])


def test_removed_dashes_are_no_footer(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hunk = ["@@ -3,6 +3,4 @@", " \tline(2);", " \tline(3);", "--", "-", " \tline(4);"]
    said = refused(tree, capsys, eaten([*hunk, " \tline(7);"]))
    assert "does not fit mm/a.c, which has no line '-'" in said


def test_half_of_a_hunk_is_not_the_hunk_in_reverse(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replaced(tree, "\tline(12);\n", "\tone();\n\ttwo();\n\tline(12);\n")
    assert "is in mm/a.c already" in refused(tree, capsys, eaten(HUNK))
    replaced(tree, "\tline(14);\n", "\n\tother();\n")
    assert "which has no line 'line(14);'" in refused(tree, capsys, eaten(HUNK))


def test_a_mail_may_end_with_the_header_of_a_hunk(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the mail ends in hunk 1 of 1 of mm/a.c: 0 of 8" in refused(tree, capsys, HUNK[:1])
    file = tree.parent / "cut"
    file.write_bytes("\n".join(["Subject: x", "", "Text.", "---", *NAMES, HUNK[0]]).encode())
    assert run(tree, tree.parent / "out", file, "--replace") == 2
    assert "the mail ends in hunk 1 of 1 of mm/a.c: 0 of 8" in capsys.readouterr().err
