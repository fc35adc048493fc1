"""Strict application of a series: what applies, with which offset and fuzz, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.kernel.apply import apply_to_tree
from memnotify.kernel.tree import write_files
from memnotify.series.apply import Application, apply_series, read_tree
from memnotify.series.quilt import (
    load_series,
    tree_version,
)

from tests.support.series_files import MAKEFILE, contents, diff, lines, put_series


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make a tree with a Makefile and one file of forty lines."""
    tree = tmp_path / "tree"
    (tree / "mm").mkdir(parents=True)
    (tree / "Makefile").write_text(MAKEFILE)
    (tree / "mm/vmscan.c").write_text(lines())
    return tree


def apply(root: Path, tree: Path) -> Application:
    return apply_series(load_series("v9", "6.1", root=root), read_tree(tree))


def test_patches_build_on_each_other(tmp_path: Path, tree: Path) -> None:
    first = lines((5, "five"))
    second = lines((5, "5"))
    root = put_series(
        tmp_path / "patches",
        "a.patch\nb.patch\n",
        a_patch=diff({"mm/vmscan.c": lines()}, {"mm/vmscan.c": first, "mm/new.c": "int x;\n"}),
        b_patch=diff({"mm/vmscan.c": first, "Makefile": MAKEFILE}, {"mm/vmscan.c": second}),
    )
    before = contents(tree)
    applied = apply(root, tree)
    assert contents(tree) == before
    write_files(tree, applied.files)
    assert (tree / "mm/vmscan.c").read_text() == second
    assert (tree / "mm/new.c").read_text() == "int x;\n"
    assert [(done.hunks, done.shifted) for done in applied.patches] == [(2, ()), (1, ())]


def test_a_deleted_file_is_deleted(tmp_path: Path, tree: Path) -> None:
    patch = diff({"mm/vmscan.c": lines()}, {"mm/vmscan.c": None})
    root = put_series(tmp_path / "patches", "a.patch\n", a_patch=patch)
    write_files(tree, apply(root, tree).files)
    assert sorted(contents(tree)) == ["Makefile"]


def test_an_offset_is_recorded(tmp_path: Path, tree: Path) -> None:
    patch = diff({"mm/vmscan.c": lines()}, {"mm/vmscan.c": lines((5, "five"), (30, "thirty"))})
    root = put_series(tmp_path / "patches", "a.patch\n", a_patch=patch)
    (tree / "mm/vmscan.c").write_text("one more\nand another\n" + lines())
    (done,) = apply(root, tree).patches
    assert [(h.file, h.hunk, h.offset, h.fuzz) for h in done.shifted] == [
        ("mm/vmscan.c", 1, 2, 0),
        ("mm/vmscan.c", 2, 2, 0),
    ]


def test_fuzz_is_refused_unless_the_series_allows_it(tmp_path: Path, tree: Path) -> None:
    patch = diff({"mm/vmscan.c": lines()}, {"mm/vmscan.c": lines((5, "five"))})
    root = put_series(tmp_path / "patches", "a.patch\n", a_patch=patch)
    (tree / "mm/vmscan.c").write_text(lines((2, "changed")))
    with pytest.raises(InputError, match="would apply with fuzz=1"):
        apply(root, tree)
    put_series(tmp_path / "patches", "a.patch fuzz=1\n")
    applied = apply(root, tree)
    assert [hunk.fuzz for hunk in applied.patches[0].shifted] == [1]
    state = applied.files["mm/vmscan.c"]
    assert state is not None
    assert state.data.decode() == lines((2, "changed"), (5, "five"))


def test_a_failed_hunk_shows_what_it_expected_and_what_is_there(tmp_path: Path, tree: Path) -> None:
    good = diff({"mm/vmscan.c": lines()}, {"mm/vmscan.c": lines((1, "one"))})
    bad = diff({"mm/vmscan.c": lines()}, {"mm/vmscan.c": lines((5, "five"), (30, "thirty"))})
    root = put_series(tmp_path / "patches", "a.patch\nb.patch\n", a_patch=good, b_patch=bad)
    (tree / "mm/vmscan.c").write_text(lines((29, "other"), (30, "wholly"), (31, "here")))
    before = contents(tree)
    with pytest.raises(InputError) as caught:
        apply(root, tree)
    said = str(caught.value)
    at = bad.split("\n").index("@@ -27,7 +27,7 @@") + 1
    assert said.startswith(
        f"{root}/v9/6.1/b.patch:{at}: hunk 2 of 2 does not apply to mm/vmscan.c:27\n"
    )
    rows = [line.split() for line in said.splitlines()[2:]]
    assert ["line", "28", "|", "28", "line", "28"] in rows
    assert ["!", "line", "30", "|", "30", "wholly"] in rows
    assert contents(tree) == before


