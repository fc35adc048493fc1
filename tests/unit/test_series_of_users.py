"""Series of the user's own beside those of the project: where they are found, and new ones."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from memnotify import places
from memnotify.errors import InputError
from memnotify.series import ranges
from memnotify.series.new import new_series
from memnotify.series.own import Found, adopt
from memnotify.series.quilt import (
    MEM_NOTIFY,
    bases_of,
    compared,
    folder_of,
    is_known,
    load_series,
    named_series,
    port_of,
    revisions,
    roots,
)
from memnotify.series.registered import write_facts

V4 = MEM_NOTIFY / "v4/6.1"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv(places.PATH, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data/memnotify"


def put(folder: Path, series: str | None = "a.patch\n", **more: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"a.patch": "1\n"} | ({} if series is None else {"series": series}) | more
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    return folder


def kept(folder: Path, base: str = "any") -> str:
    """Keep a copy of a series; return its name."""
    return adopt(Found(label="mine", folders={base: folder}, origin=folder, word="./mine"))


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of the user's with a port of v4, a revision of their own, and a port of it."""
    folder = tmp_path / "beside"
    ours = folder / "patches/mem_notify"
    put(ours / "v4/mine")
    put(ours / "mine-too/mine")
    put(ours / "mine-too/6.1")
    put(ours / "none/6.1")
    monkeypatch.setenv(places.PATH, str(folder))
    return ours


def original(data: Path, series: str | None = None, revision: str = "v4") -> Path:
    """Register v4 as an original."""
    folder = data / "series/v4-original/6.1"
    shutil.copytree(V4, folder)
    if series is not None:
        (folder / "series").write_text(series)
    write_facts(folder, revision=revision, mails=[], ours=[])
    return folder


def test_folders_beside_ours_have_revisions_and_ports(beside: Path, tmp_path: Path) -> None:
    assert roots() == (MEM_NOTIFY, beside)
    assert roots(tmp_path) == (tmp_path,)
    known = revisions()
    assert known["mine-too"] == ("6.1", "mine")
    assert known["v4"][-1] == "mine" and known["v4"].count("6.1") == 1
    assert "none" not in known
    assert port_of("v4", "mine") == beside / "v4/mine"
    assert port_of("v4", "6.1") == V4
    assert port_of("v4", "6.2") is None
    assert port_of("v4", "mine", root=tmp_path) is None
    assert (folder_of("mine-too"), folder_of("v4")) == (beside / "mine-too", MEM_NOTIFY / "v4")
    series = load_series("v4", "mine")
    assert (series.revision, series.base, series.patches[0].path) == (
        "v4",
        "mine",
        beside / "v4/mine/a.patch",
    )


