"""How a series fits a tree: nothing is hidden behind the first patch that fails."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.places import HOME
from memnotify.report.fit import fit_markdown, fit_rows
from memnotify.series import registered
from memnotify.series.apply import FileState
from memnotify.series.fit import Failed, SeriesFit, chosen, fit_series, fit_trees, tree_names
from memnotify.series.quilt import Patch, Series, load_series

from tests.support.madetree import no_file

LINES = [f"line {number}" for number in range(1, 61)]


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def changed(number: int, file: str = "a.c", *, what: str | None = None) -> str:
    """Return a hunk that changes one numbered line."""
    old = what or f"line {number}"
    return (
        f"@@ -{number - 3},7 +{number - 3},7 @@\n"
        + "".join(f" line {n}\n" for n in range(number - 3, number))
        + f"-{old}\n+new {number}\n"
        + "".join(f" line {n}\n" for n in range(number + 1, number + 4))
    )


def head(file: str) -> str:
    return f"--- a/{file}\n+++ b/{file}\n"


def series(folder: Path, **patches: str) -> Series:
    paths = []
    for name, diff in patches.items():
        path = folder / f"{name}.patch"
        path.write_text(f"A patch.\n---\n{diff}")
        paths.append(Patch(path=path, sha256=name))
    return Series(revision="v9", base="6.1", patches=tuple(paths))


def files(**texts: str) -> dict[str, FileState]:
    return {name.replace("_", "."): FileState(data.encode(), 0o644) for name, data in texts.items()}


def test_a_series_that_fits_and_one_that_moved(tmp_path: Path) -> None:
    one = series(tmp_path, first=head("a.c") + changed(20), second=head("a.c") + changed(40))
    exact = fit_series(one, files(a_c=text(*LINES)).get)
    assert [(fit.outcome, fit.hunks, fit.shifted) for fit in exact] == [("applies", 1, ())] * 2
    moved = fit_series(one, files(a_c=text("x", "y", *LINES)).get)
    assert [fit.outcome for fit in moved] == ["offset"] * 2
    assert [hunk.offset for fit in moved for hunk in fit.shifted] == [2, 2]


def test_what_fits_of_a_patch_stays_and_the_next_is_judged_by_itself(tmp_path: Path) -> None:
    one = series(
        tmp_path,
        first=head("a.c") + changed(10) + changed(30),
        # The second needs the result of the first one's hunk that fits; the third is independent.
        second=head("a.c") + changed(10, what="new 10").replace("+new 10", "+newer"),
        third=head("a.c") + changed(50),
    )
    tree = files(a_c=text(*LINES[:29], "another", *LINES[30:]))
    fits = fit_series(one, tree.get)
    assert [fit.outcome for fit in fits] == ["fails", "applies", "applies"]
    assert fits[0].failed == (Failed(file="a.c", hunks=(2,), of=2),)
    assert fits[0].hunks == 2


@pytest.mark.parametrize(
    ("diff", "tree"),
    [
        (head("b.c") + changed(10), {}),
        ("--- /dev/null\n+++ b/b.c\n@@ -0,0 +1,1 @@\n+x\n", files(b_c="y\n")),
        (head("b.c") + changed(10), files(b_c=text(*LINES[:9], "new 10", *LINES[10:]))),
    ],
    ids=["is not there", "is there too soon", "is patched"],
)
def test_a_file_that_patch_refuses_whole_fails_with_all_hunks(
    tmp_path: Path, diff: str, tree: dict[str, FileState]
) -> None:
    one = series(tmp_path, first=diff + head("a.c") + changed(20))
    whole = {"a.c": FileState(text(*LINES).encode(), 0o644), **tree}
    (fit,) = fit_series(one, whole.get)
    assert fit.failed == (Failed(file="b.c", hunks=(1,), of=1),)
    assert fit.hunks == 2


def test_letters_of_any_charset_fit_beside_a_hunk_that_does_not(tmp_path: Path) -> None:
    one = series(tmp_path, first="")
    old = [*LINES[:19], "caf\xe9", *LINES[20:]]
    diff = head("a.c") + changed(20, what="caf\xe9") + head("b.c") + changed(10)
    one.patches[0].path.write_bytes(f"A patch.\n---\n{diff}".encode("latin-1"))
    tree = {
        "a.c": FileState(text(*old).encode("latin-1"), 0o644),
        "b.c": FileState(b"another\n", 0o644),
    }
    (fit,) = fit_series(one, tree.get)
    assert fit.failed == (Failed(file="b.c", hunks=(1,), of=1),)


def test_fuzz_is_what_the_series_allows(tmp_path: Path) -> None:
    one = series(tmp_path, first=head("a.c") + changed(20))
    tree = files(a_c=text(*LINES[:16], "other", *LINES[17:]))
    assert fit_series(one, tree.get)[0].outcome == "fails"
    patch = Patch(path=one.patches[0].path, sha256="", fuzz=1)
    (fit,) = fit_series(Series(revision="v9", base="6.1", patches=(patch,)), tree.get)
    assert (fit.outcome, fit.shifted[0].fuzz) == ("offset", 1)


def test_what_fits_beside_a_hunk_that_does_not_is_told_of_all_files(tmp_path: Path) -> None:
    gone = "--- a/d.c\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n"
    made = "--- /dev/null\n+++ b/d.c\n@@ -0,0 +1,1 @@\n+y\n"
    diff = head("a.c") + changed(20) + head("b.c") + changed(20) + gone + head("e.c") + changed(9)
    one = series(tmp_path, first=diff, second=made)
    patches = tuple(replace(patch, fuzz=1) for patch in one.patches)
    moved = text("x", *LINES[:16], "other", *LINES[17:])
    tree = files(a_c=moved, b_c=moved, d_c="x\n", e_c="another\n")
    fits = fit_series(replace(one, patches=patches), tree.get)
    assert [fit.outcome for fit in fits] == ["fails", "applies"]
    assert fits[0].failed == (Failed(file="e.c", hunks=(1,), of=1),)
    assert [(hunk.file, hunk.offset, hunk.fuzz) for hunk in fits[0].shifted] == [
        ("a.c", 1, 1),
        ("b.c", 1, 1),
    ]


def test_a_patch_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no diff"):
        fit_series(series(tmp_path, first="words\n"), no_file)


def a_tree(folder: Path, version: str, a_c: str) -> Path:
    folder.mkdir()
    numbers = dict(zip(("VERSION", "PATCHLEVEL", "SUBLEVEL"), version.split("."), strict=True))
    (folder / "Makefile").write_text("".join(f"{k} = {v}\n" for k, v in numbers.items()))
    (folder / "a.c").write_text(a_c)
    return folder


def fitted(tmp_path: Path) -> list[SeriesFit]:
    one = series(
        tmp_path,
        **{
            "0001-a": head("a.c") + changed(10) + changed(20) + changed(30),
            "0002-b": head("a.c") + changed(50),
        },
    )
    broken = text("x", *LINES[:9], "other", *LINES[10:29], "other", *LINES[30:])
    trees = [a_tree(tmp_path / name, f"2.6.{n}", a_c) for name, n, a_c in (
        ("good", 24, text(*LINES)), ("moved", 25, text("x", *LINES)), ("broken", 26, broken)
    )]  # fmt: skip
    return fit_trees([one], trees)


def test_as_markdown(tmp_path: Path) -> None:
    fits = fitted(tmp_path)
    assert fit_markdown(fits).splitlines() == [
        "| series | 2.6.24 | 2.6.25 | 2.6.26 |",
        "| --- | --- | --- | --- |",
        "| `v9/6.1` | applies | applies, 4 of 4 hunks moved | fails: `0001` |",
        "",
        "| `v9/6.1` | 2.6.24 | 2.6.25 | 2.6.26 |",
        "| --- | --- | --- | --- |",
        "| `0001-a.patch` | applies | moves: `a.c` +1 | fails: `a.c` 1, 3 of 3; moves: `a.c` +1 |",
        "| `0002-b.patch` | applies | moves: `a.c` +1 | moves: `a.c` +1 |",
    ]


def test_as_rows(tmp_path: Path) -> None:
    rows = fit_rows(fitted(tmp_path))
    assert [(row["tree"], row["patch"], row["outcome"]) for row in rows] == [
        ("2.6.24", "0001-a.patch", "applies"),
        ("2.6.24", "0002-b.patch", "applies"),
        ("2.6.25", "0001-a.patch", "offset"),
        ("2.6.25", "0002-b.patch", "offset"),
        ("2.6.26", "0001-a.patch", "fails"),
        ("2.6.26", "0002-b.patch", "offset"),
    ]
    assert rows[4]["failed"] == [{"file": "a.c", "hunks": [1, 3], "of": 3}]
    assert rows[5]["shifted"] == [{"file": "a.c", "hunk": 1, "line": 48, "offset": 1, "fuzz": 0}]


def test_trees_of_one_version_go_by_their_folders(tmp_path: Path) -> None:
    trees = [a_tree(tmp_path / name, "2.6.24", "") for name in ("one", "two")]
    other = a_tree(tmp_path / "three", "2.6.25", "")
    assert tree_names([*trees, other]) == (str(trees[0]), str(trees[1]), "2.6.25")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = a_tree(tmp_path / "tree", "2.6.24", "")
    words = ["series", "trees", str(tree), "--series", "v4", "--base", "2.6.24"]
    assert main([*words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["series"] for row in rows} == {"v4/2.6.24"}
    assert {row["outcome"] for row in rows} == {"fails"}
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("| series | 2.6.24 |")


def test_series_that_a_user_has_registered_are_tried_if_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registered, "root", lambda: tmp_path)
    folder = tmp_path / "v4-altered" / "2.6.24"
    folder.mkdir(parents=True)
    (folder / "series").write_text("a.patch\n")
    registered.write_facts(folder, revision="v4", mails=[], ours=[])
    names = [name for name, _ in chosen([], [])]
    assert "v4" in names and "v4-altered" not in names
    of_base = chosen([], ["2.6.24"])
    assert of_base
    assert {base for _, base in of_base} == {"2.6.24"}
    assert "v4-altered" not in [name for name, _ in of_base]
    assert chosen(["v4-altered"], []) == [("v4-altered", "2.6.24")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["TREE", "--series", "v44"], "there is no series v44"),
        (["TREE", "--base", "2.4"], "there is no base 2.4 (there are: 2.6.24, 2.6.24-rc6"),
        (["TREE/a.c"], "not a kernel source tree"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    tree = a_tree(tmp_path / "tree", "2.6.24", "")
    assert main(["series", "trees", *(word.replace("TREE", str(tree)) for word in words)]) == 2
    assert said in capsys.readouterr().err


def test_the_page_of_the_documentation_has_the_patches_that_there_are() -> None:
    page = (HOME / "docs/reference/trees.md").read_text()
    tables: dict[str, list[str]] = {}
    for line in page.splitlines():
        if found := re.match(r"\| `([^`/]+/[^`]+)` \| 2\.6", line):
            tables[found[1]] = []
        elif found := re.match(r"\| `(\d{4}-[^`]+\.patch)` \|", line):
            tables[list(tables)[-1]].append(found[1])
    assert "v4/2.6.24-rc6-mm1" in tables
    for name, patches in tables.items():
        revision, _, base = name.partition("/")
        assert patches == [patch.name for patch in load_series(revision, base).patches], name
