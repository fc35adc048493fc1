"""Series of the user's own in a campaign: folders, ranges of git, and mails."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.files import draft_folder
from memnotify.process import run
from memnotify.results.expectations import expectations
from memnotify.results.folder import RunFolder
from memnotify.results.promises import check_run
from memnotify.results.verdict import Verdict
from memnotify.series import own
from memnotify.series.own import ANY, Found, adopt, is_own, label_of, means, promises_file
from memnotify.series.quilt import MEM_NOTIFY, load_series, named_series
from memnotify.series.revision import load_revision

from tests.support.good_campaign import GOOD
from tests.support.rows import row
from tests.unit.test_check import V4 as MADE
from tests.unit.test_check import cell

V4 = MEM_NOTIFY / "v4/6.1"
ALWAYS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def campaign(folder: Path, *words: str, more: str = "") -> Path:
    listed = ", ".join(f'"{word}"' for word in words)
    file = folder / "try.toml"
    file.write_text(GOOD.replace('["none", "v4"]', f"[{listed}]") + more)
    return file


def series_of(folder: Path, *words: str) -> list[str]:
    return load_campaign(campaign(folder, *words)).table.matrix.series


def refused(folder: Path, *words: str) -> str:
    with pytest.raises(InputError) as told:
        load_campaign(campaign(folder, *words))
    return str(told.value)


def git(tree: Path, *words: str, when: int = 1_200_000_000) -> str:
    who = {
        f"GIT_{one}_{what}": "a@example.org" if what == "EMAIL" else "A"
        for one in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    dates = {"GIT_AUTHOR_DATE": "1200000000 +0000", "GIT_COMMITTER_DATE": f"{when} +0000"}
    return run(["git", *words], cwd=tree, env={**ALWAYS, **who, **dates}, timeout=60).stdout.strip()


def commit(tree: Path, text: str, message: str, **options: Any) -> str:
    (tree / "mm.c").write_text(text)
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", message, **options)
    return git(tree, "rev-parse", "--short=7", "HEAD")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make a repository with a tag `base` and a branch `fix/guard` of two commits."""
    tree = tmp_path / "linux"
    tree.mkdir()
    git(tree, "init", "-q", "-b", "master")
    commit(tree, "guard = 10;\n", "the base")
    git(tree, "tag", "base")
    git(tree, "checkout", "-q", "-b", "fix/guard")
    commit(tree, "guard = 5;\n", "Five seconds")
    commit(tree, "guard = 3;\n", "Three seconds")
    return tree


WORD = "git:linux#base..fix/guard"


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


def test_a_range_is_named_by_branch_and_commit(tmp_path: Path, tree: Path) -> None:
    (name,) = series_of(tmp_path, WORD)
    assert name == f"fix-guard@{git(tree, 'rev-parse', '--short=7', 'fix/guard')}"
    patches = load_series(name, "6.1").patches
    assert [patch.name for patch in patches] == [
        "0001-Five-seconds.patch",
        "0002-Three-seconds.patch",
    ]
    assert patches[1].path.read_text().count("guard = 3;") == 1
    assert series_of(tmp_path, "git:linux#base..HEAD") == [name]  # it is checked out
    folder = tmp_path / "patches"
    git(tree, "format-patch", "-q", "-o", str(folder), "base..fix/guard")
    assert named_series(WORD).patches[0].sha256 == patches[0].sha256


def test_the_same_patches_have_the_same_name(tmp_path: Path, tree: Path) -> None:
    """A rebase or an amended date makes other commits, but no other kernel."""
    (name,) = series_of(tmp_path, WORD)
    old = git(tree, "rev-parse", "HEAD")
    git(tree, "commit", "-q", "--amend", "--no-edit", when=1_300_000_000)
    assert git(tree, "rev-parse", "HEAD") != old
    assert series_of(tmp_path, WORD) == [name]
    now = commit(tree, "guard = 2;\n", "Two seconds")
    assert series_of(tmp_path, WORD) == [f"fix-guard@{now}"]
    # The same branch from another commit on is another series.
    (part,) = series_of(tmp_path, "git:linux#base~0..fix/guard")
    assert part == f"fix-guard@{now}"
    git(tree, "tag", "later", "HEAD~1")
    (part,) = series_of(tmp_path, "git:linux#later..fix/guard")
    assert part.startswith(f"fix-guard@{now}-") and is_own(part)


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


