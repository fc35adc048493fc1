"""Series of the user's own in a campaign: folders and mails, their names and promises."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.files import draft_folder
from memnotify.results.expectations import expectations
from memnotify.results.folder import RunFolder
from memnotify.results.promises import check_run
from memnotify.results.verdict import Verdict
from memnotify.series import own
from memnotify.series.own import ANY, Found, adopt, is_own, label_of, means, promises_file
from memnotify.series.quilt import MEM_NOTIFY, load_series, named_series
from memnotify.series.revision import load_revision

from tests.support.checked import V4 as MADE
from tests.support.checked import cell
from tests.support.own_series import (
    V4,
    campaign,
    refused,
    repository,
    series_of,
)
from tests.support.rows import row


@pytest.fixture(autouse=True)
def here(own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return repository(tmp_path)


def test_a_folder_is_a_series_named_by_its_content(tmp_path: Path) -> None:
    shutil.copytree(V4, tmp_path / "mine")
    (name,) = series_of(tmp_path, "./mine")
    assert name.startswith("mine@") and is_own(name)
    ours, mine = load_series("v4", "6.1"), load_series(name, "6.1")
    assert [patch.sha256 for patch in mine.patches] == [patch.sha256 for patch in ours.patches]
    assert mine.revision == name
    assert named_series(name, "6.1") == mine
    assert series_of(tmp_path, "./mine") == [name]
    text = (tmp_path / "mine/0005-proc-zoneinfo-enhancement.patch").read_text()
    (tmp_path / "mine/0005-proc-zoneinfo-enhancement.patch").write_text(f"Another\n{text}")
    (other,) = series_of(tmp_path, "./mine")
    assert other.startswith("mine@") and other != name
    # What has run is still what ran.
    assert load_series(name, "6.1") == mine


def test_a_folder_of_git_format_patch_needs_no_series_file(tmp_path: Path) -> None:
    shutil.copytree(V4, tmp_path / "mine")
    listed = series_of(tmp_path, "./mine")
    (tmp_path / "mine/series").unlink()
    (tmp_path / "mine/0000-cover-letter.patch").write_text("Subject: a letter\n")
    (tmp_path / "mine/notes.patch").write_text("not numbered\n")
    (name,) = series_of(tmp_path, "./mine")
    names = [patch.name for patch in load_series(name, "6.1").patches]
    assert names == [patch.name for patch in load_series(listed[0], "6.1").patches]
    assert len(named_series("./mine").patches) == len(names)
    (tmp_path / "mine/0003-an-older-one.patch").write_text("two of them\n")
    assert "have the same number" in refused(tmp_path, "./mine")


def test_a_folder_may_have_patches_for_several_bases(tmp_path: Path) -> None:
    for base in ("6.1", "6.12"):
        shutil.copytree(MEM_NOTIFY / "v4" / base, tmp_path / "mine" / base)
    (name,) = series_of(tmp_path, "./mine")
    assert load_series(name, "6.12").patches != load_series(name, "6.1").patches
    assert named_series("./mine", "6.12").patches[0].sha256 == (
        load_series(name, "6.12").patches[0].sha256
    )
    shutil.rmtree(tmp_path / "mine/6.1")
    assert "is not for base 6.1" in refused(tmp_path, "./mine")


def test_two_processes_may_name_different_series_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each keeps its own, also if another process takes the name in between."""

    def found(number: int) -> Found:
        folder = tmp_path / str(number) / "mine"
        shutil.copytree(V4, folder)
        last = folder / "0005-proc-zoneinfo-enhancement.patch"
        last.write_text(f"{number}\n" + last.read_text())
        return Found(label="mine", folders={ANY: folder}, origin=folder, word="w", state="0" * 7)

    made: list[str] = []

    def after_another(parent: Path) -> AbstractContextManager[Path]:
        monkeypatch.setattr(own, "draft_folder", draft_folder)
        made.append(adopt(found(0)))
        return draft_folder(parent)

    monkeypatch.setattr(own, "draft_folder", after_another)
    made.append(adopt(found(1)))
    made.append(adopt(found(2)))
    assert made[0] == "mine@0000000"
    for number, name in enumerate(made):
        patch = load_series(name, "6.1").patches[-1].path
        assert patch.read_text().splitlines()[0] == str(number)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("git:linux", "is not a range (the form is git:TREE#BASE..BRANCH"),
        ("git:linux#base", "is not a range"),
        ("git:linux#base...fix/guard", "is not a range"),
        ("git:linux#..fix/guard", "is not a range"),
        ("git:linux#--all..fix/guard", "a commit has no such name"),
        ("git:nowhere#base..fix/guard", "there is no folder"),
        ("git:linux#base..fix/gaurd", "no branch, tag or commit fix/gaurd (did you mean fix/guard"),
        ("git:linux#fix/guard..base", "the range has no commits"),
        ("git:.#base..fix/guard", "is not a git repository"),
        ("./nowhere", "there is no folder"),
        ("./linux", "this folder has no `series` file"),
        ("mine@1a2b3c4", "there is no series mine@1a2b3c4 any more"),
        ("a b", "is not a series: a revision, a folder such as ./mine, git:TREE#BASE..BRANCH"),
    ],
)
def test_what_is_no_series(tmp_path: Path, tree: Path, word: str, why: str) -> None:
    told = refused(tmp_path, "none", word)
    assert told.startswith(f"{tmp_path}/try.toml:7: matrix.series[1]: ")
    assert why in told


