"""Ranges of git as series: what they are made of, and which words and ranges are refused."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.process import run
from memnotify.series.ranges import patches_of

ALWAYS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"} | {
    f"GIT_{one}_{what}": value
    for one in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A"), ("EMAIL", "a@example.org"))
}
FORM = "the form is git:TREE#BASE..BRANCH, such as git:../linux#v6.1..my-branch"


def git(tree: Path, *words: str) -> str:
    return run(["git", *words], cwd=tree, env=ALWAYS, timeout=60).stdout.strip()


def imported(tree: Path, commits: Iterable[tuple[str, str, str]], *words: str) -> Path:
    """Make a repository with commits of the file mm.c: branch, message, and text of each."""
    tree.mkdir()
    git(tree, "init", "-q", *words)
    stream = ""
    for branch, message, text in commits:
        stream += f"commit refs/heads/{branch}\ncommitter A <a@example.org> 1200000000 +0000\n"
        stream += f"data {len(message)}\n{message}\n"
        stream += f"M 100644 inline mm.c\ndata {len(text)}\n{text}\n"
    run(
        ["git", "fast-import", "--quiet"],
        cwd=tree,
        env=ALWAYS,
        timeout=60,
        input=stream.encode(),
    )
    return tree


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make `linux`, with a tag `base` and a branch `fix/guard` of two commits, checked out."""
    commits = [
        ("fix/guard", "the base", "guard = 10;\n"),
        ("fix/guard", "Five seconds", "guard = 5;\n"),
        ("fix/guard", "Three seconds", "guard = 3;\n"),
    ]
    tree = imported(tmp_path_factory.mktemp("ranges") / "linux", commits)
    git(tree, "tag", "base", "fix/guard~2")
    git(tree, "checkout", "-q", "fix/guard")
    return tree


def refused(word: str, at: Path) -> tuple[str, str | None]:
    with pytest.raises(InputError) as caught, patches_of(word, at):
        pass
    return caught.value.message, caught.value.hint


def test_a_range_is_a_series_of_its_commits(made: Path) -> None:
    at = made.parent
    beside = at / "fix-guard"
    beside.mkdir()
    (beside / "config").write_text("CONFIG_A=y\n")
    end = git(made, "rev-parse", "fix/guard")
    with patches_of("git:linux#base..fix/guard", at) as found:
        assert (found.label, found.origin, found.state) == ("fix-guard", beside, end[:7])
        assert (found.word, found.note) == ("git:linux#base..fix/guard", None)
        (folder,) = found.folders.values()
        assert list(found.folders) == ["any"]
        assert (folder / "series").read_text().splitlines() == [
            "0001-Five-seconds.patch",
            "0002-Three-seconds.patch",
        ]
        assert (folder / "config").read_text() == "CONFIG_A=y\n"
        assert "\n+guard = 3;\n" in (folder / "0002-Three-seconds.patch").read_text()
    assert not folder.exists()
    (beside / "config").unlink()
    with patches_of("git:linux#base..HEAD~1", at) as found:
        (folder,) = found.folders.values()
        assert sorted(path.name for path in folder.iterdir()) == [
            "0001-Five-seconds.patch",
            "series",
        ]


def test_the_tree_may_be_the_folder_itself_in_the_home_of_the_user_or_a_folder_of_a_work_tree(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(made.parent))
    other = tmp_path / "other"
    git(made, "worktree", "add", "-q", str(other), "base")
    try:
        for word, at in (
            ("git:#base..fix/guard", made),
            ("git:~/linux#base..fix/guard", tmp_path),
            ("git:other#base..fix/guard", tmp_path),
        ):
            with patches_of(word, at) as found:
                assert len(list(found.folders["any"].glob("*.patch"))) == 2
                assert found.note is None
    finally:
        git(made, "worktree", "remove", "--force", str(other))


def test_the_end_may_be_what_is_checked_out(made: Path, tmp_path: Path) -> None:
    with patches_of("git:linux#base..HEAD", made.parent) as found:
        assert found.label == "fix-guard"
    git(tmp_path, "clone", "-q", str(made), "copy")
    git(tmp_path / "copy", "checkout", "-q", "--detach")
    with patches_of("git:copy#base..HEAD", tmp_path) as found:
        assert (found.label, found.origin) == ("detached", tmp_path / "detached")


def test_what_is_not_committed_is_noted(made: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(made), "copy")
    copy = tmp_path / "copy"

    def note(end: str = "fix/guard") -> str | None:
        with patches_of(f"git:copy#base..{end}", tmp_path) as found:
            return found.note

    (copy / "untracked").write_text("1\n")
    assert note() is None
    (copy / "mm.c").write_text("guard = 1;\n")
    (copy / "new.c").write_text("1\n")
    git(copy, "add", "new.c")
    assert note() == f"{copy}: changes of 2 files are not committed, and so not in fix/guard"
    assert note("fix/guard~1") is None  # it is not what is checked out
    git(copy, "reset", "-q", "--hard")
    (copy / "mm.c").chmod(0o755)
    assert note() == f"{copy}: changes of 1 file are not committed, and so not in fix/guard"
    git(copy, "config", "core.fileMode", "false")
    assert note() is None
    git(tmp_path, "clone", "-q", "--bare", str(made), "bare")
    with patches_of("git:bare#base..fix/guard", tmp_path) as found:
        assert found.note is None


