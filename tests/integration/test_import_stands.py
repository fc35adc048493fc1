"""What `git apply` takes as it stands is taken as it stands, and what it refuses is never sure."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file

from tests.support.imports import change, new, run, small_tree

HEAD = (
    "From: Ada <ada@example.org>\nDate: Tue, 15 Jan 2008 10:00:29 +0900\nSubject: [PATCH] lamps\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


def attempt(tree: Path, lines: list[str], *options: str) -> int:
    file = tree.parent / "m.eml"
    file.write_text("\n".join([HEAD, "Text.", "---", *lines]) + "\n")
    return run(tree, tree.parent / "out", file, *options)


def made(tree: Path) -> dict[str, str]:
    patches = read_series_file(tree.parent / "out/series")
    files = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    return {name: state.data.decode() for name, state in files.items() if state is not None}


def git_apply(tree: Path, lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    subprocess.run(["git", "apply", "-"], cwd=tree, input=text.encode(), check=True)


def blob(text: str) -> str:
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()[:7]


TABLE = ["level:  meaning", "-----   -------", "low:    free pages", "", "  zone:   pages"]
SCRIPT = ["def f():", "        return 1", "", "class A:", "    x = 1"]
FLUSH = ["#ifndef LAMP", "#define LAMP 1", "/*", " * Told.", " */", "#define ON  (LAMP)", "#endif"]


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Documentation/l.txt", TABLE),
        ("scripts/l.py", SCRIPT),
        ("include/linux/l.h", FLUSH),
        ("drivers/Kconfig.l", ["config L", '        bool "L"', "        help", "          Tell."]),
    ],
)
def test_a_sound_mail_of_new_files_keeps_its_blanks(
    tree: Path, capsys: pytest.CaptureFixture[str], name: str, text: list[str], index: bool
) -> None:
    whole = "\n".join(text) + "\n"
    head = [f"diff --git a/{name} b/{name}", "new file mode 100644"]
    head += [f"index 0000000..{blob(whole)}"] if index else []
    assert attempt(tree, [*head, *new(name, *text)]) == 0
    assert made(tree) == {name: whole}
    said = capsys.readouterr().out
    assert "likely" not in said
    assert "put back" not in said


def test_blanks_that_may_have_been_tabs_are_kept_and_doubted(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ["int f(void)", "{", "        return 1;", "}"]
    assert attempt(tree, new("mm/w.c", *text)) == 0
    assert made(tree) == {"mm/w.c": "\n".join(text) + "\n"}
    assert "[likely]" in capsys.readouterr().out


def test_the_index_line_wins_over_what_the_mail_seems_to_show(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "mm/n.c").write_text("int a;\n")
    text = ["int f(void)", "{", "return 1;", "}"]
    whole = "\n".join(text) + "\n"
    head = ["diff --git a/mm/w.c b/mm/w.c", "new file mode 100644", f"index 0000000..{blob(whole)}"]
    assert attempt(tree, [*head, *new("mm/w.c", *text)]) == 0
    assert made(tree) == {"mm/w.c": whole}
    assert "[likely]" not in capsys.readouterr().out


def test_a_tree_that_has_a_patch_is_said_to_have_it(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*change(10, "one"), "@@ -30,2 +31,3 @@", " \tline(29);", "+\ttwo;", " \tline(30);"]
    git_apply(tree, lines)
    for fuzz in ("0", "1", "2"):
        assert attempt(tree, lines, "--fuzz", fuzz) == 2
        said = capsys.readouterr().err
        assert "hunk 1 of 2 is in mm/a.c already: it applies in reverse" in said
    lines = new("mm/w.c", "int x;")
    git_apply(tree, lines)
    assert attempt(tree, lines) == 2
    assert "which the tree has with the same lines already" in capsys.readouterr().err
    (tree / "mm/w.c").write_text("int y;\n")
    assert attempt(tree, lines) == 2
    assert "creates mm/w.c, which exists with other lines" in capsys.readouterr().err


@pytest.mark.parametrize("part", [0, 3])
def test_a_hunk_at_both_ends_of_which_git_sees_other_lines_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str], part: int
) -> None:
    lines = ["--- a/mm/a.c", "+++ b/mm/a.c", "@@ -10,3 +10,4 @@ line(8);"]
    body = [" \tline(9);", "+\tx;", " \tline(10);", " \tline(11);"]
    body[part] = " \tnowhere();"
    assert attempt(tree, [*lines, *body]) == 2
    said = capsys.readouterr().err
    assert "which has no line 'nowhere();'" in said or "it would with --fuzz 1" in said
    if "--fuzz" in said:
        assert attempt(tree, [*lines, *body], "--fuzz", "1") == 0
        assert "[likely]" in capsys.readouterr().out


def test_a_blank_line_of_a_sound_hunk_is_not_left_out(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["--- a/mm/a.c", "+++ b/mm/a.c", "@@ -10,4 +10,5 @@"]
    lines += [" \tline(9);", "+\tx;", " ", " \tline(10);", " \tline(11);"]
    assert attempt(tree, lines) == 2
    assert "not together in this order" in capsys.readouterr().err


def test_fuzz_is_promised_only_if_it_helps(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["--- a/mm/a.c", "+++ b/mm/a.c", "@@ -10,3 +10,4 @@"]
    lines += [" \tnowhere();", "+\tx;", " \tline(10);", " \tline(11);"]
    bad = ["--- a/mm/b.c", "+++ b/mm/b.c", "@@ -1,3 +1,4 @@", " one", " one", " one", "+two"]
    (tree / "mm/b.c").write_text("four\nfive\n")
    assert attempt(tree, lines) == 2
    assert "it would with --fuzz 1" in capsys.readouterr().err
    assert attempt(tree, [*lines, *bad]) == 2
    assert "--fuzz" not in capsys.readouterr().err


@pytest.mark.parametrize("rule", ["-", "--", "---", "-----"])
def test_a_removed_line_of_dashes_is_no_footer(
    tree: Path, capsys: pytest.CaptureFixture[str], rule: str
) -> None:
    (tree / "mm/t.txt").write_text(f"one\n{rule}\ntwo\nthree\n")
    lines = [
        "--- a/mm/t.txt",
        "+++ b/mm/t.txt",
        "@@ -1,4 +1,3 @@",
        " one",
        f"-{rule}",
        " two",
        " x",
    ]
    assert attempt(tree, lines) == 2
    said = capsys.readouterr().err
    assert "it would with --fuzz 1" in said
    assert "lines are there" not in said
    assert attempt(tree, [*lines[:-1], " three"]) == 0
    assert made(tree) == {"mm/t.txt": "one\ntwo\nthree\n"}


def test_a_large_deletion_is_taken(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = [line for n in range(900) for line in (f"\tcall({n});", "", "}", "")]
    (tree / "mm/big.c").write_text("\n".join(text) + "\n")
    head = ["--- a/mm/big.c", "+++ /dev/null", f"@@ -1,{len(text)} +0,0 @@"]
    assert attempt(tree, [*head, *(f"-{line}" for line in text)]) == 0
    assert made(tree) == {}
    assert "[likely]" not in capsys.readouterr().out


def test_a_deletion_that_leaves_lines_is_the_mail_s_fault(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = ["diff --git a/mm/a.c b/mm/a.c", "deleted file mode 100644"]
    hunk = ["--- a/mm/a.c", "+++ /dev/null", "@@ -1,2 +0,0 @@", "-\tline(0);", "-\tline(1);"]
    assert attempt(tree, [*head, *hunk]) == 2
    assert "deletes mm/a.c, which has 38 lines in the tree that" in capsys.readouterr().err
    (tree / "mm/b.c").write_text((tree / "mm/a.c").read_text())
    other = [line.replace("a.c", "b.c") for line in change(10, "mine")]
    assert attempt(tree, [*head, "index 1234567..0000000", *other]) == 2
    assert "deletes mm/a.c without showing its lines" in capsys.readouterr().err


@pytest.mark.parametrize("prefixes", [("a/", "b/"), ("i/", "w/"), ("", ""), ("old/", "new/")])
def test_prefixes_other_than_a_and_b(tree: Path, prefixes: tuple[str, str]) -> None:
    (tree / "CREDITS").write_text("Ada\n")
    old, neu = prefixes
    lines = [
        *(f"diff --git {old}CREDITS {neu}THANKS", "similarity index 100%"),
        *("rename from CREDITS", "rename to THANKS"),
        *(f"diff --git {old}mm/empty.h {neu}mm/empty.h", "new file mode 100644"),
        *(f"diff --git {old}Makefile {neu}Makefile", "old mode 100644", "new mode 100755"),
        *(f"diff --git {old}mm/a.c {neu}mm/a.c", f"--- {old}mm/a.c", f"+++ {neu}mm/a.c"),
        *change(10, "mine")[2:],
    ]
    assert attempt(tree, lines) == 0
    patches = read_series_file(tree.parent / "out/series")
    text = patches[0].path.read_text()
    for line in ("rename from CREDITS", "rename to THANKS", "new mode 100755"):
        assert line in text.splitlines()
    assert {"mm/empty.h", "THANKS", "mm/a.c"} <= made(tree).keys()


def test_a_file_that_becomes_empty_stays(tree: Path) -> None:
    (tree / "mm/e.h").write_text("one\n")
    git = ["diff --git a/mm/e.h b/mm/e.h", "--- a/mm/e.h", "+++ b/mm/e.h"]
    assert attempt(tree, [*git, "@@ -1 +0,0 @@", "-one"]) == 0
    assert made(tree) == {"mm/e.h": ""}


def test_lines_that_were_only_removed_are_said_to_be_gone(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["--- a/mm/a.c", "+++ b/mm/a.c", "@@ -10,3 +10,2 @@"]
    lines += [" \tline(9);", "-\tline(10);", " \tline(11);"]
    git_apply(tree, lines)
    assert attempt(tree, lines) == 2
    assert "hunk 1 of 1 is in mm/a.c already: it applies in reverse" in capsys.readouterr().err


@pytest.mark.parametrize("mark", ["", "> "])
def test_white_space_that_the_tree_has_already(
    tree: Path, capsys: pytest.CaptureFixture[str], mark: str
) -> None:
    (tree / "mm/w.c").write_text("int a;\n\tint  b;\nint c;\n")
    lines = ["--- a/mm/w.c", "+++ b/mm/w.c", "@@ -1,3 +1,3 @@"]
    lines += [" int a;", "-\tint  b;", "+\tint b;", " int c;"]
    assert attempt(tree, [mark + line for line in lines]) == 0
    git_apply(tree, lines)
    assert attempt(tree, [mark + line for line in lines]) == 2
    assert "is in mm/w.c already: it applies in reverse" in capsys.readouterr().err


def test_a_patch_of_white_space_that_the_mail_has_lost(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "mm/w.c").write_text("int a;\n\tint b;\nint c;\n")
    lines = ["--- a/mm/w.c", "+++ b/mm/w.c", "@@ -1,3 +1,3 @@"]
    lines += [" int a;", "-int b;", "+int b;", " int c;"]
    assert attempt(tree, lines) == 2
    assert "changes nothing in mm/w.c: the lines that it adds are" in capsys.readouterr().err


def test_a_hunk_that_fits_only_above_the_one_before_it(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    above = ["@@ -30,3 +31,2 @@", " \tline(8);", "-\tline(9);", " \tline(10);"]
    assert attempt(tree, [*change(20, "one()"), *above]) == 2
    said = capsys.readouterr().err
    assert "hunk 2 of 2 fits mm/a.c only at line 9, above the hunk before it" in said


def test_context_with_other_white_space_is_doubted_in_a_sound_mail(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (tree / "mm/a.c").read_text()
    (tree / "mm/a.c").write_text(text.replace("\tline(10);", "    line(10);"))
    assert attempt(tree, change(10, "one()")) == 0
    assert "taken byte for byte from the tree: mm/a.c [likely]" in capsys.readouterr().out


def test_context_that_looks_removed_without_its_marker_is_there(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "mm/t.txt").write_text("lamp\n----\nother\nattic\n")
    lines = ["--- a/mm/t.txt", "+++ b/mm/t.txt", "@@ -1,4 +1,5 @@"]
    lines += ["lamp", "----", "hall", "+cellar", "attic"]
    assert attempt(tree, lines) == 2
    assert "which has no line 'hall'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("hunk", "sure"),
    [
        (["@@ -9 +9,2 @@", " \tline(8);", "+\tx;"], False),
        (["@@ -40 +40,2 @@", " \tline(39);", "+\tx;"], True),
        (["@@ -1 +1,2 @@", "+\tx;", " \tline(8);"], False),
        (["@@ -1 +1,2 @@", "+\tx;", " \tline(0);"], True),
        (["@@ -9,2 +9,3 @@", " \tline(8);", "+\tx;", " \tline(9);"], True),
        (["@@ -9 +9 @@", "-\tline(8);", "+\tx;"], True),
    ],
)
def test_a_hunk_at_the_edge_of_another_file_is_likely_only(
    tree: Path, capsys: pytest.CaptureFixture[str], hunk: list[str], sure: bool
) -> None:
    """What neither git nor GNU patch takes is never sure."""
    lines = ["--- a/mm/a.c", "+++ b/mm/a.c", *hunk]
    assert attempt(tree, lines) == 0
    assert ("a hunk at an edge of the file" not in capsys.readouterr().out) == sure
    text = ("\n".join(lines) + "\n").encode()
    argv = ["patch", "-p1", "-F0", "--dry-run", "--batch"]
    done = subprocess.run(argv, cwd=tree, input=text, capture_output=True, check=False)
    assert (done.returncode == 0) == sure


def test_a_damaged_hunk_is_at_the_end_of_no_other_file(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mail lost an empty line. If the tree has what it adds, it has the patch."""
    own = ["one", "", "two", "", "three"]
    (tree / "mm/t.c").write_text("\n".join(own) + "\n")
    lines = ["--- a/mm/t.c", "+++ b/mm/t.c", "@@ -1,3 +1,5 @@", " one", " two", "+", "+three"]
    assert attempt(tree, lines) == 2
    assert "is in mm/t.c already: it applies in reverse" in capsys.readouterr().err
    (tree / "mm/t.c").write_text("\n".join([*own[:4], "four"]) + "\n")
    assert attempt(tree, lines) == 0
    assert "a hunk at an edge of the file" in capsys.readouterr().out
    (tree / "mm/t.c").write_text("\n".join(own[:3]) + "\n")
    shutil.rmtree(tree.parent / "out")
    assert attempt(tree, lines) == 0
    assert "a hunk at an edge of the file" not in capsys.readouterr().out