def test_a_folder_of_series_that_is_not_there_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the data of the project"):
        revisions(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert revisions(tmp_path / "empty") == {}


def test_a_port_that_is_in_two_folders_is_refused(beside: Path) -> None:
    put(beside / "v4/6.1")
    with pytest.raises(InputError, match=rf"series v4 for 6\.1 is also in {V4}"):
        load_series("v4", "6.1")


def test_a_revision_in_another_folder_may_have_the_name_of_ours(tmp_path: Path) -> None:
    folder = put(tmp_path / "patches/v4/6.1")
    (patch,) = load_series("v4", "6.1", root=tmp_path / "patches").patches
    assert patch.path == folder / "a.patch"


def test_which_names_are_known(tmp_path: Path) -> None:
    name = kept(put(tmp_path / "mine"))
    assert is_known("none") and is_known("v4") and is_known(name)
    assert not is_known("mine") and not is_known("v44")
    root = tmp_path / "patches"
    put(root / "v9/6.1")
    assert is_known("none", root=root) and is_known("v9", root=root)
    assert not is_known("v4", root=root) and not is_known(name, root=root)


def test_a_copy_is_a_series_for_its_bases(tmp_path: Path, data: Path) -> None:
    name = kept(put(tmp_path / "mine"))
    assert bases_of(name) == ("any",)
    series = load_series(name, "6.1")
    assert (series.revision, series.base) == (name, "6.1")
    assert series.patches[0].path == data / "own" / name / "any/a.patch"
    # Another folder of series has no copies.
    with pytest.raises(InputError, match=f"there is no series {name}"):
        load_series(name, "6.1", root=put(tmp_path / "patches"))
    with pytest.raises(InputError, match=f"there is no series {name}"):
        bases_of(name, root=tmp_path / "patches")
    one = kept(put(tmp_path / "one", config="CONFIG_A=y\n"), "6.1")
    assert bases_of(one) == ("6.1",)
    with pytest.raises(InputError, match=r"is not for base 6\.2"):
        load_series(one, "6.2")


def test_an_unknown_name_says_where_a_series_could_be(tmp_path: Path) -> None:
    where = (
        "one of your own is named by its folder, ./{0}, or by a range, git:TREE#BASE..{0}: "
        "see docs/howto/own-patch.md"
    )
    with pytest.raises(InputError) as caught:
        bases_of("v44")
    hint = caught.value.hint or ""
    assert caught.value.message == "there is no series v44"
    assert hint.startswith("did you mean v4") and hint.endswith(f"; {where.format('v44')}")
    with pytest.raises(InputError) as caught:
        bases_of("v44", root=put(tmp_path / "patches"))
    assert "own-patch" not in (caught.value.hint or "")
    with pytest.raises(InputError) as caught:
        bases_of("v4-original")
    assert (caught.value.hint or "").endswith("series originals v4` to make it from the mails")


def test_a_registered_original_is_loaded_as_it_is(data: Path) -> None:
    folder = original(data)
    assert revisions()["v4-original"] == bases_of("v4-original") == ("6.1",)
    assert folder_of("v4-original") == folder.parent
    series = load_series("v4-original", "6.1")
    assert (series.revision, series.base) == ("v4-original", "6.1")
    assert [patch.sha256 for patch in series.patches] == [
        patch.sha256 for patch in load_series("v4", "6.1").patches
    ]
    assert {patch.path.parent for patch in series.patches} == {folder}


@pytest.mark.parametrize(
    ("series", "revision", "file"), [("", "v4", "series"), (None, "v5", "original.json")]
)
def test_a_registered_original_that_was_damaged_is_refused(
    data: Path, series: str | None, revision: str, file: str
) -> None:
    folder = original(data, series, revision)
    with pytest.raises(InputError) as caught:
        load_series("v4-original", "6.1")
    assert (caught.value.message, caught.value.file) == (
        f"{folder / file}: is damaged",
        folder / file,
    )
    assert caught.value.hint == "`memnotify series originals` writes it again"


def test_facts_of_another_base_are_not_those_of_this_one(data: Path) -> None:
    folder = original(data)
    other = folder.with_name("6.12")
    shutil.copytree(folder, other)
    (folder / "original.json").write_text("{")
    assert load_series("v4-original", "6.12").patches
    with pytest.raises(InputError, match="is damaged"):
        load_series("v4-original", "6.1")


def test_a_folder_is_named_with_or_without_its_bases(tmp_path: Path) -> None:
    whole = put(tmp_path / "whole", series=None, **{"0001-a.patch": "1\n"})
    found = named_series("./whole", "6.1")
    assert (found.revision, found.base) == ("whole", "6.1")
    assert [patch.path for patch in found.patches] == [Path("whole/0001-a.patch")]
    assert named_series("./whole").base == ""
    assert named_series(str(whole)).patches[0].fuzz == 0
    for base in ("6.1", "5.9"):
        put(tmp_path / "mine" / base, config=f"CONFIG_{base}=y\n")
    found = named_series("./mine", "6.1")
    assert (found.revision, found.base, found.config) == ("mine", "6.1", Path("mine/6.1/config"))
    for other in ("6.2", None):
        with pytest.raises(InputError) as caught:
            named_series("./mine", other)
        assert caught.value.message == "mine: has no patches for that base"
        assert (caught.value.file, caught.value.hint) == (Path("mine"), "for: 5.9, 6.1")
    shutil.rmtree(tmp_path / "mine/5.9")
    assert named_series("./mine").base == "6.1"
    with pytest.raises(InputError, match="has no patches for that base"):
        named_series("./mine", "6.2")


def test_a_range_is_named_as_a_series_for_any_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, asked = put(tmp_path / "mine"), []

    @contextmanager
    def patches_of(word: str, at: Path) -> Iterator[Found]:
        asked.append((word, at))
        yield Found(label="b", folders={"any": mine}, origin=mine, word=word, state="1234567")

    monkeypatch.setattr(ranges, "patches_of", patches_of)
    for base in ("6.1", None):
        found = named_series("git:linux#a..b", base, root=tmp_path)
        assert (found.revision, found.base) == ("b@1234567", base or "")
        assert len(found.patches) == 1
    assert asked == [("git:linux#a..b", Path())] * 2


def test_a_numbered_patch_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (put(tmp_path / "mine", series=None) / "0001-a.patch").mkdir()
    with pytest.raises(InputError) as caught:
        named_series("./mine")
    assert caught.value.message == (
        "mine/series:1: 0001-a.patch is not in the same folder as this file"
    )


def test_a_folder_in_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    put(tmp_path / "home/mine")
    assert len(named_series("~/mine").patches) == 1


def test_a_folder_is_compared_for_the_base_of_the_revision_beside_it(tmp_path: Path) -> None:
    for base in ("6.1", "6.12"):
        put(tmp_path / "mine" / base)
    for words in (("v4/6.12", "./mine"), ("./mine", "v4/6.12")):
        assert [series.base for series in compared(*words)] == ["6.12", "6.12"]
    assert compared("none/6.1", "./mine")[1].base == "6.1"
    for words in (("./mine", "./mine"), ("v4", "./mine"), ("./mine", "v4")):
        with pytest.raises(InputError, match=r"has no patches for that base|for several bases"):
            compared(*words)
    assert [series.base for series in compared("v1/6.1", "v1/6.12")] == ["6.1", "6.12"]
    # Without a base, and beside a folder, nothing says for which.
    put(tmp_path / "two/6.1")
    with pytest.raises(InputError, match="has no patches for that base"):
        compared("two/6.1", "./mine")


def text_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_new_series_has_the_patches_of_a_revision(tmp_path: Path) -> None:
    found = new_series(tmp_path / "some/where/Xmine", "v4", ["6.1", "6.1"])
    assert found == {"6.1": load_series("v4", "6.1")}
    ours, mine = text_of(V4), text_of(tmp_path / "some/where/Xmine")
    assert tomllib.loads(mine.pop("revision.toml")) == {"based_on": "v4"}
    listed = [patch.name for patch in found["6.1"].patches]
    assert mine.pop("series").splitlines() == [
        f"{patch.name} fuzz={patch.fuzz}" if patch.fuzz else patch.name
        for patch in found["6.1"].patches
    ]
    assert mine == {
        name: ours[name] for name in [*listed, *(["config"] if "config" in ours else [])]
    }


def test_a_new_series_for_several_bases_has_a_folder_for_each(tmp_path: Path) -> None:
    found = new_series(tmp_path / "mine", "v4", ["6.12", "6.1"])
    assert list(found) == ["6.12", "6.1"]
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        "6.1",
        "6.12",
        "revision.toml",
    ]
    assert named_series("./mine", "6.12").digest == load_series("v4", "6.12").digest
    assert list(new_series(tmp_path / "all", "v4", [])) == list(bases_of("v4"))