def test_the_same_patches_twice_are_refused(tmp_path: Path) -> None:
    shutil.copytree(V4, tmp_path / "mine")
    assert "has the same patches as ./mine" in refused(tmp_path, "./mine", f"{tmp_path}/mine")


def test_a_name_of_nothing_says_where_a_series_could_be(tmp_path: Path) -> None:
    told = refused(tmp_path, "mine")
    assert "there is no series mine (there are: none, v1, " in told
    assert "one of your own is named by its folder, ./mine, or by a range, git:TREE#" in told


def test_promises_may_come_after_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(V4, tmp_path / "mine")
    (name,) = series_of(tmp_path, "./mine")
    cell(tmp_path / "run", 1, name, MADE.run())
    assert main(["check", "run"]) == 2
    out, err = capsys.readouterr()
    assert f"add them to revision.toml in {tmp_path / 'mine'}" in out
    assert f"no promises of {name} are on file" in err
    promised = 'based_on = "v4"\nguard = { kind = "constant", seconds = 3.0 }\n'
    (tmp_path / "mine/revision.toml").write_text(promised)
    revision = load_revision(name)
    assert revision is not None and revision.guard_s(30) == 3.0
    rows = list(check_run(RunFolder(tmp_path / "run")))
    assert {checked.promised_by for checked in rows} == {name}
    series_of(tmp_path, "./mine")
    (tmp_path / "mine/revision.toml").rename(tmp_path / "aside")
    assert load_revision(name) is None  # they were taken back
    (tmp_path / "aside").rename(tmp_path / "mine/revision.toml")
    # With the folder gone, those of the last load hold.
    shutil.rmtree(tmp_path / "mine")
    assert load_revision(name) == revision


def test_promises_are_those_of_the_folder_that_was_named_last(tmp_path: Path) -> None:
    for at, seconds in (("one", 3), ("two", 4)):
        folder = tmp_path / at / "mine"
        shutil.copytree(V4, folder)
        (folder / "revision.toml").write_text(f'based_on = "v4" # {seconds}\n')
        (name,) = series_of(tmp_path / at, "./mine")
        assert promises_file(name).read_text().endswith(f"# {seconds}\n")


def test_expectations_select_by_the_word(tmp_path: Path) -> None:
    shutil.copytree(V4, tmp_path / "mine")
    more = '\n[[expect]]\nsays = "x"\nseries = "./mine"\nwhat = "wakeups > 5"\n'
    file = campaign(tmp_path, "none", "./mine", more=more)
    _, name = load_campaign(file).table.matrix.series
    run = RunFolder(tmp_path / "run")
    run.make()
    run.begin(file.read_bytes(), [])
    verdicts = [
        Verdict.from_json(row(series, series=series, wakeups=woken))
        for series, woken in (("none", 0), (name, 9))
    ]
    (found,) = expectations(run, verdicts)
    assert (found.met, found.kept) == (True, (name,))
    wrong = campaign(tmp_path, "none", "./mine", more=more.replace("./mine", "./other"))
    with pytest.raises(InputError, match=r"no cell has \./other"):
        load_campaign(wrong)


def test_mails_are_imported_for_each_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def imported(request: Any, folder: Path, **_: Any) -> None:
        asked.append((request.mails, request.base))
        shutil.copytree(V4, folder)

    monkeypatch.setattr("memnotify.kernel.import_series.import_series", imported)
    (tmp_path / "thread.mbox").write_text("From me\n")
    (name,) = series_of(tmp_path, "mail:thread.mbox")
    assert name.startswith("thread@")
    assert series_of(tmp_path, "mail:<1.2@example.org>")[0].startswith("1.2@")
    assert asked == [([str(tmp_path / "thread.mbox")], "6.1"), (["<1.2@example.org>"], "6.1")]


def test_words_and_labels() -> None:
    assert label_of("git:../linux#v6.1..my/branch") == "my-branch"
    assert label_of("git:#v6.1..refs/heads/mine") == "mine"
    assert label_of("git:x#a.." + "b" * 90) == "b" * 48
    assert label_of("git:x#a.." + "é") == "mine"
    assert label_of("git:x#a.._wip") == label_of("./_wip") == "wip"
    assert means("./mine", "mine@1a2b3c4") and means("v4", "v4")
    assert not means("./mine", "mine2@1a2b3c4") and not means("mine", "mine@1a2b3c4")
