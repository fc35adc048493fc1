"""What an import must not change, drop or leave out silently."""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path

import pytest

from tests.support import archives
from tests.support.silent import (
    FIRST,
    LOCK,
    OTHER,
    SECOND,
    SIGNED,
    TREE,
    again,
    diff,
    made,
    odd_tree,
    run,
    unsure,
    write,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return odd_tree(tmp_path)


# --- added lines after a hunk's header


@pytest.mark.parametrize("old", [3, 4])
def test_no_added_line_is_taken_for_the_rest_of_a_header(tree: Path, old: int) -> None:
    lines = diff(
        "mm/a.c",
        f"@@ -6,{old} +6,{old + 2} @@ int f0(int a)",
        "+\tlock(b);\n+\tb = b + 2;\n+\tunlock(b);\n \tif (b > 3)\n \t\treturn 0;\n \treturn b;",
    )
    lines += [" }"] if old == 4 else []
    assert run(tree, write(tree.parent / "m", lines)) == 0
    wanted = "\tb = a + 0;\n\tlock(b);\n\tb = b + 2;\n\tunlock(b);\n\tif (b > 3)\n"
    assert wanted in made(tree)["mm/a.c"]


# --- lost lines

STAT = [
    " mm/a.c | {} +++--",
    " mm/b.c | 2 +-",
    " 2 files changed, {} insertions(+), {} deletions(-)",
]


def locked(
    count: int, added: str, *, second: bool, stat: int | None
) -> tuple[list[str], list[str]]:
    """Return a patch for two files, and its head; the first hunk counts `count` new lines."""
    hunks = [FIRST.format(count, added), *([SECOND] if second else [])]
    head = list(SIGNED)
    if stat is not None:
        total = STAT[2].format(stat + 1 - second, 1 + second)
        head += [STAT[0].format(stat), STAT[1], total, ""]
    return diff("mm/a.c", *hunks) + diff("mm/b.c", OTHER), head


@pytest.mark.parametrize(("second", "stat"), [(True, None), (False, 3), (True, 5)])
def test_a_line_lost_in_the_middle_is_no_wrong_count(
    tree: Path, capsys: pytest.CaptureFixture[str], second: bool, stat: int | None
) -> None:
    less = LOCK.replace("+\tunlock(b);\n", "")
    lines, head = locked(8, LOCK, second=second, stat=stat)
    assert unsure(capsys, tree, write(tree.parent / "whole", lines, head=head)) == []
    lines, head = locked(8, less, second=second, stat=stat)
    assert run(tree, write(tree.parent / "m", lines, head=head), "--replace") == 2
    said = capsys.readouterr().err
    assert "the mail has not the lines that the header of hunk 1 of " in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("second", "stat", "sure"),
    [
        (True, None, True),
        (False, 3, True),
        (True, 5, True),
        (False, None, False),
        (False, 9, False),
    ],
)
@pytest.mark.parametrize("count", [7, 10])
def test_a_corrected_count_is_sure_if_something_agrees(
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    second: bool,
    stat: int | None,
    sure: bool,
    count: int,
) -> None:
    lines, head = locked(count, LOCK, second=second, stat=stat)
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines, head=head))
    assert ("line counts of a hunk corrected" in kinds) is not sure
    assert "\tlock(b);\n\tb = b + 2;\n\tunlock(b);\n" in made(tree)["mm/a.c"]


def test_the_next_hunk_and_the_diffstat_may_disagree(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, head = locked(9, LOCK, second=True, stat=6)
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines, head=head))
    assert kinds == ["line counts of a hunk corrected"]


@pytest.mark.parametrize(("second", "stat"), [(True, None), (False, 4)])
def test_a_line_is_lost_and_the_header_counts_so(
    tree: Path, capsys: pytest.CaptureFixture[str], second: bool, stat: int | None
) -> None:
    less = LOCK.replace("+\tunlock(b);\n", "")
    lines, head = locked(7, less, second=second, stat=stat)
    lines = [line.replace("-24,4 +27,4", "-24,4 +28,4") for line in lines]
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines, head=head))
    assert kinds == ["other numbers of lines in the diffstat, or between hunks"]
    assert again(tree)


def test_many_lines_less_are_refused_everywhere(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, head = locked(48, LOCK, second=True, stat=None)
    assert run(tree, write(tree.parent / "m", lines, head=head)) == 2
    assert "lacks lines in hunk 1 of 2 of mm/a.c: 8 of 48 lines are" in capsys.readouterr().err


# --- what git's index line proves

TOLD = (
    '@@ -1,6 +1,8 @@\n #include <stdio.h>\n \n const char *s =\n-\t"x";\n+\t"one:  %d\\n"\n'
    '+\t"another:   %d\\n"\n+\t"one more: %d\\n";\n \n int z;'
)


def blob(text: str) -> str:
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()[:7]


def collapsed(lines: list[str]) -> list[str]:
    return archives.collapsed(lines, random.Random(1))


def stated(name: str, wanted: str, hunk: str) -> list[str]:
    old = TREE[name]
    return [
        f"diff --git a/{name} b/{name}",
        f"index {blob(old)}..{blob(wanted)} 100644",
        *diff(name, hunk),
    ]


WANTED = TREE["mm/s.c"].replace(
    '\t"x";\n', '\t"one:  %d\\n"\n\t"another:   %d\\n"\n\t"one more: %d\\n";\n'
)


def test_blanks_in_strings_are_had_again_by_the_index_line(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = write(tree.parent / "m", collapsed(stated("mm/s.c", WANTED, TOLD)))
    assert unsure(capsys, tree, mail) == []
    assert made(tree)["mm/s.c"] == WANTED
    patch = (tree.parent / "out/0001-dim-the-lamps.patch").read_text()
    assert "2 × blanks in strings put back (confirmed by the index line): mm/s.c 2\n" in patch
    assert again(tree)


def test_an_index_line_that_nothing_fits_is_reported(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = collapsed(stated("mm/s.c", WANTED + "int more;\n", TOLD))
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines))
    assert "not the file that git's index line states" in kinds
    assert again(tree)


def test_an_index_line_of_another_tree_says_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = stated("mm/s.c", WANTED, TOLD)
    lines[1] = lines[1].replace(blob(TREE["mm/s.c"]), "1234567")
    assert unsure(capsys, tree, write(tree.parent / "m", lines)) == []


def test_a_corrected_count_is_sure_if_the_index_line_agrees(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = stated("mm/s.c", WANTED, TOLD.replace("+1,8", "+1,9"))
    assert unsure(capsys, tree, write(tree.parent / "m", lines)) == []
    assert made(tree)["mm/s.c"] == WANTED


def test_a_long_search_for_blanks_ends_with_what_is_likely(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join("many words, none of them wide" for _ in range(3))
    hunk = TOLD.replace("another:   %d", words).replace("one:  %d", "one: %d")
    lines = []
    for number in range(12):
        (tree / f"mm/s{number}.c").write_text(TREE["mm/s.c"])
        part = collapsed(stated("mm/s.c", WANTED, hunk))
        lines += [line.replace("mm/s.c", f"mm/s{number}.c") for line in part]
    started = time.process_time()
    kinds = unsure(capsys, tree, write(tree.parent / "m", lines))
    assert kinds.count("not the file that git's index line states") == 12
    assert time.process_time() - started < 15
