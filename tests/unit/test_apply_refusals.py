"""Refusals of a series that cannot be applied: each names the patch or the tree, and why."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.process import CommandLog
from memnotify.series.apply import FileState, apply_series, read_tree, run_patch
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
