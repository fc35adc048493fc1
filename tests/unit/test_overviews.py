"""`runs` lists runs, and `cells` previews a campaign."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.cli.main import main
from memnotify.places import CAMPAIGNS
from memnotify.results.folder import RunFolder
from memnotify.results.runs import runs_below
from memnotify.run import foreseen
from memnotify.run.durations import Durations
from memnotify.store import Store

from tests.support.compared_runs import made_up_run, ok

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "runs"
    entries = [ok("v3", woken=1), ok("v4", woken=2)]
    for name in ("one", "deep/two"):
        made_up_run(root / name, entries)
        if not (root / name / "campaign.toml").exists():
            (root / name / "campaign.toml").write_text(f'name = "{name[-3:]}"\n')
    return root


def test_runs_are_found_wherever_they_are(runs: Path, capsys: Capture) -> None:
    assert main(["runs", str(runs), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in found] == [f"{runs}/deep/two", f"{runs}/one"]
    assert [(row["cells"], row["done"], row["ok"], row["findings"]) for row in found] == [
        (2, 2, 2, 0)
    ] * 2
    assert all(row["size"] > 0 and row["changed"].startswith("20") for row in found)
    assert main(["runs", str(runs), "--sort", "-run"]) == 0
    assert f"{runs}/one" in capsys.readouterr().out.splitlines()[1]


def test_a_run_that_cannot_be_read_is_listed_and_named(runs: Path, capsys: Capture) -> None:
    (runs / "one" / "plan.json").write_text("{")
    assert main(["runs", str(runs)]) == 2
    captured = capsys.readouterr()
    assert f"{runs}/one" in captured.out and f"{runs}/one/plan.json" in captured.err
    assert len(captured.err.splitlines()) == 1


def test_cells_that_have_not_run_count_as_not_done(runs: Path) -> None:
    run = RunFolder(runs / "one")
    first, *_ = run.plan()
    (run.cell(first.id) / "verdict.json").unlink()
    (summary,) = runs_below(run.path)
    assert (summary.cells, summary.done) == (2, 1)


def test_no_runs(tmp_path: Path, capsys: Capture) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        assert main(["runs", str(folder)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_cells_of_a_campaign_without_and_with_known_sources(
    runs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["cells", str(CAMPAIGNS / "demo.toml"), "--base", "6.1"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 12 and {cell["id"] for cell in found} == {None}
    assert all(cell["takes_mib"] > cell["memory_mib"] for cell in found)
    Durations(Store()).note(found[0]["name"], 20.0)
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "no ids with 6.1 v4 x86_64: the source is not in the store" in out
    assert "240 s one after the other, 11 of which are new" in out
    for cell in found[2:]:
        Durations(Store()).note(cell["name"], 20.0)
    assert main(words) == 0
    assert "240 s one after the other, 1 of which is new and counts as" in capsys.readouterr().out
    monkeypatch.setattr(foreseen, "kernel_inputs", lambda request, **_: {"series": request.series})
    assert main([*words, "--json"]) == 0
    ids = {cell["id"] for cell in json.loads(capsys.readouterr().out)}
    assert len(ids) == 12 and all(len(each) == 16 for each in ids)


def test_a_base_that_the_campaign_lacks(runs: Path, capsys: Capture) -> None:
    assert "6.1" in load_campaign(CAMPAIGNS / "demo.toml").table.kernel.base
    assert main(["cells", str(CAMPAIGNS / "demo.toml"), "--base", "6.11"]) == 2
    assert "has no base '6.11' (did you mean 6.1" in capsys.readouterr().err
