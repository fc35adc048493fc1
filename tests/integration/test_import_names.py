"""Names of files in imported patches: long, odd, quoted, or of no kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.series.apply import FileState, apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file

from tests.support.imports import (
    mail,
    new,
    run,
    small_tree,
)
from tests.support.series_files import contents


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


LONG = "n" * 300


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (new("mm/a.c/x.c", "int x;"), "mm/a.c: is a file, so nothing can be below it"),
        (new("mm", "int x;"), "mm is a folder; patches are for files"),
        (new(f"mm/{LONG}.c", "int x;"), "the name of a file is too long: b/mm/nnn"),
        ([*new("mm/n", "x"), *new("mm/n/x", "x")], "mm/n is a file of this patch"),
        (
            [
                "diff --git a/mm/a.c b/Makefile",
                *("similarity index 100%", "rename from mm/a.c", "rename to Makefile"),
            ],
            "makes Makefile of mm/a.c, but there is a Makefile",
        ),
        (
            [
                "diff --git a/mm/none.c b/mm/b.c",
                *("similarity index 100%", "rename from mm/none.c", "rename to mm/b.c"),
            ],
            "changes mm/none.c, which is not in the tree",
        ),
    ],
    ids=["below-file", "folder", "long", "below-new", "onto", "from-nothing"],
)
def test_odd_names(
    tree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lines: list[str],
    said: str,
) -> None:
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_names_that_git_quotes(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["mm/\u00e4.c", 'mm/a"b\\c.c']
    (tree / names[0]).write_text("x\n")
    git = [r'/mm/\303\244.c"', r'/mm/a\"b\\c.c"']
    lines = [
        r' "mm/\303\244.c" | 2 +-',
        " 1 file changed, 1 insertion(+), 1 deletion(-)",
        "",
        *(f'diff --git "a{git[0]} "b{git[0]}', f'--- "a{git[0]}', f'+++ "b{git[0]}'),
        *("@@ -1 +1 @@", "-x", "+y"),
        *(f'diff --git "a{git[1]} "b{git[1]}', "new file mode 100644", "--- /dev/null"),
        *(f'+++ "b{git[1]}', "@@ -0,0 +1 @@", "+z"),
    ]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 0
    assert "diffstat names" not in capsys.readouterr().out
    patches = read_series_file(tmp_path / "out/series")
    made = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    assert made == {names[0]: FileState(b"y\n", 0o644), names[1]: FileState(b"z\n", 0o644)}
    assert run(tree, tmp_path / "again", *sorted((tmp_path / "out").glob("*.patch"))) == 0
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


@pytest.mark.parametrize("escape", [r"\t", r"\n", r"\344"])
def test_names_that_no_kernel_has(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], escape: str
) -> None:
    lines = ["--- /dev/null", f'+++ "b/mm/x{escape}.c"', "@@ -0,0 +1 @@", "+z"]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_earlier_patch_makes_a_file_where_a_folder_is_wanted(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for names in (("mm/n", "mm/n/x"), ("mm/n/x", "mm/n")):
        mails = [
            mail(tmp_path / str(at), f"[PATCH {at}/2] x", new(name, "x"))
            for at, name in enumerate(names, 1)
        ]
        assert run(tree, tmp_path / "out", *mails) == 2
        assert f"so there can be no file {names[1]}" in capsys.readouterr().err


def test_an_empty_file_is_made_and_deleted(tree: Path, tmp_path: Path) -> None:
    (tree / "mm/empty").write_text("")
    lines = [
        *("diff --git a/mm/fresh b/mm/fresh", "new file mode 100644"),
        "index 0000000..e69de29",
        *("diff --git a/mm/empty b/mm/empty", "deleted file mode 100644"),
        "index e69de29..0000000",
    ]
    one = mail(tmp_path / "1", "[PATCH] one", lines)
    assert run(tree, tmp_path / "out", one) == 0
    patches = read_series_file(tmp_path / "out/series")
    series = Series(revision="", base="", patches=patches)
    assert apply_series(series, read_tree(tree)).files == {
        "mm/empty": None,
        "mm/fresh": FileState(b"", 0o644),
    }
