"""Files and folders that are whole, or not there, whatever happens while they are written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from memnotify.files import (
    DRAFT,
    draft_folder,
    new_folder,
    replace_text,
    replacing,
    write_whole,
)


class _Killed(Exception):
    pass


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_the_old_content_until_the_new_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "state"
    replace_text(file, "old\n")
    with replacing(file) as draft:
        draft.write_bytes(b"new")
        assert file.read_text() == "old\n"
        assert draft.parent == tmp_path
        assert draft.name.startswith(DRAFT)
    assert file.read_bytes() == b"new"
    assert _names(tmp_path) == ["state"]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "state"
    replace_text(file, "old\n")
    with pytest.raises(_Killed), replacing(file) as draft:
        draft.write_bytes(b"half of the n")
        raise _Killed
    assert file.read_text() == "old\n"
    assert _names(tmp_path) == ["state"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read_a_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        replace_text(tmp_path / "one", "")
        write_whole(tmp_path / "two", b"")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {mode}


def test_a_file_of_the_user_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    for mode in (0o600, 0o666, 0o640):
        file.write_bytes(b"old")
        file.chmod(mode)
        write_whole(file, b"new")
        assert file.read_bytes() == b"new"
        assert stat.S_IMODE(file.stat().st_mode) == mode


def test_a_folder_appears_complete(tmp_path: Path) -> None:
    with new_folder(tmp_path / "run") as draft:
        (draft / "file").write_text("content")
        assert not (tmp_path / "run").exists()
    assert _names(tmp_path) == ["run"]
    assert (tmp_path / "run/file").read_text() == "content"


def test_a_folder_that_was_not_filled_does_not_appear(tmp_path: Path) -> None:
    with pytest.raises(_Killed), new_folder(tmp_path / "run") as draft:
        (draft / "file").write_text("half")
        raise _Killed
    assert _names(tmp_path) == []


def test_no_folder_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir()
    (place / "mine").touch()
    with pytest.raises(OSError, match="not empty"), new_folder(place) as draft:
        (draft / "theirs").touch()
    assert _names(tmp_path) == ["run"]
    assert _names(place) == ["mine"]


def test_only_its_owner_can_enter_a_private_folder(tmp_path: Path) -> None:
    with (
        draft_folder(tmp_path, name="a-", private=True) as private,
        draft_folder(tmp_path) as usual,
    ):
        assert private.name.startswith(f"{DRAFT}a-")
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert stat.S_IMODE(usual.stat().st_mode) != 0o700
    assert _names(tmp_path) == []


def test_a_file_that_is_only_to_be_read_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write to any file; for others the draft, which is opened again, has to be theirs."""
    file = tmp_path / "report.html"
    file.write_bytes(b"old")
    file.chmod(0o444)
    modes = []
    write = Path.write_bytes

    def noted(path: Path, data: bytes) -> int:
        modes.append(path.stat().st_mode & 0o777)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", noted)
    write_whole(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777, modes) == (b"new", 0o444, [0o644])