def test_a_new_series_keeps_fuzz_and_options_and_promises_only_what_was_promised(
    tmp_path: Path,
) -> None:
    name = kept(put(tmp_path / "mine", "a.patch fuzz=2\n", config="CONFIG_A=y\n"))
    new_series(tmp_path / "new", name, [])
    assert text_of(tmp_path / "new") == {
        "series": "a.patch fuzz=2\n",
        "a.patch": "1\n",
        "config": "CONFIG_A=y\n",
    }


@pytest.mark.parametrize(
    ("folder", "origin", "wanted", "message", "hint"),
    [
        ("mine", "none", [], "none has no patches to start from", "--from v4, for example"),
        ("mine", "v4", ["6.1", "6.2"], "v4 has no patches for 6.2", "did you mean"),
        (
            "a\nb",
            "v4",
            [],
            r"'a\nb': no campaign could name this folder",
            "use no control characters, quotes or backslashes",
        ),
        ('a"b', "v4", [], "'a\"b': no campaign could name this folder", "use no control"),
        ("a\\b", "v4", [], r"'a\\b': no campaign could name this folder", "use no control"),
        ("there", "v4", [], "there: there is a file or a folder of this name already", ""),
    ],
)
def test_a_series_that_cannot_be_made(
    tmp_path: Path, folder: str, origin: str, wanted: list[str], message: str, hint: str
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError) as caught:
        new_series(Path(folder), origin, wanted)
    assert caught.value.message == message
    assert (caught.value.hint or "").startswith(hint)
    assert (caught.value.file is not None) == (folder == "there")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
