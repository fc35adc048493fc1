"""Copies of series of the user's own: their names, their content, and where they came from."""

from __future__ import annotations

import errno
import json
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.files import draft_folder
from memnotify.series import own
from memnotify.series.own import (
    ANY,
    Found,
    adopt,
    bases,
    branch_of,
    folder_for,
    is_own,
    is_word,
    label_of,
    means,
    origin_of,
    promises_file,
    root,
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data/memnotify/own"


def put(folder: Path, text: str = "1\n", **more: str) -> Path:
    """Write a series of one patch, and other files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"series": "\n# a comment\na.patch fuzz=1\n", "a.patch": text, **more}
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    return folder


def found(folder: Path, *, state: str | None = None, label: str = "mine") -> Found:
    return Found(label=label, folders={ANY: folder}, origin=folder, word="./mine", state=state)


@pytest.mark.parametrize(
    "word", [".", "..", "./a", "../a", "/a", "~/a", "git:a#b..c", "mail:a", "./"]
)
def test_words_that_name_no_revision(word: str) -> None:
    assert is_word(word)


@pytest.mark.parametrize("word", ["v4", "a/b", ".a", "..a", "~a", "gita", "mine@1a2b3c4"])
def test_words_that_may_name_a_revision(word: str) -> None:
    assert not is_word(word)


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("git:../linux#v6.1..my/branch", "my-branch"),
        ("git:a..b#v6.1..refs/heads/mine", "mine"),
        ("git:#refs/heads/mine", "mine"),
        ("git:x#a.." + "b" * 90, "b" * 48),
        ("git:x#a..é", "mine"),
        ("git:x#a..-_.wip_.-", "wip"),
        ("mail:<1.2@example.org>", "1.2"),
        ("mail:<1.2>", "1"),
        ("mail:in/thread.mbox", "thread"),
        ("mail:a-b@example.org", "a-b"),
        ("./some/where/Mine_2", "Mine_2"),
        ("./some/../here/", "here"),
        ("./X-mas-X", "X-mas-X"),
        ("~", "home"),
        ("/", "mine"),
    ],
)
def test_the_label_of_a_word(word: str, label: str) -> None:
    assert label_of(word) == label


def test_what_a_word_means() -> None:
    assert means("./mine", "mine@1a2b3c4") and means("v4", "v4") and means("./v4", "v4")
    assert not means("./mine", "mine2@1a2b3c4") and not means("mine", "mine@1a2b3c4")
    assert (branch_of("mine@1a2b3c4"), branch_of("v4")) == ("mine", "v4")


def test_a_copy_has_what_belongs_to_the_series(tmp_path: Path, data: Path) -> None:
    mine = put(tmp_path / "mine", config="CONFIG_A=y\n", b_patch="2\n", notes="x\n")
    (mine / "revision.toml").write_text('based_on = "v4"\n')
    name = adopt(found(mine))
    assert root() == data
    assert name.startswith("mine@") and len(name) == len("mine@") + 7
    assert is_own(name) and not is_own("mine") and not is_own("mine@0000000")
    assert sorted(path.name for path in (data / name / ANY).iterdir()) == [
        "a.patch",
        "config",
        "series",
    ]
    assert (data / name / ANY / "a.patch").read_text() == "1\n"
    assert (data / name / "revision.toml").read_text() == 'based_on = "v4"\n'
    facts = json.loads((data / name / "own.json").read_text())
    assert facts.keys() == {"content", "origin", "word"}
    assert (facts["origin"], facts["word"]) == (str(mine), "./mine")
    assert origin_of(name) == mine and origin_of("mine") is None


def test_the_same_content_has_the_same_name(tmp_path: Path, data: Path) -> None:
    name = adopt(found(put(tmp_path / "mine")))
    other = put(tmp_path / "other")
    assert adopt(found(other, state="1234567")) == name
    assert origin_of(name) == other  # where it was seen last
    assert adopt(found(other)) == name
    for changed in (
        put(tmp_path / "one", text="2\n"),
        put(tmp_path / "two", series="a.patch\n"),
        put(tmp_path / "three", config="CONFIG_A=y\n"),
    ):
        assert adopt(found(changed)) != name
    assert adopt(found(tmp_path / "mine", label="yours")).startswith("yours@")
    assert len(list(data.iterdir())) == 5
    plain = Found(label="mine", folders={"6.1": tmp_path / "mine"}, origin=tmp_path, word="w")
    assert adopt(plain) != name  # for one base, and not for any


def test_a_comment_of_a_series_file_may_be_no_text(tmp_path: Path, data: Path) -> None:
    mine = put(tmp_path / "mine")
    (mine / "series").write_bytes(b"# \xff\na.patch\n")
    copy = data / adopt(found(mine)) / ANY
    assert sorted(path.name for path in copy.iterdir()) == ["a.patch", "series"]


def test_a_name_is_made_of_the_state_of_a_branch(tmp_path: Path, data: Path) -> None:
    one = adopt(found(put(tmp_path / "one", text="1\n"), state="1234567"))
    two = adopt(found(put(tmp_path / "two", text="2\n"), state="1234567"))
    assert one == "mine@1234567"
    digest = json.loads((data / two / "own.json").read_text())["content"]
    assert two == f"{one}-{digest[:4]}" and is_own(two)
    # That name also may be of another series already.
    (data / two / "own.json").write_text('{"content": "else"}')
    three = adopt(found(tmp_path / "two", state="1234567"))
    assert three == f"{one}-{digest}" and is_own(three)
    (data / three / "own.json").write_text("[]")
    with pytest.raises(FileExistsError, match="is not what its name says") as caught:
        adopt(found(tmp_path / "two", state="1234567"))
    assert (caught.value.errno, caught.value.filename) == (errno.EEXIST, str(data / three))
    assert caught.value.strerror == "is not what its name says"


def test_another_process_may_keep_the_same_copy_at_the_same_time(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = put(tmp_path / "mine")
    made: list[str] = []

    def after_another(parent: Path) -> AbstractContextManager[Path]:
        monkeypatch.setattr(own, "draft_folder", draft_folder)
        made.append(adopt(found(mine)))
        return draft_folder(parent)

    monkeypatch.setattr(own, "draft_folder", after_another)
    assert adopt(found(mine)) == made[0]
    assert [path.name for path in data.iterdir()] == made


def test_a_copy_that_cannot_be_put_there_is_an_error_of_the_file_system(
    tmp_path: Path, data: Path
) -> None:
    data.mkdir(parents=True)
    (data / "mine@1234567").write_text("")
    with pytest.raises(NotADirectoryError):
        adopt(found(put(tmp_path / "mine"), state="1234567"))


def test_facts_that_are_damaged_are_none(tmp_path: Path, data: Path) -> None:
    name = adopt(found(put(tmp_path / "mine")))
    for text in ("{", "[]", '"x"', "\xff"):
        (data / name / "own.json").write_text(text, encoding="latin-1")
        assert promises_file(name) == data / name / "revision.toml"
    assert promises_file("gone@1234567") == data / "gone@1234567/revision.toml"


def test_promises_are_where_the_series_came_from(tmp_path: Path, data: Path) -> None:
    mine = put(tmp_path / "mine")
    name = adopt(found(mine))
    assert promises_file(name) == mine / "revision.toml"
    mine.rename(tmp_path / "aside")
    assert promises_file(name) == data / name / "revision.toml"


def test_the_patches_for_a_base(tmp_path: Path, data: Path) -> None:
    name = adopt(found(put(tmp_path / "mine")))
    assert bases(name) == (ANY,)
    assert folder_for(name, "6.1") == folder_for(name, ANY) == data / name / ANY
    several = {base: put(tmp_path / base, text=base) for base in ("6.12", "6.1")}
    two = adopt(Found(label="two", folders=several, origin=tmp_path, word="./two"))
    assert bases(two) == ("6.1", "6.12")
    assert folder_for(two, "6.12") == data / two / "6.12"
    assert (data / two / "6.12/a.patch").read_text() == "6.12"
    with pytest.raises(InputError) as caught:
        folder_for(two, "6.2")
    assert caught.value.message == f"series {two} is not for base 6.2"
    assert caught.value.hint == "it is for: 6.1, 6.12"
