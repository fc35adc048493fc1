"""Fixes in several forms: which one a tree gets, and what a build says about it."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.kernel.base import load_base
from memnotify.kernel.fixes import fixes_for
from memnotify.model import Arch
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import Series
from memnotify.store import Artifact

from tests.support.fakekernel import TREE, Lab

VMSTAT, SCAN, ALLOC = (
    (TREE / f"mm/{name}.c").read_text() for name in ("vmstat", "vmscan", "page_alloc")
)
NEW_VMSTAT = VMSTAT.replace("zone_free", "zone_pages")
NEW_SCAN = SCAN.replace("reclaim_mapped", "mapped")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Make a base that gets each fix in the form of the folder `old`, or of the folder `new`."""
    lab = Lab(tmp_path / "lab").set_up()
    name_folders(lab, '["fix/old", "fix/new"]')
    return lab


def name_folders(lab: Lab, folders: str, only_if: str = "", can_lack: str = "") -> None:
    file = lab.kernels / "6.1.toml"
    text = file.read_text()
    rest = text[text.index("version =") :]
    top = f"patches = [{folders}]\nonly_if = [{only_if}]\ncan_lack = [{can_lack}]\n"
    file.write_text(top + rest)


def put(lab: Lab, place: str, **files: tuple[str, str]) -> None:
    """Add a patch, `fix/old/0001-x.patch`: for `mm__x_c` the text before ("": none) and after."""
    path = lab.root / "patches" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    diff = ""
    for word, (before, after) in files.items():
        name = word.replace("__", "/").replace("_c", ".c")
        diff += "".join(
            difflib.unified_diff(
                before.splitlines(keepends=True),
                after.splitlines(keepends=True),
                f"a/{name}" if before else "/dev/null",
                f"b/{name}",
            )
        )
    path.write_text(diff)
    names = sorted(patch.name for patch in path.parent.glob("*.patch"))
    (path.parent / "series").write_text("".join(f"{name}\n" for name in names))


def tree(lab: Lab, **files: str) -> Path:
    """Return a copy of the fake tree in which some files have another text."""
    copy = lab.root.parent / "tree"
    shutil.copytree(TREE, copy, dirs_exist_ok=True)
    for word, text in files.items():
        (copy / word.replace("__", "/").replace("_c", ".c")).write_text(text)
    return copy


def fix(text: str, word: str = "fixed") -> tuple[str, str]:
    """Return the text of a file before and after a variable is added below its first line."""
    return text, text.replace("\n", f"\nint {word};\n", 1)


def taken(kernel: Artifact) -> list[list[str]]:
    """Return for each fix the patches taken from it."""
    choices = kernel.facts["choices"]
    return [[part["patch"] for part in choice["taken"]] for choice in choices]


def both_forms(lab: Lab) -> None:
    put(lab, "fix/old/0001-a.patch", mm__vmstat_c=fix(VMSTAT, "old_form"))
    put(lab, "fix/new/0001-a.patch", mm__vmstat_c=fix(NEW_VMSTAT, "new_form"))
    put(lab, "fix/old/0002-b.patch", mm__vmscan_c=fix(SCAN))
    put(lab, "fix/new/0002-b.patch", mm__vmscan_c=fix(NEW_SCAN))


def test_each_fix_comes_in_the_form_that_fits(lab: Lab) -> None:
    both_forms(lab)
    between = lab.build("none", source=tree(lab, mm__vmstat_c=NEW_VMSTAT))
    symbols = between.file("System.map").read_text()
    assert "new_form" in symbols
    assert "old_form" not in symbols
    assert "fixed" in symbols
    assert taken(between) == [["fix/new/0001-a.patch"], ["fix/old/0002-b.patch"]]
    assert between.facts["choices"][0]["forms"] == ["fix/old/0001-a.patch", "fix/new/0001-a.patch"]
    assert "fixes that fit this tree: fix/new: 0001; fix/old: 0002" in lab.said


def test_of_two_forms_that_fit_the_first_is_taken(lab: Lab) -> None:
    for folder in ("old", "new"):
        put(lab, f"fix/{folder}/0001-a.patch", mm__vmstat_c=fix(VMSTAT, f"{folder}_form"))
    assert taken(lab.build("none")) == [["fix/old/0001-a.patch"]]
    name_folders(lab, '["fix/new", "fix/old"]')
    assert taken(lab.build("none")) == [["fix/new/0001-a.patch"]]


