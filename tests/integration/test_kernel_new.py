"""A base of the user's own, proposed for a made-up tree and tried on it."""

from __future__ import annotations

import difflib
import json
import shutil
from pathlib import Path

import pytest
from memnotify import places
from memnotify.cli.main import main
from memnotify.kernel.base import load_base
from memnotify.kernel.kconfig import options_of_tree, why_not
from memnotify.kernel.new_base import _pattern
from memnotify.model import Arch

from tests.support.fakekernel import TREE, Lab

BAD = """\
--- a/mm/vmstat.c
+++ b/mm/vmstat.c
@@ -1 +1,2 @@
 no such line
+/* does not fit */
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the base `old`, whose configuration and fixes the tree takes only in part."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lab = Lab(tmp_path / "own").set_up()
    text = (lab.kernels / "6.1.toml").read_text()
    text = 'patches = ["toolchain/old", "guest/old"]\n' + text.replace(r"6\\.1", r"5\\.0")
    (lab.kernels / "old.toml").write_text(text)
    (lab.kernels / "6.1.toml").unlink()
    lab.configure("CONFIG_SWAP=y\nCONFIG_GONE=y\n# CONFIG_MEMCG is not set\n")
    before = (TREE / "mm/vmstat.c").read_text().splitlines(keepends=True)
    after = [*before, "/* fits */\n"]
    good = "".join(difflib.unified_diff(before, after, "a/mm/vmstat.c", "b/mm/vmstat.c"))
    for folder, patches in (
        ("toolchain/old", {"0001-good.patch": good, "0002-bad.patch": BAD}),
        ("guest/old", {"0001-bad.patch": BAD}),
        ("mem_notify/mine/old", {"0001-bad.patch": BAD}),
    ):
        place = lab.root / "patches" / folder
        place.mkdir(parents=True)
        for name, patch in patches.items():
            (place / name).write_text(patch)
        (place / "series").write_text("".join(f"{name}\n" for name in patches))
    monkeypatch.setenv(places.PATH, str(lab.root))
    return lab.root


def new(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    words = ["kernel", "new", "fresh", "--like", "old", "--source", str(TREE), *more]
    status = main(words)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_what_the_tree_lacks_is_said_line_by_line(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, told = new(capsys)
    assert status == 0
    for step in ("packing ", "reading the Kconfig files for x86_64", "trying mine for old"):
        assert step in told, "what takes long on a whole tree is said before it begins"
    lines = out.splitlines()
    assert lines[0] == "Linux 6.1.7, as old:"
    assert "base 6.1 is also for trees of this version" in lines
    assert "x86_64: the tree takes 2 of 3 options" in lines
    assert "  CONFIG_GONE=y, for x86_64: this tree has no such option" in lines
    bad = "does not fit: hunk 1 of 1 in mm/vmstat.c"
    assert f"  toolchain/old/0002-bad.patch {bad}" in lines
    assert f"  guest/old/0001-bad.patch {bad}" in lines
    assert "mine: 0 of 1 patches fit" in lines
    assert f"wrote {own}/kernels/fresh.toml" in lines
    after = lines[lines.index("next:") :]
    assert any("kernel build fresh" in line for line in after)
    assert not any("export" in line for line in after), "the folder is known already"


def test_what_was_written_builds_without_a_further_word(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new(capsys)[0] == 0
    base = load_base("fresh")
    assert base.table.patches == [["toolchain/fresh"]]
    kept = own / "patches/toolchain/fresh"
    assert (kept / "series").read_text() == "0001-good.patch\n"
    assert base.config(Arch.X86_64)[-1] == own / "kernels/fragments/fresh.config"
    assert base.accepts("6.1.99") and not base.accepts("6.2.1")
    assert main(["kernel", "build", "fresh"]) == 0
    assert "Linux 6.1.7 none x86_64" in capsys.readouterr().out


def test_another_folder_must_be_made_known(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    status, out, _ = new(capsys, "-o", str(there))
    assert status == 0
    assert f"  export {places.PATH}={there}" in out.splitlines()
    assert (there / "kernels/fresh.toml").is_file()


def test_rows_for_programs(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = new(capsys, "--json")
    row = json.loads(out)
    assert status == 0
    assert row["version"] == "6.1.7" and row["asked"] == {"x86_64": 3}
    (lacking,) = row["lacking"]
    assert (lacking["line"], lacking["got"], lacking["arches"]) == (
        "CONFIG_GONE=y",
        None,
        ["x86_64"],
    )
    assert row["series"] == {"mine": ["0001-bad.patch"]}


def test_a_tree_that_cannot_be_configured_is_still_described(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(TREE, tree)
    text = (tree / "Makefile").read_text().replace("allnoconfig:\n", "allnoconfig:\n\tno-such\n")
    (tree / "Makefile").write_text(text)
    words = ["kernel", "new", "fresh", "--like", "old", "--source", str(tree)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "x86_64: the configuration could not be tried: fresh x86_64 failed to build: " in out
    assert (own / "kernels/fresh.toml").is_file()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("old", "there is a base old already"),
        ("6.1", "there is a base 6.1 already"),
        ("none", "'none' is no name"),
        ("a b", "'a b' is no name"),
        ("../x", "'../x' is no name"),
    ],
)
def test_names_that_are_refused(
    name: str, said: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kernel", "new", name, "--like", "old", "--source", str(TREE)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("version", "pattern"),
    [
        ("6.18.3", r"6\.18\.\d+"),
        ("7.4.0", r"7\.4\.\d+"),
        ("2.6.25", r"2\.6\.25(\.\d+)?"),
        ("2.6.25.4", r"2\.6\.25(\.\d+)?"),
        ("7.4.0-rc3", r"7\.4\.0-rc3"),
        ("6.1.7-mine+", r"6\.1\.7-mine\+"),
    ],
)
def test_stable_releases_of_a_version_are_one_base(version: str, pattern: str) -> None:
    assert _pattern(version) == pattern


def test_why_a_line_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "arch/arm").mkdir(parents=True)
    (tmp_path / "arch/arm/Kconfig").write_text("config ELSEWHERE\n\tbool\n")
    (tmp_path / "Kconfig").write_text(
        "menuconfig SLOW\n\tbool\n\tdepends on FAST && !OTHER\n\tdepends on MEMORY\n"
        "config FREE\n\tbool\n"
    )
    known = options_of_tree(tmp_path)
    had = {"CONFIG_FAST": "y"}
    assert why_not("CONFIG_ELSEWHERE", known, had) == "this tree has no such option"
    assert why_not("CONFIG_SLOW", known, had) == (
        "Kconfig:1 depends on FAST && !OTHER && MEMORY: MEMORY is not set"
    )
    other = {"CONFIG_FAST": "y", "CONFIG_MEMORY": "y", "CONFIG_OTHER": "y"}
    assert why_not("CONFIG_SLOW", known, other).endswith(": OTHER is set")
    assert why_not("CONFIG_FREE", known, had).startswith("Kconfig:5: ")
