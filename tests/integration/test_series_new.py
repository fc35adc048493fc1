"""`memnotify series new`: a series to edit, made from a revision."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.series.quilt import load_series, named_series
from memnotify.series.revision import load_revision


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def digests(word: str, base: str) -> list[str]:
    return [patch.sha256 for patch in named_series(word, base).patches]


def test_a_series_for_one_base(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["series", "new", "mine", "--from", "v4", "--base", "6.1"]) == 0
    out = capsys.readouterr().out
    assert "mine: 5 patches of v4 for 6.1" in out
    assert 'series = ["v4", "./mine"]' in out
    ours = [patch.sha256 for patch in load_series("v4", "6.1").patches]
    assert digests("./mine", "6.1") == ours
    assert tomllib.loads(Path("mine/revision.toml").read_text()) == {"based_on": "v4"}
    mine = load_revision("mine", root=Path.cwd())
    v4 = load_revision("v4")
    assert mine is not None and v4 is not None and mine.guard == v4.guard
    assert main(["series", "diff", "v4/6.1", "./mine", "--stat"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and all(" = " in line for line in lines)


def test_a_series_for_all_bases_of_a_revision(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["series", "new", "some/where/mine", "--from", "v1"]) == 0
    out = capsys.readouterr().out
    assert "some/where/mine/2.6.24: " in out and "some/where/mine/6.12: " in out
    ours = load_series("v1", "6.12")
    assert digests("./some/where/mine", "6.12") == [patch.sha256 for patch in ours.patches]
    found = named_series("./some/where/mine", "6.12")
    assert found.config is not None and ours.config is not None
    assert found.config.read_text() == ours.config.read_text()
    # The other side names the base.
    assert main(["series", "diff", "v1/6.12", "./some/where/mine", "--stat"]) == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["mine", "--from", "v44"], "there is no series v44"),
        (["mine", "--from", "none"], "none has no patches to start from"),
        (["mine", "--from", "v4", "--base", "6.2"], "v4 has no patches for 6.2"),
        (["there", "--from", "v4"], "there: there is a file or a folder of this name already"),
    ],
)
def test_what_cannot_be_made(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    (here / "there").mkdir()
    assert main(["series", "new", *words]) == 2
    err = capsys.readouterr().err
    assert why in err and err.count("\n") == 1
    assert sorted(path.name for path in here.iterdir()) == ["there"]


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", 'a"b', "a\\b"])
def test_a_name_that_no_campaign_could_hold(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["series", "new", name, "--from", "v4", "--base", "6.1"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), "\x1b" in err, list(here.iterdir())) == ("", 1, False, [])
    assert "no campaign could name this folder" in err
