"""A folder of patches: written whole or not at all, and what a killed import left in it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError, InputError
from memnotify.mailpatch.diffs import read_diffs
from memnotify.mailpatch.mail import mails_of
from memnotify.mailpatch.post import Post, post_of
from memnotify.mailpatch.restore_series import Imported, ImportedSeries
from memnotify.mailpatch.write import undo_killed, write_series
from memnotify.series.quilt import Patch, read_series_file

LINES = ["Subject: a", "", "--- a/f.c", "+++ b/f.c", "@@ -1 +1 @@", "-old", "+new"]


def post() -> Post:
    (mail,) = mails_of("\n".join(LINES).encode(), Path("mail"))
    return post_of(mail, read_diffs(list(mail.lines), file="mail", first=1))


def series(*patches: str | Patch) -> ImportedSeries:
    """Return a series; the content of a new patch is its name."""
    made = [
        patch
        if isinstance(patch, Patch)
        else Imported(name=patch, data=patch.encode(), changes=(), post=post(), repairs=())
        for patch in patches
    ]
    return ImportedSeries(patches=tuple(made), said=())


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def put(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / name.replace("__", "/")).write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with two patches of a series, and a file that is not of it."""
    folder = tmp_path / "out"
    folder.mkdir()
    put(folder, one="1", two="2", notes="mine")
    (folder / "one").rename(folder / "0001-one.patch")
    (folder / "two").rename(folder / "0002-two.patch")
    (folder / "series").write_text(
        "# lamps\n0001-one.patch -p1 # 1\n\n# two\n0002-two.patch fuzz=2 -p1 # 2\n# the end\n"
    )
    return folder


def test_a_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a/b"
    assert write_series(series("0001-one.patch", "0002-two.patch"), folder) == ()
    assert files(tmp_path / "a") == {
        "b/0001-one.patch": "0001-one.patch",
        "b/0002-two.patch": "0002-two.patch",
        "b/series": "0001-one.patch\n0002-two.patch\n",
    }
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def test_the_same_once_more_is_let_be(tmp_path: Path) -> None:
    imported = series("0001-one.patch")
    write_series(imported, tmp_path)
    (tmp_path / "0001-one.patch").chmod(0o444)
    assert write_series(imported, tmp_path) == ()
    assert (tmp_path / "0001-one.patch").stat().st_mode & 0o777 == 0o444


def test_other_patches_are_not_replaced_unless_that_is_asked_for(folder: Path) -> None:
    before = files(folder)
    with pytest.raises(InputError) as caught:
        write_series(series("0001-new.patch"), folder)
    assert str(caught.value) == (
        f"{folder}: the folder already has other patches "
        "(name another folder with -o, or replace them with --replace)"
    )
    assert files(folder) == before


def test_a_folder_of_other_files_takes_a_series(tmp_path: Path) -> None:
    put(tmp_path, notes="mine")
    write_series(series("0001-one.patch"), tmp_path)
    assert files(tmp_path) == {
        "0001-one.patch": "0001-one.patch",
        "notes": "mine",
        "series": "0001-one.patch\n",
    }


def test_a_patch_takes_the_line_and_the_comments_of_the_one_before(folder: Path) -> None:
    one, _ = read_series_file(folder / "series")
    said = write_series(series(one, "0002-new.patch", "0003-more.patch"), folder, replace=True)
    assert said == (f"0002-new.patch needs no fuzz: fuzz=2 is left out of {folder}/series",)
    assert files(folder) == {
        "0001-one.patch": "1",
        "0002-new.patch": "0002-new.patch",
        "0003-more.patch": "0003-more.patch",
        "notes": "mine",
        "series": "# lamps\n0001-one.patch -p1 # 1\n\n# two\n0002-new.patch -p1 # 2\n"
        "0003-more.patch\n# the end\n",
    }


def test_patches_that_stay_and_patches_that_come(folder: Path) -> None:
    (folder / "series").write_text(
        "# lamps\n0001-one.patch\n# see 1\n0002-two.patch # 0002-two.patch\n"
    )
    one, two = read_series_file(folder / "series")
    write_series(series(one, two, "0003-c.patch", "0004-d.patch"), folder, replace=True)
    whole = "# lamps\n0001-one.patch\n# see 1\n0002-two.patch # 0002-two.patch\n"
    text = (folder / "series").read_text()
    assert text == f"{whole}0003-c.patch\n0004-d.patch\n"
    write_series(series(one, "0002-new.patch"), folder, replace=True)
    assert (folder / "series").read_text() == (
        "# lamps\n0001-one.patch\n# see 1\n0002-new.patch # 0002-two.patch\n"
    )
    assert sorted(files(folder)) == ["0001-one.patch", "0002-new.patch", "notes", "series"]


