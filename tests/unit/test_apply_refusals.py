"""Refusals of a series that cannot be applied: each names the patch or the tree, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.process import CommandLog
from memnotify.series.apply import FileState, apply_series, read_tree
from memnotify.series.quilt import Patch, Series

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


def test_a_folder_of_the_tree_is_no_file_and_modes_are_kept(tmp_path: Path) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "run.sh").write_text("")
    (tmp_path / "run.sh").chmod(0o751)
    with pytest.raises(InputError, match="mm is a folder") as refused:
        read_tree(tmp_path)("mm")
    assert refused.value.file == tmp_path
    assert read_tree(tmp_path)("run.sh") == FileState(b"", 0o751)


def test_each_run_of_patch_is_logged(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.jsonl")
    done = apply_series(
        series(tmp_path, CHANGE), {"one.c": FileState(b"old\n", 0o644)}.get, log=log
    )
    assert done.files == {"one.c": FileState(b"new\n", 0o644)}
    lines = (tmp_path / "commands.jsonl").read_text().splitlines()
    assert [Path(json.loads(line)["argv"][0]).name for line in lines] == ["patch"]
