"""A source that the user gave is found again, and not taken for what it has become since."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.kernel.base import load_base
from memnotify.kernel.given import told_of_given
from memnotify.kernel.source import ensure_source, fetch_source, remember_source
from memnotify.kernel.stored import kept_source

from tests.support.fakekernel import TREE, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path).set_up()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TREE, tmp_path / "tree"))


def test_a_tree_that_was_built_is_the_source_of_later_builds(lab: Lab, tree: Path) -> None:
    base = load_base("6.1", root=lab.kernels)
    built = lab.build("none", source=tree)
    assert kept_source(base, store=lab.store) is None, "a build of a run uses it once"
    digest = str(built.inputs["source"])
    line = remember_source(base, digest, str(tree), store=lab.store)
    assert line is not None and line.startswith(f"6.1 is built from {tree} from now on; ")
    kept = kept_source(base, store=lab.store)
    assert kept is not None and kept.digest == digest
    assert (
        told_of_given(base, store=lab.store) == f"6.1 is built from {tree}, as it was given before"
    )


def test_a_tree_that_has_changed_since_is_told_and_not_taken(lab: Lab, tree: Path) -> None:
    base = load_base("6.1", root=lab.kernels)
    first = fetch_source(base, str(tree), store=lab.store, progress=lab.said.append)
    (tree / "mm/vmstat.c").write_text("int changed;\n")
    said = told_of_given(base, store=lab.store)
    assert said is not None
    assert said.startswith(f"6.1 is built from a copy of {tree}, which has changed since: ")
    assert f"kernel fetch 6.1 --source {tree}` takes what it is now" in said
    again = ensure_source(base, None, store=lab.store, progress=lab.said.append)
    assert again.digest == first.digest
    fetch_source(base, str(tree), store=lab.store, progress=lab.said.append)
    assert (
        told_of_given(base, store=lab.store) == f"6.1 is built from {tree}, as it was given before"
    )
    shutil.rmtree(tree)
    assert told_of_given(base, store=lab.store) is not None, "the store has it"


def test_nothing_is_told_of_a_source_that_nobody_gave(lab: Lab) -> None:
    assert told_of_given(load_base("6.1", root=lab.kernels), store=lab.store) is None


def test_the_command_keeps_what_it_built_from(
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lab: Lab,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "kernels/6.1.toml").rename(tmp_path / "kernels/lab.toml")
    folder = ["--base-dir", str(tmp_path)]
    assert main([*folder, "kernel", "build", "lab", "--source", str(tree)]) == 0
    assert f"lab is built from {tree} from now on" in capsys.readouterr().err
    assert main([*folder, "kernel", "build", "lab"]) == 0
    assert "Linux 6.1.7 none x86_64" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "sublevel", "said"),
    [
        ("6.12", None, "it is base 6.1: `[^`]*kernel build 6.1 --source "),
        ("6.12", 99, "`[^`]*kernel new NAME --like 6.12 --source [^`]*` adds a base for it"),
    ],
)
def test_another_version_is_told_with_what_to_do(
    asked: str, sublevel: int | None, said: str, tree: Path, lab: Lab
) -> None:
    makefile = tree / "Makefile"
    if sublevel is not None:
        text = makefile.read_text().replace("PATCHLEVEL = 1", f"PATCHLEVEL = {sublevel}")
        makefile.write_text(text)
    with pytest.raises(InputError, match=rf"this is Linux 6\.\S+, which is not 6\.12 \({said}"):
        fetch_source(load_base(asked), str(tree), store=lab.store, progress=lab.said.append)