def test_a_patch_that_is_in_the_tree_already_is_told(tmp_path: Path, tree: Path) -> None:
    patch = diff({"mm/vmscan.c": lines()}, {"mm/vmscan.c": lines((5, "five"))})
    root = put_series(tmp_path / "patches", "a.patch\n", a_patch=patch)
    (tree / "mm/vmscan.c").write_text(lines((5, "five")))
    with pytest.raises(InputError, match="already in the tree"):
        apply(root, tree)


@pytest.mark.parametrize("name", ["b/../outside.c", "b/mm/../../outside.c", "/outside.c"])
def test_a_path_out_of_the_tree_is_refused(tmp_path: Path, tree: Path, name: str) -> None:
    patch = f"--- /dev/null\n+++ {name}\n@@ -0,0 +1 @@\n+x\n"
    root = put_series(tmp_path / "patches", "a.patch\n", a_patch=patch)
    with pytest.raises(InputError, match="leads out of the tree"):
        apply(root, tree)
    assert not list(tmp_path.rglob("outside.c"))


def test_a_link_out_of_the_tree_is_not_followed(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tree / "arch").symlink_to(tmp_path / "elsewhere")
    root = put_series(
        tmp_path / "patches", "a.patch\n", a_patch=diff({}, {"arch/new.c": "int x;\n"})
    )
    with pytest.raises(InputError, match="leads out of the tree"):
        apply(root, tree)


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("no diff at all\n", "there is no diff"),
        ("--- a/mm/vmscan.c\n+++ b/mm/vmscan.c\n@@ -1,5 +1,5 @@\n-line 1\n", "not a unified diff"),
        (diff({"mm/gone.c": "a\n"}, {"mm/gone.c": "b\n"}), "mm/gone.c, which is not in the tree"),
        (diff({}, {"mm/vmscan.c": "x\n"}), "creates mm/vmscan.c, which already exists"),
    ],
)
def test_a_patch_that_cannot_apply_says_why(
    tmp_path: Path, tree: Path, patch: str, said: str
) -> None:
    root = put_series(tmp_path / "patches", "a.patch\n", a_patch=patch)
    with pytest.raises(InputError, match=said):
        apply(root, tree)


def test_writing_leaves_files_alone_that_are_right(tmp_path: Path, tree: Path) -> None:
    patch = diff({"mm/vmscan.c": lines()}, {"mm/vmscan.c": lines((5, "five"))})
    root = put_series(tmp_path / "patches", "a.patch\n", a_patch=patch)
    applied = apply(root, tree)
    write_files(tree, applied.files)
    first = (tree / "mm/vmscan.c").stat()
    write_files(tree, applied.files)
    assert (tree / "mm/vmscan.c").stat() == first


def test_a_user_tree_is_patched_by_its_own_version(tree: Path) -> None:
    where, applied = apply_to_tree("none", tree)
    assert (where, applied.patches) == (tree, ())
    assert tree_version(tree) == "6.1.192"
    (tree / "Makefile").write_bytes(b"# caf\xe9\n" + MAKEFILE.encode())
    assert tree_version(tree) == "6.1.192"
    (tree / "Makefile").unlink()
    said = "not a kernel source tree: no Makefile that states VERSION and PATCHLEVEL"
    with pytest.raises(InputError, match=f": {said}$") as told:
        apply_to_tree("none", tree)
    assert told.value.file == tree


def test_a_revision_may_be_named_with_its_base(tree: Path) -> None:
    assert apply_to_tree("none/6.1", tree)[1].patches == ()
    with pytest.raises(InputError, match="which is not in the tree"):
        apply_to_tree("v4/6.1", tree)
    with pytest.raises(InputError, match=r"series v4 is not for base 5.9"):
        apply_to_tree("v4/5.9", tree)
    with pytest.raises(InputError, match=r"v4/6.1 is not for base 2.6.24"):
        apply_to_tree("v4/6.1", tree, variant="2.6.24")
    with pytest.raises(InputError, match=r"v7/6.1 is neither a folder nor the name of a series"):
        apply_to_tree("v7/6.1", tree)