def test_a_tree_may_be_shallow_or_have_other_digests(made: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth=2", made.as_uri(), "part")
    with patches_of("git:part#HEAD~1..HEAD", tmp_path) as found:
        (patch,) = found.folders["any"].glob("*.patch")
        assert patch.name == "0001-Three-seconds.patch"
    two = [(branch, f"{branch}{number}", "1\n") for branch in "ab" for number in (1, 2)]
    imported(tmp_path / "two", two)
    url = (tmp_path / "two").as_uri()
    git(tmp_path, "clone", "-q", "--depth=1", "--no-single-branch", "-b", "a", url, "tips")
    with patches_of("git:tips#a..origin/b", tmp_path) as found:
        assert (found.folders["any"] / "series").read_text() == "0001-b2.patch\n"
    commits = [("mine", "One", "1\n"), ("mine", "Two", "2\n")]
    tree = imported(tmp_path / "sha256", commits, "--object-format=sha256")
    start, end = (git(tree, "rev-parse", name) for name in ("mine~1", "mine"))
    assert len(end) == 64
    with patches_of(f"git:sha256#{start}..mine", tmp_path) as found:
        assert (found.label, found.state) == ("mine", end[:7])


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("git:linux", "'git:linux' is not a range"),
        ("git:linux#base", "'git:linux#base' is not a range"),
        ("git:linux#base...fix/guard", "'git:linux#base...fix/guard' is not a range"),
        ("git:linux#..fix/guard", "'git:linux#..fix/guard' is not a range"),
        ("git:linux#base..", "'git:linux#base..' is not a range"),
        ("git:linux#--all..a", "'git:linux#--all..a': a commit has no such name"),
        ("git:linux#a..--all", "'git:linux#a..--all': a commit has no such name"),
        ("git:linux#a..b\x1b", r"'git:linux#a..b\x1b': a commit has no such name"),
        ("git:nowhere#a..b", "git:nowhere#a..b: there is no folder {at}/nowhere"),
    ],
)
def test_words_that_are_no_range(tmp_path: Path, word: str, why: str) -> None:
    (tmp_path / "linux").mkdir()
    assert refused(word, tmp_path) == (why.format(at=tmp_path), FORM)


def test_ranges_that_are_no_series(made: Path, tmp_path: Path) -> None:
    at = made.parent
    assert refused("git:linux#base..fix/gaurd", at) == (
        f"{made} has no branch, tag or commit fix/gaurd",
        "did you mean fix/guard?",
    )
    assert refused("git:linux#fix#guard..base", at) == (
        f"{made} has no branch, tag or commit fix#guard",
        "did you mean fix/guard?",
    )
    assert refused("git:linux#zebra..base", at) == (
        f"{made} has no branch, tag or commit zebra",
        "there are: fix/guard, base",
    )
    assert refused("git:linux#fix/guard..base", at) == (
        "git:linux#fix/guard..base: the range has no commits",
        "base adds none",
    )
    (tmp_path / "empty").mkdir()
    why, hint = refused("git:empty#a..b", tmp_path)
    assert why.startswith(f"{tmp_path}/empty is not a git repository: not a git repository")
    assert hint is None
    git(tmp_path, "clone", "-q", str(made), "copy")
    copy = tmp_path / "copy"
    git(copy, "checkout", "-q", "-b", "side", "base")
    (copy / "other.c").write_text("1\n")
    git(copy, "add", "-A")
    git(copy, "commit", "-q", "-m", "Aside")
    git(copy, "merge", "-q", "--no-edit", "fix/guard")
    assert refused("git:copy#base..side", tmp_path) == (
        "git:copy#base..side: 1 of its 4 commits are merges, which no patch can say",
        "rebase side on base",
    )


def test_a_tree_may_have_a_name_that_is_no_text(made: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"tr\xe9e")
    git(tmp_path, "clone", "-q", str(made), name)
    with patches_of(f"git:{name}#HEAD~1..HEAD", tmp_path) as found:
        assert (found.folders["any"] / "series").read_text() == "0001-Three-seconds.patch\n"


def test_of_many_branches_some_are_told(tmp_path: Path) -> None:
    imported(tmp_path / "many", [(f"b{number}", "One", "1\n") for number in range(10, 70)])
    _, hint = refused("git:many#zebra..b10", tmp_path)
    assert hint == f"there are: {', '.join(f'b{number}' for number in range(10, 60))}"


def test_a_series_has_fewer_than_a_thousand_commits(tmp_path: Path) -> None:
    commits = (("mine", f"{number}", f"{number}\n") for number in range(1001))
    tree = imported(tmp_path / "long", commits)
    git(tree, "tag", "base", "mine~1000")
    assert refused("git:long#base..mine", tmp_path) == (
        "git:long#base..mine: 1000 commits are more than a series",
        "start the range at a later commit than base",
    )
    with patches_of("git:long#base..mine~1", tmp_path) as found:
        assert len((found.folders["any"] / "series").read_text().splitlines()) == 999


def test_objects_that_are_not_there_are_what_git_says(made: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(made), "copy")
    blob = git(made, "rev-parse", "fix/guard:mm.c")
    copy = tmp_path / "copy"
    (copy / ".git/objects" / blob[:2] / blob[2:]).unlink()
    why, _ = refused("git:copy#base..fix/guard", tmp_path)
    assert why.startswith(f"git in {copy}: ") and blob in why
