"""Series of the user's own in the matrix of a campaign: what they become, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from memnotify import toml
from memnotify.campaign import own_series
from memnotify.campaign.own_series import with_own_series
from memnotify.campaign.place import Place
from memnotify.campaign.schema import CampaignTable
from memnotify.errors import InputError
from memnotify.series.own import Found, is_own, origin_of, root
from memnotify.store import Store

from tests.support.good_campaign import GOOD


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def put(folder: Path, series: str | None = "a.patch\n", name: str = "a.patch") -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_text(f"{folder.name}\n")
    if series is not None:
        (folder / "series").write_text(series)
    return folder


def read(folder: Path, *words: str, bases: str = '"6.1"') -> tuple[Place, CampaignTable]:
    listed = ", ".join(f'"{word}"' for word in words)
    file = folder / "try.toml"
    text = GOOD.replace('["none", "v4"]', f"[{listed}]").replace(
        'base = "6.1"', f"base = [{bases}]"
    )
    file.write_text(text)
    value, lines = toml.read(file)
    return Place(file, lines), toml.check(CampaignTable, value, path=file, lines=lines)


def names(folder: Path, *words: str, **options: str) -> list[str]:
    return with_own_series(*read(folder, *words, **options)).matrix.series


def refused(folder: Path, *words: str) -> InputError:
    with pytest.raises(InputError) as caught:
        names(folder, *words)
    return caught.value


def refusal(folder: Path, word: str) -> tuple[str, str | None]:
    """Return why the second word of a campaign is refused, and what to do."""
    told = refused(folder, "none", word)
    start = f"{folder}/try.toml:7: matrix.series[1]: "
    assert told.message.startswith(start)
    return told.message.removeprefix(start), told.hint


def test_revisions_stay_and_folders_become_copies(tmp_path: Path) -> None:
    put(tmp_path / "mine")
    put(tmp_path / "home/yours")
    found = names(tmp_path, "v4", "./mine", "~/yours", "none")
    assert (found[0], found[3]) == ("v4", "none")
    assert found[1].startswith("mine@") and found[2].startswith("yours@")
    assert (origin_of(found[1]), origin_of(found[2])) == (
        tmp_path / "mine",
        tmp_path / "home/yours",
    )
    assert '"word":"./mine"' in (root() / found[1] / "own.json").read_text().replace(" ", "")
    # A copy has a name of its own, which a campaign may use.
    place, table = read(tmp_path, found[1], "v4")
    assert with_own_series(place, table) is table


def test_a_folder_for_several_bases_is_one_series(tmp_path: Path) -> None:
    put(tmp_path / "mine/6.1")
    put(tmp_path / "mine/5.9", None, "0001-a.patch")
    put(tmp_path / "mine/notes", None)
    (name,) = names(tmp_path, "./mine")
    assert sorted(path.name for path in (root() / name).iterdir()) == ["5.9", "6.1", "own.json"]
    assert (root() / name / "5.9/0001-a.patch").read_text() == "5.9\n"
    assert (root() / name / "5.9/series").read_text() == "0001-a.patch\n"
    assert not list(Path.cwd().iterdir())


def test_a_folder_of_git_format_patch_gets_a_series_file_in_its_copy(tmp_path: Path) -> None:
    mine = put(tmp_path / "mine", None, "0001-a.patch")
    (mine / "0000-cover-letter.patch").write_text("a letter\n")
    (mine / "config").write_text("CONFIG_A=y\n")
    put(mine / "old", None, "0002-b.patch")
    (name,) = names(tmp_path, "./mine")
    copy = root() / name / "any"
    assert sorted(path.name for path in copy.iterdir()) == ["0001-a.patch", "config", "series"]
    assert (copy / "series").read_text() == "0001-a.patch\n"
    assert not (mine / "series").exists()


def test_a_word_that_names_no_series_is_refused_on_its_line(tmp_path: Path) -> None:
    put(tmp_path / "wrong", "a.patch fuzz=3\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").symlink_to("nowhere")
    assert refusal(tmp_path, "./nowhere") == (
        f"there is no folder {tmp_path}/nowhere",
        "paths are relative to the folder of the campaign",
    )
    assert refusal(tmp_path, "./linked")[0] == f"there is no folder {tmp_path}/nowhere"
    assert refusal(tmp_path, "./empty") == (
        f"{tmp_path}/empty: this folder has no `series` file",
        None,
    )
    assert refusal(tmp_path, "./wrong") == (
        f"{tmp_path}/wrong/series:1: fuzz=3 is not a known option",
        "options are -p1 and fuzz=0, 1 or 2",
    )
    assert refusal(tmp_path, "mine@1a2b3c4")[0] == (
        "there is no series mine@1a2b3c4 any more, or yet"
    )


def test_an_error_of_one_base_names_its_file(tmp_path: Path) -> None:
    put(tmp_path / "mine/6.1")
    put(tmp_path / "mine/6.12", "b.patch\n")
    said, _ = refusal(tmp_path, "./mine")
    assert said == f"{tmp_path}/mine/6.12/series:1: b.patch is not in the same folder as this file"


def test_the_same_patches_twice_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "mine")
    told = refused(tmp_path, "none", "./mine", "v4", f"{tmp_path}/mine")
    assert told.message == (
        f"{tmp_path}/try.toml:7: matrix.series[3]: {tmp_path}/mine has the same patches as ./mine, "
        "so cells would be identical"
    )


def test_a_range_is_looked_for_from_the_campaign_and_its_note_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, asked, notes = put(tmp_path / "mine"), [], ["not committed\x1b", None]

    @contextmanager
    def patches_of(word: str, at: Path) -> Iterator[Found]:
        asked.append((word, at))
        folders = {"any": mine}
        yield Found(label="b", folders=folders, origin=mine, word=word, note=notes.pop(0))

    monkeypatch.setattr(own_series, "patches_of", patches_of)
    (name,) = names(tmp_path, "git:linux#a..b")
    assert asked == [("git:linux#a..b", tmp_path)]
    assert name.startswith("b@") and is_own(name)
    assert capsys.readouterr() == ("", "not committed\\x1b\n")
    assert names(tmp_path, "git:linux#a..b") == [name]
    assert capsys.readouterr() == ("", "")


def test_mails_are_imported_for_each_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def imported(request: Any, folder: Path, *, store: Store, progress: Any) -> None:
        assert isinstance(store, Store)
        progress(f"for {request.base}")
        asked.append((request.mails, request.base))
        put(folder)

    monkeypatch.setattr("memnotify.kernel.import_series.import_series", imported)
    (tmp_path / "home").mkdir()
    for file in (tmp_path / "thread.mbox", tmp_path / "home/other.mbox"):
        file.write_text("From me\n")
    words = ("mail:thread.mbox", "mail:<1.2@example.org>", "mail:~/other.mbox")
    found = names(tmp_path, *words, bases='"6.1", "6.12"')
    assert [name.partition("@")[0] for name in found] == ["thread", "1.2", "other"]
    assert capsys.readouterr() == ("", "for 6.1\nfor 6.12\n" * 3)
    mails = (str(tmp_path / "thread.mbox"), "<1.2@example.org>", str(tmp_path / "home/other.mbox"))
    assert asked == [([mail], base) for mail in mails for base in ("6.1", "6.12")]
    assert [origin_of(name) for name in found] == [
        tmp_path / "thread",
        tmp_path / "1.2",
        tmp_path / "other",
    ]
    for name, word in zip(found, words, strict=True):
        assert sorted(path.name for path in (root() / name).iterdir()) == [
            "6.1",
            "6.12",
            "own.json",
        ]
        assert word in (root() / name / "own.json").read_text()


@pytest.mark.parametrize("file", ["thread.mbox", "thread"])
def test_an_error_of_a_file_of_the_users_names_this_file(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def imported(*_: Any, **__: Any) -> None:
        raise InputError("has no patch", file=tmp_path / file, hint="look")

    monkeypatch.setattr("memnotify.kernel.import_series.import_series", imported)
    told = refused(tmp_path, "none", f"mail:{file}")
    own = f"{tmp_path / file}: has no patch"
    whole = own if file.endswith(".mbox") else f"{tmp_path}/try.toml:7: matrix.series[1]: {own}"
    assert (told.message, told.hint) == (whole, "look")