def test_the_key_has_what_was_applied_and_nothing_of_the_choice(lab: Lab) -> None:
    both_forms(lab)
    chosen = lab.build("none")
    name_folders(lab, '"fix/old"')
    assert lab.build("none").key == chosen.key
    assert lab.builds() == 1
    name_folders(lab, '["fix/old", "fix/new"]')
    put(lab, "fix/new/0001-a.patch", mm__vmstat_c=fix(NEW_VMSTAT, "another"))
    assert lab.build("none").key == chosen.key
    put(lab, "fix/old/0001-a.patch", mm__vmstat_c=fix(VMSTAT, "another"))
    assert lab.build("none").key != chosen.key


def test_a_fix_fits_what_the_fixes_before_it_leave(lab: Lab) -> None:
    after = fix(VMSTAT)[1]
    put(lab, "fix/old/0001-a.patch", mm__vmstat_c=(VMSTAT, after))
    put(lab, "fix/new/0001-a.patch", mm__vmstat_c=fix(NEW_VMSTAT))
    put(lab, "fix/old/0002-b.patch", mm__vmstat_c=fix(VMSTAT, "too_early"))
    put(lab, "fix/new/0002-b.patch", mm__vmstat_c=fix(after, "then"))
    assert taken(lab.build("none")) == [["fix/old/0001-a.patch"], ["fix/new/0002-b.patch"]]


def test_a_fix_that_fits_in_no_form_names_both_and_the_files(lab: Lab) -> None:
    both_forms(lab)
    source = tree(lab, mm__vmstat_c=VMSTAT.replace("zone_free", "neither"))
    with pytest.raises(InputError) as caught:
        lab.build("none", source=source)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("no form of a fix applies to the tree: ")
    for folder in ("old", "new"):
        assert f"patches/fix/{folder}/0001-a.patch:" in line
    assert line.count("hunk 1 of 1 does not apply to mm/vmstat.c:") == 2
    assert lab.builds() == 0


def test_where_no_form_fits_whole_each_file_takes_the_first_that_fits_it(lab: Lab) -> None:
    put(lab, "fix/old/0001-a.patch", mm__vmscan_c=fix(SCAN, "a"), mm__vmstat_c=fix(VMSTAT, "b"))
    new = {"mm__vmscan_c": fix(NEW_SCAN, "c"), "mm__vmstat_c": fix(NEW_VMSTAT, "d")}
    put(lab, "fix/new/0001-a.patch", **new)
    kernel = lab.build("none", source=tree(lab, mm__vmstat_c=NEW_VMSTAT))
    assert kernel.facts["choices"][0]["taken"] == [
        {"patch": "fix/old/0001-a.patch", "files": ["mm/vmscan.c"]},
        {"patch": "fix/new/0001-a.patch", "files": ["mm/vmstat.c"]},
    ]
    assert [patch["hunks"] for patch in kernel.facts["patches"]] == [1, 1]
    defined = {line.split()[-1] for line in kernel.file("System.map").read_text().splitlines()}
    assert defined >= {"a", "d"}
    assert not defined & {"b", "c"}
    # The same form, taken as a whole, is another kernel.
    whole = lab.build("none", source=tree(lab, mm__vmstat_c=NEW_VMSTAT, mm__vmscan_c=NEW_SCAN))
    assert taken(whole) == [["fix/new/0001-a.patch"]]


def test_a_file_that_no_form_fits_is_named_by_those_that_change_it(lab: Lab) -> None:
    put(lab, "fix/old/0001-a.patch", mm__vmscan_c=fix(SCAN), mm__vmstat_c=fix(VMSTAT))
    put(lab, "fix/new/0001-a.patch", mm__vmscan_c=fix(NEW_SCAN), mm__vmstat_c=fix(NEW_VMSTAT))
    source = tree(lab, mm__vmstat_c=VMSTAT.replace("zone_free", "neither"))
    with pytest.raises(InputError) as caught:
        lab.build("none", source=source)
    assert str(caught.value).count("does not apply to mm/vmstat.c:") == 2
    assert "mm/vmscan.c" not in str(caught.value)


