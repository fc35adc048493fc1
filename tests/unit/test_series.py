"""Series: reading quilt's files, and strict application."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.series import registered
from memnotify.series.quilt import (
    MEM_NOTIFY,
    base_for_version,
    bases_of,
    compared,
    folder_of,
    load_series,
    makefile_version,
    named_series,
    read_series_file,
    revisions,
    series_lines,
    write_prefix,
)

from tests.support.series_files import MAKEFILE, put_series

OPTIONS = "options are -p1 and fuzz=0, 1 or 2"


def test_a_series_file_gives_patches_in_order(tmp_path: Path) -> None:
    root = put_series(
        tmp_path,
        "# a comment\n\nb.patch -p1 fuzz=2   # why\na.patch\n",
        a_patch="one",
        b_patch="two",
    )
    patches = load_series("v9", "6.1", root=root).patches
    assert [(patch.name, patch.fuzz) for patch in patches] == [("b.patch", 2), ("a.patch", 0)]


@pytest.mark.parametrize(
    ("entry", "said", "hint"),
    [
        ("a.patch -R", "-R is not a known option", OPTIONS),
        ("a.patch -p0", "-p0 is not a known option", OPTIONS),
        ("a.patch fuzz=3", "fuzz=3 is not a known option", OPTIONS),
        ("a.patch fuzz=1 fuzz=2", "fuzz=2: too many options", None),
        ("b.patch", "b.patch is not in the same folder as this file", None),
        (
            "../a.patch",
            "../a.patch is not a plain file name",
            "patches must be in the same folder as this file",
        ),
    ],
)
def test_a_wrong_line_of_a_series_file_is_named(
    tmp_path: Path, entry: str, said: str, hint: str | None
) -> None:
    (tmp_path / "a.patch").write_text("x")
    file = tmp_path / "series"
    file.write_text(f"# first\n{entry}\n")
    with pytest.raises(InputError) as caught:
        read_series_file(file)
    assert caught.value.message == f"{file}:2: {said}"
    assert caught.value.hint == hint


def test_an_unknown_revision_lists_what_there_is(tmp_path: Path) -> None:
    root = put_series(tmp_path, "")
    (root / "v8").mkdir()  # no series in it
    assert revisions(root) == {"v9": ("6.1",)}
    with pytest.raises(InputError, match=r"there is no series v7 \(there are: none, v9\)"):
        load_series("v7", "6.1", root=root)
    with pytest.raises(InputError, match=r"not for base 2\.6\.24 \(it is for: 6\.1\)"):
        load_series("v9", "2.6.24", root=root)


def test_the_lines_of_a_series_file_are_kept_whole(tmp_path: Path) -> None:
    root = put_series(tmp_path, "# no\na.patch\n  b#1.patch  fuzz=1 # why\n")
    for name in ("a.patch", "b#1.patch"):
        (root / "v9/6.1" / name).write_text("x")
    lines = series_lines(root / "v9/6.1/series")
    assert [(patch.name, patch.fuzz, line) for patch, line in lines] == [
        ("a.patch", 0, "a.patch"),
        ("b#1.patch", 1, "  b#1.patch  fuzz=1 # why"),
    ]
    missing = root / "v9/6.2/series"
    with pytest.raises(InputError, match="cannot be read: ") as told:
        series_lines(missing)
    assert told.value.file == missing


def test_an_import_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    root = put_series(tmp_path, "")
    folder = root / "v9/6.1"
    (folder / ".memnotify-import").mkdir()
    assert named_series(str(folder)).patches == ()
    (folder / ".memnotify-import/names").write_text("")
    for word in (str(folder), "v9/6.1"):
        said = r": an import into this folder was interrupted, or is still running \(`"
        with pytest.raises(InputError, match=said) as told:
            named_series(word, root=root)
        assert told.value.file == folder
        assert told.value.hint == (
            "`memnotify series import` into it restores the previous contents and continues"
        )


def two_bases(tmp_path: Path) -> Path:
    """Write revision v9 for 5.9 and 6.1, and v8 for 6.1."""
    root = put_series(tmp_path, "a.patch\n", a_patch="x")
    for folder in ("v9/5.9", "v8/6.1"):
        (root / folder).mkdir(parents=True)
        (root / folder / "series").write_text("")
    return root


def test_a_series_is_named_by_revision_and_base_or_as_a_folder(tmp_path: Path) -> None:
    root = two_bases(tmp_path)

    def found(word: str, base: str | None = None) -> tuple[str, str, int]:
        series = named_series(word, base, root=root)
        return series.revision, series.base, len(series.patches)

    assert found("v8") == ("v8", "6.1", 0)
    assert found("v9/6.1") == found("v9", "6.1") == found("v9/6.1", "6.1") == ("v9", "6.1", 1)
    assert found("v9/5.9") == ("v9", "5.9", 0)
    assert found("none") == ("none", "", 0)
    assert found("none/6.1") == found("none", "6.1") == ("none", "6.1", 0)
    folder = str(root / "v9/6.1")
    assert found(folder) == ("6.1", "", 1)
    assert found(folder, "6.2") == ("6.1", "6.2", 1)


@pytest.mark.parametrize(
    ("word", "base", "said", "hint"),
    [
        ("v9", None, "v9 has patches for several bases", "name one: v9/5.9, v9/6.1"),
        ("v9/6.1", "5.9", "v9/6.1 is not for base 5.9", "v9/5.9 may be"),
        (
            "v7/6.1",
            None,
            "v7/6.1 is neither a folder nor the name of a series",
            "there are: none, v8, v9",
        ),
        ("v7", None, "there is no series v7", "there are: none, v8, v9"),
        ("v9/6.2", None, "series v9 is not for base 6.2", "it is for: 5.9, 6.1"),
    ],
)
def test_a_name_of_no_series_is_refused(
    tmp_path: Path, word: str, base: str | None, said: str, hint: str
) -> None:
    with pytest.raises(InputError) as told:
        named_series(word, base, root=two_bases(tmp_path))
    assert (told.value.message, told.value.hint) == (said, hint)


def test_a_folder_without_a_series_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r": this folder has no `series` file$") as told:
        named_series(str(tmp_path), root=two_bases(tmp_path / "patches"))
    assert told.value.file == tmp_path


def test_originals_of_the_user_stand_beside_the_projects_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = revisions()
    with pytest.raises(InputError, match="there is no series v4-original") as told:
        bases_of("v4-original")
    assert "series originals v4` to make it from the mails" in (told.value.hint or "")
    added = {"v4": ("0.1",), "v4-original": ("2.6.24",)}
    monkeypatch.setattr(registered, "registered", lambda: added)
    monkeypatch.setattr(registered, "root", lambda: tmp_path)
    assert revisions() == before | {"v4-original": ("2.6.24",)}
    assert bases_of("v4-original") == ("2.6.24",)
    assert folder_of("v4-original") == tmp_path / "v4-original"
    assert folder_of("v4") == MEM_NOTIFY / "v4"
    assert folder_of("v7") == MEM_NOTIFY / "v7"
    # Another folder of series has no originals.
    root = two_bases(tmp_path / "patches")
    assert revisions(root).keys() == {"v8", "v9"}
    assert folder_of("v4-original", root=root) == root / "v4-original"


def test_two_revisions_are_compared_for_the_base_that_both_are_for(tmp_path: Path) -> None:
    root = two_bases(tmp_path)
    one, other = compared("v9", "v8", root=root)
    assert [(each.revision, each.base) for each in (one, other)] == [("v9", "6.1"), ("v8", "6.1")]
    one, other = compared("v8", "v9", root=root)
    assert [(each.revision, each.base) for each in (one, other)] == [("v8", "6.1"), ("v9", "6.1")]
    one, other = compared("v8", str(root / "v9/6.1"), root=root)
    assert [(each.revision, each.base) for each in (one, other)] == [("v8", "6.1"), ("6.1", "")]
    one, other = compared("v9/5.9", "v8", root=root)
    assert [(each.revision, each.base) for each in (one, other)] == [("v9", "5.9"), ("v8", "6.1")]
    with pytest.raises(InputError, match="v9 has patches for several bases"):
        compared("v9", "v9", root=root)


def test_the_first_patches_are_written_as_a_series_with_their_fuzz(tmp_path: Path) -> None:
    files = {"a_patch": "one", "b_patch": "two"}
    root = put_series(tmp_path / "patches", "a.patch fuzz=2\nb.patch\n", **files)
    series = load_series("v9", "6.1", root=root)
    assert write_prefix(series, 0, tmp_path / "out") == "none"
    assert not (tmp_path / "out").exists()
    for count, name, text in (
        (1, "v9-first-1", "a.patch fuzz=2\n"),
        (2, "v9", "a.patch fuzz=2\nb.patch\n"),
    ):
        folder = tmp_path / "out" / name / "6.1"
        for _ in range(2):  # what was there before is replaced
            assert write_prefix(series, count, tmp_path / "out") == name
            assert (folder / "series").read_text() == text
            assert len(list(folder.iterdir())) == count + 1
            (folder / "stale.patch").write_text("")
        assert (folder / "a.patch").read_text() == "one"


def test_none_fits_every_base(tmp_path: Path) -> None:
    assert load_series("none", "anything", root=tmp_path).patches == ()


def test_the_digest_follows_content_and_strictness(tmp_path: Path) -> None:
    digests = []
    for series, text in (
        ("a.patch\n", "1"),
        ("a.patch\n", "2"),
        ("a.patch fuzz=1\n", "2"),
        ("# no matter\na.patch fuzz=1\n", "2"),
    ):
        put_series(tmp_path, series, a_patch=text)
        digests.append(load_series("v9", "6.1", root=tmp_path).digest)
    assert len(set(digests)) == 3
    assert digests[2] == digests[3]
    (tmp_path / "v9/6.1/config").write_text("CONFIG_A=y\n")
    assert load_series("v9", "6.1", root=tmp_path).digest not in digests


def test_the_first_patches_have_the_options_that_no_later_one_adds(tmp_path: Path) -> None:
    def adding(*options: str) -> str:
        return "".join(f"+{line}\n" for line in options)

    root = put_series(
        tmp_path / "patches",
        "a.patch\nb.patch\nc.patch\n",
        a_patch=adding("config LAMP", "\tdepends on MOTH"),
        b_patch=adding("menuconfig MOTH"),
        c_patch=adding("\tselect LAMP", "int moth;"),
    )
    options = ["# Why.", "CONFIG_LAMP=y", "# CONFIG_MOTH is not set", "CONFIG_OF_THE_BASE=y"]
    (root / "v9/6.1/config").write_text("".join(f"{line}\n" for line in options))
    series = load_series("v9", "6.1", root=root)
    for count, left_out in ((1, 2), (2, None), (3, None)):
        name = write_prefix(series, count, tmp_path)
        got = (tmp_path / name / "6.1/config").read_text().splitlines()
        assert got == [line for at, line in enumerate(options) if at != left_out]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (MAKEFILE, "6.1.192"),
        ("VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 24\nEXTRAVERSION = -rc6-mm1\n", "2.6.24-rc6-mm1"),
        ("VERSION = 7\nPATCHLEVEL = 0\n", "7.0"),
        ("VERSION = 7\n", None),
        ("PATCHLEVEL = 7\n", None),
        ("all:\n\techo VERSION = 1\n", None),
    ],
)
def test_the_version_is_the_makefiles(text: str, version: str | None) -> None:
    assert makefile_version(text) == version


@pytest.mark.parametrize(
    ("version", "base"),
    [("6.1.192", "6.1"), ("6.1", "6.1"), ("6.12.118", "6.12"), ("2.6.24", "2.6.24")],
)
def test_the_variant_is_chosen_by_version(tmp_path: Path, version: str, base: str) -> None:
    put_series(tmp_path, "")
    put_series(tmp_path / "more", "")
    for other in ("2.6.24", "6.12"):
        (tmp_path / "v9" / other).mkdir()
        (tmp_path / "v9" / other / "series").write_text("")
    assert base_for_version("v9", version, root=tmp_path) == base


@pytest.mark.parametrize("version", ["6.10.3", "6.2", "2.6.24-rc6-mm1"])
def test_a_version_without_a_variant_is_refused(tmp_path: Path, version: str) -> None:
    put_series(tmp_path, "")
    with pytest.raises(InputError, match="has no variant for Linux") as told:
        base_for_version("v9", version, root=tmp_path)
    hint = told.value.hint or ""
    assert "--for 6.1, or v9/6.1" in hint and "--base" not in hint


def test_a_version_without_a_variant_is_told_all_variants(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no variant for Linux") as told:
        base_for_version("v9", "6.2", root=two_bases(tmp_path))
    assert (told.value.hint or "").endswith("; there are patches for 5.9, 6.1")


def test_the_options_of_patches_that_are_no_text_and_have_no_last_newline(tmp_path: Path) -> None:
    root = put_series(tmp_path / "patches", "a.patch\nb.patch\nc.patch\n", a_patch="", b_patch="")
    folder = root / "v9/6.1"
    (folder / "b.patch").write_bytes(b"caf\xe9\n+config LAMP\n")
    (folder / "c.patch").write_bytes(b"+config MOTH")
    (folder / "config").write_text("CONFIG_LAMP=y\nCONFIG_MOTH=y\nCONFIG_OTHER=y\n")
    name = write_prefix(load_series("v9", "6.1", root=root), 1, tmp_path)
    assert (tmp_path / name / "6.1/config").read_text() == "CONFIG_OTHER=y\n"


def test_the_projects_own_series_are_well_formed() -> None:
    known = revisions()
    assert known.keys() >= {"v1", "v2", "v3", "v4", "v5", "v6"}
    for revision, bases in known.items():
        assert bases
        for base in bases:
            patches = load_series(revision, base).patches
            assert any(patch.path.parent.parent.name == revision for patch in patches)


def test_the_empty_address_of_an_author_is_no_part_of_a_patch(tmp_path: Path) -> None:
    """`git am` requires it, and no kernel is to get another key by it."""
    texts = ("From: Ada\n\nx <>\n", "From: Ada <>\n\nx <>\n", "From: Ada <a@b>\n\nx <>\n")
    digests = []
    for text in texts:
        (tmp_path / "1.patch").write_text(text)
        (tmp_path / "series").write_text("1.patch\n")
        digests.append(read_series_file(tmp_path / "series")[0].sha256)
    assert digests[0] == digests[1] == hashlib.sha256(texts[0].encode()).hexdigest()
    assert digests[2] == hashlib.sha256(texts[2].encode()).hexdigest()