def test_settings_of_the_repository_change_nothing(tmp_path: Path, tree: Path) -> None:
    names = series_of(tmp_path, WORD)
    for setting, value in (
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.context", "1"),
        ("diff.algorithm", "histogram"),
        ("format.subjectPrefix", "RFC"),
        ("format.numbered", "true"),
        ("format.signature", "mine"),
        ("format.headers", "X-Mine: 1"),
        ("core.abbrev", "30"),
        ("user.name", "B"),
        ("user.email", "b@example.org"),
        ("format.from", "true"),
        ("format.filenameMaxLength", "12"),
    ):
        git(tree, "config", setting, value)
    assert series_of(tmp_path, WORD) == names


def test_attributes_and_replacements_change_nothing(tmp_path: Path, tree: Path) -> None:
    names = series_of(tmp_path, WORD)
    (tree / ".git/info/attributes").write_text("*.c -diff\n")
    assert series_of(tmp_path, WORD) == names
    git(tree, "replace", "fix/guard~1", "base")
    assert series_of(tmp_path, WORD) == names


def test_a_repository_runs_nothing(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, ran = series_of(tmp_path, WORD), tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\nexec cat\n")
    program.chmod(0o755)
    (tree / ".git/info/attributes").write_text("*.c filter=mine diff=mine\n")
    for setting in (
        *("core.fsmonitor", "filter.mine.clean", "filter.mine.process"),
        *("diff.external", "diff.mine.command", "diff.mine.textconv", "core.pager"),
    ):
        git(tree, "config", setting, str(program))
    (tree / "mm.c").write_text("guard = 7;\n")  # as long as it was, so that it must be read
    assert series_of(tmp_path, WORD) == names
    assert "changes of 1 file are not committed" in capsys.readouterr().err
    assert not ran.exists()


def test_objects_that_are_not_there_are_not_fetched(tmp_path: Path, tree: Path) -> None:
    git(tree, "config", "uploadpack.allowFilter", "true")
    part = tmp_path / "part"
    url = tree.as_uri()
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", url, str(part))
    ran = tmp_path / "ran"
    git(part, "config", "remote.origin.uploadpack", f"touch {ran}; git-upload-pack")
    told = refused(tmp_path, "git:part#base..origin/fix/guard")
    assert f"git in {part}: " in told
    assert not ran.exists()


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


def test_what_is_not_committed_is_not_in_the_range(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = series_of(tmp_path, WORD)
    assert not capsys.readouterr().err
    (tree / "mm.c").write_text("guard = 1;\n")
    assert series_of(tmp_path, WORD) == names
    err = capsys.readouterr().err
    assert "linux: changes of 1 file are not committed, and so not in fix/guard\n" in err
    series_of(tmp_path, "git:linux#base..fix/guard~1")
    assert not capsys.readouterr().err
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", str(tree), str(bare))
    assert series_of(tmp_path, "git:bare.git#base..fix/guard") == names


def test_merges_are_refused(tmp_path: Path, tree: Path) -> None:
    git(tree, "checkout", "-q", "-b", "side", "base")
    (tree / "other.c").write_text("1\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "Aside")
    git(tree, "merge", "-q", "--no-edit", "fix/guard")
    told = refused(tmp_path, "git:linux#base..side")
    assert "1 of its 4 commits are merges" in told and "rebase side on base" in told


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


def test_promises_of_a_range_are_beside_the_campaign(tmp_path: Path, tree: Path) -> None:
    (name,) = series_of(tmp_path, WORD)
    assert load_revision(name) is None
    (tmp_path / "fix-guard").mkdir()
    (tmp_path / "fix-guard/revision.toml").write_text('based_on = "v4"\n')
    told, ours = load_revision(name), load_revision("v4")
    assert told is not None and ours is not None and told.guard == ours.guard
    (tmp_path / "fix-guard/config").write_text("CONFIG_MINE=y\n")
    (other,) = series_of(tmp_path, WORD)
    assert load_series(other, "6.1").config is not None
    assert other != name


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
