"""Diffs in other spellings: taken whole, or refused with what is true of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file

from tests.support.imports import change, mail, new, run, small_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = small_tree(tmp_path / "tree")
    (tree / "CREDITS").write_text("Ada\nBob\n")
    (tree / "fs").mkdir()
    (tree / "fs/b.c").write_text("".join(f"\tb({n});\n" for n in range(20)))
    return tree


def attempt(tree: Path, lines: list[str]) -> int:
    file = mail(tree.parent / "m.eml", "[PATCH] lamps", ["Text.", "---", *lines])
    return run(tree, tree.parent / "out", file)


def made(tree: Path) -> dict[str, str]:
    patches = read_series_file(tree.parent / "out/series")
    files = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    return {name: state.data.decode() for name, state in files.items() if state is not None}


OTHER = ["@@ -1,2 +1,3 @@", " \tb(0);", "+\tx;", " \tb(1);"]
CONTEXT = ["*** a/mm/a.c", "--- b/mm/a.c", "*" * 15, "*** 9,10 ****", "--- 9,11 ----", "+ \tx;"]
COMBINED = ["diff --cc mm/a.c", "index 1,2..3", *CONTEXT[1:2], "@@@ -1 -1 +1,2 @@@"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (CONTEXT, "a context diff, as diff -c makes it (make it with diff -u"),
        ([*change(10, "x"), *CONTEXT], "a context diff, as diff -c makes it"),
        (
            [*CONTEXT[:2], f"{'*' * 15} static int lamp(void)", *CONTEXT[3:]],
            "a context diff, as diff -c makes it (make it with diff -u",
        ),
        ([f"  {line}" for line in CONTEXT], "a context diff, as diff -c makes it"),
        ([f"> {line}" for line in CONTEXT], "a context diff, as diff -c makes it"),
        (
            [
                "*** /dev/null",
                "--- b/mm/new.c",
                "*" * 15,
                "*** 0 ****",
                "--- 1,2 ----",
                "+ x",
                "+ y",
            ],
            "a context diff, as diff -c makes it",
        ),
        (COMBINED, "a combined diff of a merge (no program can apply it"),
        (["10a11", "> \tx;"], "a diff without context (make it with diff -u"),
        (["diff --git a/l b/l", "new file mode 120000", *new("l", "x")], "l is a symbolic link"),
        (["diff --git a/l b/l", "new file mode 160000", *new("l", "x")], "l is a submodule"),
        (
            ["diff --git a/mm/a.c b/mm/a.c", "old mode 100644", "new mode 100664"],
            "mm/a.c: new mode 100664 (only plain files",
        ),
    ],
)
def test_what_is_no_plain_unified_diff_is_refused_for_what_it_is(
    tree: Path, capsys: pytest.CaptureFixture[str], lines: list[str], said: str
) -> None:
    assert attempt(tree, lines) == 2
    message = capsys.readouterr().err
    assert said in message
    assert "m.eml:" in message


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["index 1234567..2345678 100644"], "a diff of which the --- line"),
        (["new file mode 100644", "index 0000000..1234567"], "the hunks of b/CREDITS are lost"),
        (["old mode 100644", "new mode 100755", "index 1234567..2345678"], "hunks of b/CREDITS"),
        (
            ["similarity index 80%", "rename from CREDITS", "rename to THANKS"],
            "the hunks of THANKS are lost",
        ),
        (["strange"], "a diff of which the --- line"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_a_header_of_git_whose_hunks_are_lost_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str], header: list[str], said: str, last: bool
) -> None:
    lost = ["diff --git a/CREDITS b/CREDITS", *header]
    lines = [*change(10, "x"), *lost] if last else [*lost, *change(10, "x")]
    assert attempt(tree, lines) == 2
    message = capsys.readouterr().err
    assert said in message or (last and "the mail ends in the header of" in message)


def test_a_rename_as_git_wrote_it_in_2005(tree: Path) -> None:
    lines = ["diff --git a/CREDITS b/THANKS", "rename old CREDITS", "rename new THANKS"]
    assert attempt(tree, lines) == 0
    text = (tree.parent / "out/0001-lamps.patch").read_text()
    assert "\nrename from CREDITS\nrename to THANKS\n" in text
    assert made(tree) == {"THANKS": "Ada\nBob\n"}


@pytest.mark.parametrize(
    ("old", "neu"),
    [
        ("linux-2.6.24/", ""),
        ("", "linux-new/"),
        ("/usr/src/linux-2.6.24/", "mm.new/"),
        ("a/b/c/", "d/"),
    ],
)
def test_each_side_may_have_a_prefix_of_its_own(tree: Path, old: str, neu: str) -> None:
    lines = [f"--- {old}mm/a.c", f"+++ {neu}mm/a.c", *change(10, "x")[2:]]
    assert attempt(tree, lines) == 0
    assert list(made(tree)) == ["mm/a.c"]


def test_each_diff_may_have_a_prefix_of_its_own(tree: Path) -> None:
    assert attempt(tree, [*change(10, "x"), "--- x/y/fs/b.c", "+++ x/z/fs/b.c", *OTHER]) == 0
    assert {"mm/a.c", "fs/b.c"} == made(tree).keys()


def test_a_usual_prefix_is_all_that_is_taken_off(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["diff --git a/more/include/x.h b/more/include/x.h", "new file mode 100644"]
    assert attempt(tree, [*git, *new("more/include/x.h", "int x;")]) == 0
    assert made(tree) == {"more/include/x.h": "int x;\n"}
    lines = [line.replace("mm/a.c", "more/Makefile") for line in change(1, "x")[:2]]
    assert attempt(tree, [*lines, "@@ -1 +1,2 @@", " VERSION = 2", "+X = 1"]) == 2
    assert "changes more/Makefile, which is not in the tree" in capsys.readouterr().err
