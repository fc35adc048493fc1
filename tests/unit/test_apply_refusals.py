"""Refusals of a series that cannot be applied: each names the patch or the tree, and why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.process import CommandLog
from memnotify.series.apply import (
    AppliedHunk,
    FileState,
    apply_series,
    changed_files,
    hunk_outcomes,
    is_whole,
    read_tree,
    run_patch,
)
from memnotify.series.quilt import Patch, Series

from tests.support.madetree import no_file

CHANGE = "--- a/one.c\n+++ b/one.c\n@@ -1 +1 @@\n-old\n+new\n"
NEW = "--- /dev/null\n+++ b/one.c\n@@ -0,0 +1 @@\n+new\n"


def series(folder: Path, text: str) -> Series:
    path = folder / "one.patch"
    path.write_text(text)
    return Series(revision="v9", base="6.1", patches=(Patch(path=path, sha256="1"),))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("--- a/one.c\n+++ b/one.c\n@@ -1,3 +1,3 @@\n-old\n", "", "not a unified diff: "),
        ("nothing\n", "", "there is no diff in this patch"),
        (CHANGE.replace("b/one.c", "b/../one.c"), ":2", "b/../one.c leads out of the tree"),
        (CHANGE.replace("b/one.c", "one.c"), ":1", "one.c leads out of the tree"),
        (NEW, ":3", "creates one.c, which already exists"),
    ],
)
def test_a_patch_that_is_refused_is_named(tmp_path: Path, text: str, line: str, words: str) -> None:
    one = series(tmp_path, text)
    with pytest.raises(InputError) as refused:
        apply_series(one, {"one.c": FileState(b"old\n", 0o644)}.get)
    assert refused.value.message.startswith(f"{one.patches[0].path}{line}: {words}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CHANGE, ":3"),
        ("diff --git a/one.c b/two.c\nrename from one.c\nrename to two.c\n", ""),
    ],
    ids=["hunks", "no hunks"],
)
def test_a_file_that_is_not_there_is_named(tmp_path: Path, text: str, line: str) -> None:
    one = series(tmp_path, text)
    with pytest.raises(InputError) as refused:
        apply_series(one, no_file)
    said = "changes one.c, which is not in the tree"
    assert refused.value.message == f"{one.patches[0].path}{line}: {said}"


def test_a_part_of_a_patch_is_applied_alone(tmp_path: Path) -> None:
    one = series(tmp_path, CHANGE + CHANGE.replace("one.c", "two.c"))
    (patch,) = one.patches
    part = replace(one, patches=(replace(patch, only=("two.c",)),))
    tree = {name: FileState(b"old\n", 0o644) for name in ("one.c", "two.c")}
    done = apply_series(part, tree.get)
    assert done.files == {"two.c": FileState(b"new\n", 0o644)}
    (applied,) = done.patches
    assert (applied.patch, applied.hunks, applied.shifted) == (part.patches[0], 1, ())


MOVED = "diff --git a/one.c b/two.c\nrename from one.c\nrename to two.c\n"


@pytest.mark.parametrize(
    ("text", "files", "whole"),
    [
        (CHANGE + CHANGE.replace("one.c", "mm/two.c"), ("one.c", "mm/two.c"), False),
        (CHANGE + NEW.replace("one.c", "two.c"), ("one.c", "two.c"), True),
        ("--- a/one.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n", ("one.c",), True),
        ("--- a/one.c\n+++ b/one.c\n@@ -0,0 +1 @@\n+new\n", ("one.c",), True),
        (MOVED, ("one.c", "two.c"), True),
    ],
)
def test_which_files_a_patch_changes_and_whether_it_can_be_split(
    tmp_path: Path, text: str, files: tuple[str, ...], whole: bool
) -> None:
    (patch,) = series(tmp_path, text).patches
    assert changed_files(patch) == files
    assert is_whole(patch) is whole


def test_each_try_with_more_fuzz_is_logged(tmp_path: Path) -> None:
    file = tmp_path / "commands.jsonl"
    log = CommandLog(file)
    with pytest.raises(InputError):
        apply_series(series(tmp_path, CHANGE), {"one.c": FileState(b"", 0o644)}.get, log=log)
    runs = [json.loads(line)["argv"] for line in file.read_text().splitlines()]
    assert [word for run in runs for word in run if word.startswith("--fuzz")] == [
        *("--fuzz=0", "--fuzz=1", "--fuzz=2")
    ]


def test_patch_allows_no_fuzz_unless_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "one.c").write_text("other\nold\n")
    diff = tmp_path / "a.patch"
    diff.write_text("--- a/one.c\n+++ b/one.c\n@@ -1,2 +1,2 @@\n first\n-old\n+new\n")
    assert run_patch(diff, tmp_path, "--dry-run")[0] is False
    assert run_patch(diff, tmp_path, "--dry-run", fuzz=1)[0] is True


def refusal(given: Series, **files: bytes) -> InputError:
    """Return the error for a series, and files by their names without .c."""
    states = {f"{name}.c": FileState(data, 0o644) for name, data in files.items()}
    with pytest.raises(InputError) as refused:
        apply_series(given, states.get)
    return refused.value


def test_the_least_fuzz_that_all_files_of_a_patch_need_is_told(tmp_path: Path) -> None:
    above = "--- a/{0}.c\n+++ b/{0}.c\n@@ -1,3 +1,3 @@\n one\n two\n-old\n+new\n"
    both = series(tmp_path, above.format("one") + above.format("two"))
    told = refusal(both, one=b"x\ntwo\nold\n", two=b"x\ny\nold\n")
    assert (told.hint or "").startswith("it would apply with fuzz=2; ")
    told = refusal(both, one=b"one\ntwo\nold\n", two=b"x\ntwo\nold\n")
    assert (told.hint or "").startswith("it would apply with fuzz=1; ")
    assert refusal(both, one=b"one\ntwo\nold\n", two=b"x\ny\nz\n").hint is None


def test_a_hunk_of_a_file_that_gets_another_name_is_compared_with_the_old_one(
    tmp_path: Path,
) -> None:
    told = refusal(series(tmp_path, MOVED + CHANGE.replace("b/one", "b/two")), one=b"other\n")
    assert "hunk 1 of 1 does not apply to two.c:1" in told.message
    assert "! old      |      1  other" in told.message


def test_a_hunk_of_a_file_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    new = CHANGE.replace("-1 +1", "-0,0 +1").replace("-old\n", "")
    told = refusal(series(tmp_path, f"{new}@@ -5,2 +6,2 @@\n x\n-old\n+y\n"))
    assert "hunk 2 of 2 does not apply to one.c" in told.message
    rows = [line.partition("|") for line in told.message.splitlines() if "|" in line]
    assert [(left.split(), found.strip()) for left, _, found in rows] == [
        (["!", "x"], "1"),  # its only line, which is empty
        (["!", "old"], ""),
    ]


def test_a_patch_that_is_in_the_tree_is_told_without_a_line(tmp_path: Path) -> None:
    one = series(tmp_path, CHANGE)
    told = refusal(one, one=b"new\n")
    assert told.message.startswith(f"{one.patches[0].path}: it is already in the tree\n  | ")
    assert told.line is None


def test_a_file_that_is_deleted_and_has_more_is_refused_in_the_words_of_patch(
    tmp_path: Path,
) -> None:
    gone = "--- a/one.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n"
    one = series(tmp_path, gone)
    first, *more = refusal(one, one=b"old\nmore\n").message.split("\n")
    assert first == f"{one.patches[0].path}: patch(1) rejected it"
    assert more[0] == "  | patching file one.c"
    assert more[1].startswith("  | Not deleting file one.c")


def test_each_hunk_that_does_not_fit_is_told_in_lines_of_its_own(tmp_path: Path) -> None:
    told = refusal(series(tmp_path, f"{CHANGE}@@ -9 +9 @@\n-nine\n+9\n"), one=b"x\ny\n")
    heads = [line for line in told.message.splitlines() if "does not apply" in line]
    assert len(heads) == 2
    assert heads[1].startswith("hunk 2 of 2 does not apply to one.c:")


def test_letters_of_any_charset_are_shown(tmp_path: Path) -> None:
    assert "1  caf\ufffd" in refusal(series(tmp_path, CHANGE), one=b"caf\xe9\n").message


def test_what_patch_complains_of_is_told(tmp_path: Path) -> None:
    garbage = tmp_path / "a.patch"
    garbage.write_text("no diff\n")
    fits, said = run_patch(garbage, tmp_path)
    assert not fits
    assert "Only garbage was found in the patch input" in said


def test_what_patch_says_of_hunks() -> None:
    shifted, failed = hunk_outcomes(
        "patching file one.c\n"
        "Hunk #1 succeeded at 3 with fuzz 1.\n"
        "Hunk #2 succeeded at 9 (offset -2 lines).\n"
        "Hunk #3 FAILED at 20.\n"
        "checking file 'a b.c' (renamed from c.c)\n"
        "Hunk #12 succeeded at 40 with fuzz 2 (offset 1 line).\n"
    )
    assert shifted == [
        AppliedHunk(file="one.c", hunk=1, line=3, offset=0, fuzz=1),
        AppliedHunk(file="one.c", hunk=2, line=9, offset=-2, fuzz=0),
        AppliedHunk(file="a b.c", hunk=12, line=40, offset=1, fuzz=2),
    ]
    assert failed == [("one.c", 3)]


def test_a_folder_of_the_tree_is_no_file_and_modes_are_kept(tmp_path: Path) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "run.sh").write_text("")
    (tmp_path / "run.sh").chmod(0o751)
    with pytest.raises(InputError, match="mm is a folder") as refused:
        read_tree(tmp_path)("mm")
    assert refused.value.file == tmp_path
    assert read_tree(tmp_path)("run.sh") == FileState(b"", 0o751)


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("loop/a.c", "", "loop/a.c is behind a loop of links"),
        ("../a.c", "", "../a.c leads out of the tree"),
        ("link.c", "", "link.c is a link; patches are for files"),
        ("mm", "", "mm is a folder; patches are for files"),
        ("one.c/a.c", "one.c", "is a file, so nothing can be below it"),
        ("one.c/mm/a.c", "one.c", "is a file, so nothing can be below it"),
    ],
)
def test_what_is_no_file_of_a_tree_is_told(tmp_path: Path, name: str, file: str, said: str) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "one.c").write_text("")
    (tmp_path / "link.c").symlink_to("one.c")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError) as refused:
        read_tree(tmp_path)(name)
    assert refused.value.message == f"{tmp_path / file}: {said}"
    assert read_tree(tmp_path)("mm/a.c") is None


def test_letters_of_any_charset_are_changed(tmp_path: Path) -> None:
    one = series(tmp_path, "")
    one.patches[0].path.write_bytes(CHANGE.replace("old", "caf\xe9").encode("latin-1"))
    done = apply_series(one, {"one.c": FileState(b"caf\xe9\n", 0o644)}.get)
    assert done.files == {"one.c": FileState(b"new\n", 0o644)}


@pytest.mark.parametrize(
    ("wanted", "there"), [("old ", "old"), ("old\t", "old"), ("old X", "old "), ("old", "old ")]
)
def test_a_line_that_differs_only_at_its_end_is_shown_to_differ(
    tmp_path: Path, wanted: str, there: str
) -> None:
    one = series(tmp_path, CHANGE.replace("-old", f"-{wanted}"))
    with pytest.raises(InputError) as refused:
        apply_series(one, {"one.c": FileState(f"{there}\n".encode(), 0o644)}.get)
    assert "hunk 1 of 1 does not apply to one.c:1" in refused.value.message
    (row,) = [line for line in refused.value.message.splitlines() if " | " in line]
    expected, _, found = row.partition(" | ")
    assert expected.startswith("  ! old")
    assert expected[4:].rstrip() == wanted.rstrip()
    assert found.strip() == f"1  {there}".rstrip()


def test_each_run_of_patch_is_logged(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.jsonl")
    done = apply_series(
        series(tmp_path, CHANGE), {"one.c": FileState(b"old\n", 0o644)}.get, log=log
    )
    assert done.files == {"one.c": FileState(b"new\n", 0o644)}
    lines = (tmp_path / "commands.jsonl").read_text().splitlines()
    assert [Path(json.loads(line)["argv"][0]).name for line in lines] == ["patch"]
