"""The commands `kernel` and `series` as users type them: output, one-line errors, exit status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from memnotify.cli.main import main

from tests.support.fakekernel import TREE


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_fetched_source_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel", "fetch", "6.1", "--source", str(TREE)]) == 0
    assert "Linux 6.1.7" in capsys.readouterr().out
    assert main(["kernel", "list", "--json"]) == 0
    rows = {row["base"]: row for row in json.loads(capsys.readouterr().out)}
    row = rows["6.1"]
    assert row["source"]["version"] == "6.1.7"
    assert row["source"]["origin"] == str(TREE)
    assert set(row["arches"]) == {"i386", "x86_64"}
    assert {"none", "v4"} <= set(row["series"])
    assert row["builds"] == []
    assert main(["kernel", "list"]) == 0
    assert "6.1.7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kernel", "build", "5.9"], "no base is called 5.9"),
        (["kernel", "build", "6.1", "--series", "v0"], "there is no series v0"),
        (["kernel", "build", "6.1", "--source", "/nonexistent"], "no such tree or tarball"),
        (["kernel", "fetch", "6.1", "--source", "/nonexistent"], "no such tree or tarball"),
        (["series", "apply", "v4", "--tree", "/nonexistent"], "not a kernel source tree"),
        (
            ["series", "apply", "v4", "--base", "6.1", "--for", "6.1"],
            "--for can only be used with --tree",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("memnotify: ")
    assert said in line


def test_a_series_that_does_not_fit_a_tree_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(TREE, tree)
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert main(["series", "apply", "v4", "--tree", str(tree)]) == 2
    assert "which is not in the tree" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before
    assert main(["series", "apply", "none", "--tree", str(tree), "--check"]) == 0
    assert "applies to" in capsys.readouterr().out
