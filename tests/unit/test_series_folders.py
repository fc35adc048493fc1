"""Folders of patches: which are series, in which order, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.series.folders import (
    is_series_folder,
    no_series,
    numbered,
    series_folders,
    series_text,
)


def put(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(f"{name}\n")
    return folder


def test_patches_of_git_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    put(tmp_path, "10-last.patch", "0002-b.patch", "3-c.patch", "0000-cover-letter.patch")
    put(tmp_path, "notes.patch", "x-0001-a.patch", "0004-d.diff", "0005-e.patch.orig")
    assert numbered(tmp_path) == ["0002-b.patch", "3-c.patch", "10-last.patch"]
    assert series_text(tmp_path) == "0002-b.patch\n3-c.patch\n10-last.patch\n"
    assert is_series_folder(tmp_path)
    assert numbered(tmp_path / "nowhere") == []
    assert numbered(put(tmp_path / "empty")) == []


def test_two_patches_of_one_number_may_be_of_two_versions(tmp_path: Path) -> None:
    put(tmp_path, "0001-a.patch", "0002-b.patch", "0002-c.patch")
    with pytest.raises(InputError) as caught:
        numbered(tmp_path)
    assert caught.value.message == f"{tmp_path}: 0002-b.patch and 0002-c.patch have the same number"
    assert caught.value.file == tmp_path
    assert caught.value.hint == (
        "write the names of the right patches into a file `series`, in their order"
    )


def test_a_series_file_says_which_patches_there_are(tmp_path: Path) -> None:
    put(tmp_path, "0001-a.patch", "0001-b.patch")
    (tmp_path / "series").write_text("0001-b.patch # why\n")
    assert is_series_folder(tmp_path)
    assert series_text(tmp_path) == "0001-b.patch # why\n"


def test_a_pipe_for_a_series_file_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, "0001-a.patch")
    os.mkfifo(tmp_path / "series")
    assert not is_series_folder(tmp_path)


def test_a_folder_for_each_base(tmp_path: Path) -> None:
    put(tmp_path / "6.1", "0001-a.patch")
    put(tmp_path / "5.9", "series")
    put(tmp_path / "notes", "a.txt")
    put(tmp_path, "series.txt")
    assert series_folders(tmp_path) == {"5.9": tmp_path / "5.9", "6.1": tmp_path / "6.1"}
    assert list(series_folders(tmp_path)) == ["5.9", "6.1"]
    assert not is_series_folder(tmp_path)
    told = no_series(tmp_path)
    assert (told.message, told.file) == (f"{tmp_path}: this folder has no `series` file", tmp_path)


def test_an_import_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "series")
    put(tmp_path / ".memnotify-import")
    assert is_series_folder(tmp_path)
    put(tmp_path / ".memnotify-import", "names")
    with pytest.raises(InputError) as caught:
        is_series_folder(tmp_path)
    told = caught.value
    assert told.message == (
        f"{tmp_path}: an import into this folder was interrupted, or is still running"
    )
    assert (told.file, told.hint) == (
        tmp_path,
        "`memnotify series import` into it restores the previous contents and continues",
    )