def test_a_driver_is_taken_whole_or_not_at_all(lab: Lab) -> None:
    """The tree has upstream's driver: neither ours nor half of it is wanted."""
    upstream = "int upstream;\n"
    put(lab, "fix/old/0001-driver.patch", mm__ours_c=("", "int ours;\n"), mm__vmstat_c=fix(VMSTAT))
    put(lab, "fix/new/0001-fix.patch", mm__upstream_c=(upstream, upstream + "int repaired;\n"))
    name_folders(lab, '["fix/new", "fix/old"]')
    for folder, symbol in (("old", "SWAP"), ("new", "MEMCG")):
        text = f"CONFIG_{symbol}=y\n"
        (lab.root / f"patches/fix/{folder}/config").write_text(text)
    lab.configure("")
    without = lab.build("none")
    assert taken(without) == [["fix/old/0001-driver.patch"]]
    assert "CONFIG_SWAP=y" in without.file("config").read_text()
    source = tree(lab, mm__upstream_c=upstream)
    with_it = lab.build("none", source=source)
    assert taken(with_it) == [["fix/new/0001-fix.patch"]]
    assert "CONFIG_MEMCG=y" in with_it.file("config").read_text()
    assert "CONFIG_SWAP" not in with_it.file("config").read_text()
    # A third driver of upstream's, which leaves no place for ours.
    source = tree(lab, mm__upstream_c="int other;\n", mm__vmstat_c=NEW_VMSTAT)
    with pytest.raises(InputError, match=r"mm/upstream\.c:1; .*mm/vmstat\.c:1"):
        lab.build("none", source=source)


def test_half_a_driver_is_not_taken_where_the_whole_does_not_fit(lab: Lab) -> None:
    driver = {"mm__ours_c": ("", "int ours;\n"), "mm__vmstat_c": fix(VMSTAT)}
    put(lab, "fix/old/0001-driver.patch", **driver, mm__absent_c=fix("int absent;\n"))
    put(lab, "fix/new/0001-fix.patch", mm__upstream_c=fix("int upstream;\n"))
    with pytest.raises(InputError, match=r"changes mm/absent\.c, which is not in the tree; "):
        lab.build("none")


def test_a_fix_for_files_that_only_some_trees_have_is_left_out_without_them(lab: Lab) -> None:
    both_forms(lab)
    script = "int script;\n"
    put(lab, "fix/new/0003-c.patch", mm__script_c=(script, script + "int repaired;\n"))
    assert taken(lab.build("none"))[-1] == []
    assert "fixes that fit this tree: fix/old: 0001 0002; not needed: 0003" in lab.said
    has_it = lab.build("none", source=tree(lab, mm__script_c=script))
    assert taken(has_it)[-1] == ["fix/new/0003-c.patch"]
    not_applied = r"0003-c\.patch:\d+: hunk 1 of 1 does not apply to mm/script"
    with pytest.raises(InputError, match=not_applied):
        lab.build("none", source=tree(lab, mm__script_c="int another;\n"))
    # A patch in every folder is needed, whatever the tree lacks.
    put(lab, "fix/old/0003-c.patch", mm__script_c=(script, script + "int repaired;\n"))
    (lab.root.parent / "tree/mm/script.c").unlink()
    with pytest.raises(InputError, match=r"changes mm/script\.c, which is not in the tree; "):
        lab.build("none", source=lab.root.parent / "tree")