def test_what_is_left_of_the_import_s_own_folder_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rmdir(path: object, **_: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", rmdir)
        assert write_series(series("0001-one.patch"), tmp_path) == ()
    assert sorted(files(tmp_path)) == ["0001-one.patch", "series"]


def test_all_patches_are_replaced(folder: Path) -> None:
    said = write_series(series("0001-a.patch", "0002-b.patch"), folder, replace=True)
    assert len(said) == 1
    assert sorted(files(folder)) == ["0001-a.patch", "0002-b.patch", "notes", "series"]
    assert (folder / "series").read_text() == (
        "# lamps\n0001-a.patch -p1 # 1\n\n# two\n0002-b.patch -p1 # 2\n# the end\n"
    )


def test_a_patch_of_the_same_name_is_replaced(folder: Path) -> None:
    write_series(series("0001-one.patch", "0002-two.patch"), folder, replace=True)
    assert files(folder)["0001-one.patch"] == "0001-one.patch"


def test_a_series_that_lost_a_patch_meanwhile(folder: Path) -> None:
    one, two = read_series_file(folder / "series")
    (folder / "series").write_text("0001-one.patch\n")
    before = files(folder)
    with pytest.raises(InputError) as caught:
        write_series(series(one, two), folder, replace=True)
    said = f"{folder}/series: has changed since this import began (import again)"
    assert str(caught.value) == said
    assert files(folder) == before


def names_and_modes(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mode for path in folder.rglob("*")}


@pytest.mark.parametrize("fails", range(5))
@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, InfrastructureError), (errno.EACCES, InputError)]
)
def test_a_failure_changes_nothing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: int,
    number: int,
    kind: type[InputError | InfrastructureError],
) -> None:
    (folder / "0001-one.patch").chmod(0o600)
    before, modes = files(folder), names_and_modes(folder)
    ours, left = Path.rename, iter(range(9))

    def rename(self: Path, target: Path) -> Path:
        if next(left) == fails:
            raise OSError(number, "no")
        return ours(self, target)

    with monkeypatch.context() as patch, pytest.raises(kind) as caught:
        patch.setattr(Path, "rename", rename)
        imported = series("0001-one.patch", "0002-new.patch", "0003-more.patch")
        write_series(imported, folder, replace=True)
    assert str(caught.value) == (
        f"{folder}: no space for the series"
        if kind is InfrastructureError
        else f"{folder}: cannot be written (-o names a folder that you may write)"
    )
    assert getattr(caught.value, "kind", "disk-full") == "disk-full"
    assert (files(folder), names_and_modes(folder)) == (before, modes)


def test_a_failure_leaves_no_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(self: Path, target: Path) -> Path:
        raise OSError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(InputError):
        write_series(series("0001-one.patch"), tmp_path / "a/b")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def left(folder: Path) -> Path:
    """Make what an import leaves that was killed: a new patch, an old one, and its own folder."""
    pending = folder / ".memnotify-import"
    (pending / "kept").mkdir(parents=True)
    (folder / "0003-new.patch").write_text("3")
    (pending / "kept/0002-two.patch").write_text("the old 2")
    (pending / "kept/0004-gone.patch").write_text("the old 4")
    (pending / "names").write_text("0003-new.patch\n0005-later.patch\n")
    return pending


def test_what_was_killed_is_undone(folder: Path, left: Path) -> None:
    series_text = (folder / "series").read_text()
    undo_killed(folder)
    assert files(folder) == {
        "0001-one.patch": "1",
        "0002-two.patch": "the old 2",
        "0004-gone.patch": "the old 4",
        "notes": "mine",
        "series": series_text,
    }
    assert not left.exists()
    undo_killed(folder)  # there is nothing to undo any more


def test_what_was_killed_before_it_changed_anything(folder: Path, left: Path) -> None:
    (left / "names").unlink()
    before = {name: text for name, text in files(folder).items() if "/" not in name}
    undo_killed(folder)
    assert files(folder) == before


def damage(left: Path) -> Iterator[tuple[str, str]]:
    """Damage what is left in one way after the other; yield the file at fault, and why."""
    folder, names, kept = left.parent, left / "names", left / "kept"
    text = names.read_text()
    for name in ("..", ".", "", "a/b", "/etc/passwd"):
        names.write_text(f"0003-new.patch\n{name}\n")
        yield "/names", f"{name!r} is not a plain name"
    names.write_bytes(b"\xff\n")
    yield "/names", "is not text"
    names.unlink()
    names.mkdir()
    yield "/names", "is not a plain file"
    names.rmdir()
    names.symlink_to(folder / "notes")
    yield "/names", "is not a plain file"
    names.unlink()
    names.write_text("notes\nsub\n")
    (folder / "sub").mkdir()
    yield "/names", "sub is not a plain file"
    (folder / "sub").rmdir()
    names.write_text(text)
    (kept / "link").symlink_to(folder / "notes")
    yield "/names", ".memnotify-import/kept/link is not a plain file"
    (kept / "link").unlink()
    (kept / "notes").write_text("old")
    (folder / "notes").unlink()
    (folder / "notes").mkdir()
    yield "/names", "notes is a folder, but was a file"
    kept.rename(left / "elsewhere")
    yield "/names", "there is no folder kept beside it"
    kept.symlink_to(left / "elsewhere")
    yield "/names", "there is no folder kept beside it"
    left.rename(folder.parent / "moved")
    left.symlink_to(folder.parent / "moved")
    yield "", "is a link, which no import makes"


def test_only_what_an_import_leaves_is_undone(folder: Path, left: Path) -> None:
    for file, why in damage(left):
        before = sorted(folder.rglob("*"))
        with pytest.raises(InputError) as caught:
            undo_killed(folder)
        assert str(caught.value) == (
            f"{left}{file}: {why} (nothing was undone: look through the folder, then remove its "
            ".memnotify-import)"
        )
        assert sorted(folder.rglob("*")) == before
        assert (folder / "0003-new.patch").read_text() == "3"