def test_a_mail_has_no_tabs_that_its_sender_did_not_write(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a tree has blanks instead, it is another tree: git and GNU patch refuse the hunk."""
    file = tree / "mm/a.c"
    file.write_text(file.read_text().replace("\tline", "        line"))
    hunk = ["@@ -9,3 +9,4 @@", " \tline(8);", "+new:", " \tline(9);", " \tline(10);"]
    assert attempt(tree, ["--- a/mm/a.c", "+++ b/mm/a.c", *hunk]) == 0
    assert "taken byte for byte from the tree: mm/a.c 3 [likely]" in capsys.readouterr().out


def test_a_hunk_that_fits_once_more_is_there_already(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "mm/t.c").write_text("one\ntwo\n\ntwo\n\nthree\n")
    lines = ["--- a/mm/t.c", "+++ b/mm/t.c", "@@ -1,4 +1,6 @@"]
    lines += [" one", "+two", "+", " two", " ", " three"]
    assert attempt(tree, lines) == 2
    assert "is in mm/t.c already: it applies in reverse" in capsys.readouterr().err
    (tree / "mm/t.c").write_text("one\ntwo\n\nthree\n")
    assert attempt(tree, lines) == 0


@pytest.mark.parametrize("strip", [str, str.strip])
def test_a_tree_that_has_a_damaged_patch(
    tree: Path, capsys: pytest.CaptureFixture[str], strip: Callable[[str], str]
) -> None:
    lines = ["--- a/mm/a.c", "+++ b/mm/a.c", "@@ -10,6 +10,8 @@"]
    lines += [" \tline(9);", " \tline(10);", " \tline(11);", "+\tone();", "+\ttwo();"]
    lines += [" \tline(12);", " \tline(13);", " \tline(14);"]
    git_apply(tree, lines)
    assert attempt(tree, [*lines[:3], *map(strip, lines[3:])]) == 2
    assert "is in mm/a.c already: it applies in reverse" in capsys.readouterr().err


def test_a_new_file_that_is_there_in_a_mail_with_entities(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "mm/n.h").write_text("#include <lamp.h>\nint lamp;\n")
    lines = new("mm/n.h", "#include &lt;lamp.h&gt;", "int lamp;")
    assert attempt(tree, lines) == 2
    assert "which the tree has with the same lines already" in capsys.readouterr().err