def test_a_form_that_would_break_a_tree_can_ask_for_a_word_in_it(lab: Lab) -> None:
    """The patch fits both trees, but its code makes sense in only one of them."""
    both_forms(lab)
    put(lab, "fix/old/0003-c.patch", mm__page_alloc_c=fix(ALLOC))
    word = '{ patch = "fix/old/0003-c.patch", file = "mm/vmstat.c", text = "zone_free(" }'
    name_folders(lab, '["fix/old", "fix/new"]', word)
    assert taken(lab.build("none"))[-1] == ["fix/old/0003-c.patch"]
    source = tree(lab, mm__vmstat_c=NEW_VMSTAT)
    assert taken(lab.build("none", source=source))[-1] == []
    put(lab, "fix/new/0003-c.patch", mm__page_alloc_c=fix(ALLOC, "other"))
    assert taken(lab.build("none", source=source))[-1] == ["fix/new/0003-c.patch"]
    put(lab, "fix/new/0003-c.patch", mm__vmscan_c=fix(NEW_SCAN))
    with pytest.raises(InputError) as caught:
        lab.build("none", source=source)
    assert "old/0003-c.patch: for a mm/vmstat.c with 'zone_free(' in it; " in str(caught.value)
    assert "does not apply to mm/vmscan.c" in str(caught.value)
    name_folders(lab, '["fix/old", "fix/new"]', word.replace("0003", "0033"))
    said = (
        r"6\.1\.toml:2: only_if\[0\]\.patch: fix/old/0033-c\.patch is not a form of a fix .*0003-c"
    )
    with pytest.raises(InputError, match=said):
        lab.build("none")


def test_a_kernel_that_can_do_without_a_fix_says_that_it_lacks_it(lab: Lab) -> None:
    both_forms(lab)
    name_folders(lab, '["fix/old", "fix/new"]', can_lack='"fix/old/0001-a.patch"')
    assert taken(lab.build("none")) == [["fix/old/0001-a.patch"], ["fix/old/0002-b.patch"]]
    source = tree(lab, mm__vmstat_c=VMSTAT.replace("zone_free", "neither"))
    lacking, other = lab.build("none", source=source).facts["choices"]
    assert lacking["taken"] == []
    assert lacking["lacks"].count("hunk 1 of 1 does not apply to mm/vmstat.c:1") == 2
    assert "lacks" not in other
    assert "fixes that fit this tree: LACKING: 0001; fix/old: 0002" in lab.said
    name_folders(lab, '["fix/old", "fix/new"]', can_lack='"fix/old/0001-a.patch", "fix/0002"')
    with pytest.raises(InputError, match=r"toml:3: can_lack\[1\]: fix/0002 is not a form of a fix"):
        lab.build("none")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.patch", "a.patch does not begin with a number and -"),
        ("0001-b.patch", "do not increase"),
    ],
)
def test_forms_are_matched_by_number(lab: Lab, name: str, said: str) -> None:
    both_forms(lab)
    put(lab, f"fix/new/{name}", mm__page_alloc_c=fix(ALLOC))
    with pytest.raises(InputError, match=rf"fix/new/series: .*{said}"):
        lab.build("none")


def test_an_empty_list_of_folders_is_refused(lab: Lab) -> None:
    name_folders(lab, "[]")
    with pytest.raises(InputError, match=r"6\.1\.toml:1: "):
        lab.build("none")


def test_bytes_that_are_no_utf8_come_through_a_part(lab: Lab) -> None:
    put(lab, "fix/old/0001-a.patch", mm__vmscan_c=fix(SCAN), mm__vmstat_c=fix(VMSTAT))
    put(lab, "fix/new/0001-a.patch", mm__vmstat_c=fix(NEW_VMSTAT))
    place = lab.root / "patches/fix/old/0001-a.patch"
    place.write_bytes(place.read_bytes().replace(b"int fixed;", b"int fixed; /* caf\xe9 */"))
    source = read_tree(tree(lab, mm__vmstat_c=NEW_VMSTAT.replace("{", "{ /**/")))
    with pytest.raises(InputError, match=r"mm/vmstat\.c:1; "):
        fixes_for(load_base("6.1", root=lab.kernels), source)
    put(lab, "fix/new/0001-a.patch", mm__vmscan_c=fix(NEW_SCAN), mm__vmstat_c=fix(NEW_VMSTAT))
    source = read_tree(tree(lab, mm__vmstat_c=NEW_VMSTAT))
    fixes = fixes_for(load_base("6.1", root=lab.kernels), source)
    made = apply_series(fixes.on(Series(revision="", base="6.1")), source).files["mm/vmscan.c"]
    assert made is not None
    assert b"int fixed; /* caf\xe9 */\n" in made.data


@pytest.mark.parametrize("arch", Arch)
def test_the_base_in_between_knows_both_forms_of_everything(arch: Arch) -> None:
    base = load_base("2.6.24-rc6-mm1")
    assert all(len(folders) > 1 for folders in base.patches)
    assert base.config(arch)
