"""Series of the user's own that are ranges of git."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.series.own import is_own
from memnotify.series.quilt import load_series, named_series
from memnotify.series.revision import load_revision

from tests.support.own_series import (
    WORD,
    commit,
    git,
    refused,
    repository,
    series_of,
)


@pytest.fixture(autouse=True)
def here(own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return repository(tmp_path)


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
