"""Comparing a run with one after a change: by run, by build, and with limits."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.results.changes import changes
from memnotify.results.comparison import NotOneCell, compare_runs

from tests.support.compared_runs import Entry, made_up_cell, made_up_log, made_up_run, ok

OLD, NEW = "before the change", "after the change"


def loop(path: Path, woken: int, *, kernel: str = NEW, **changes: Any) -> Path:
    """Make a run of an edited series, with the unpatched base beside it."""
    entries = [ok("none", woken=0, **changes), ok("mine", woken=woken, kernel=kernel, **changes)]
    return made_up_run(path, entries)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return loop(tmp_path / "old", 2, kernel=OLD)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return loop(tmp_path / "new", 5)


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main(["compare", *map(str, words)])
    out, err = capsys.readouterr()
    return status, out, err


def test_two_runs_of_one_campaign_are_compared_as_runs(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotOneCell, match=r"--by run or --by build"):
        compare_runs([old, new], by="series")
    status, out, _ = said(capsys, old, new)
    assert (status, said(capsys, old, new, "--by", "run")[1]) == (0, out)
    assert "by run, 2 runs in each group: series none mine" in out
    (herd,) = (line.split() for line in out.splitlines() if "herd" in line)
    assert herd[:6] == ["mine", "herd", "(clients)", "2", "5", "+3"]
    assert "(+150 %)  1 seed, which repeats exactly" in out
    assert "no figure differs in 1 setting" in out
    assert "new against old, record by record: identical in 1 of 2 runs, different in 1" in out
    assert "gate_to_last" not in out  # the table of medians has every figure


def test_one_series_alone_has_the_table_of_medians(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = said(capsys, old, new, "--by", "run", "--only", "series=mine")
    (herd,) = (line.split() for line in out.splitlines() if line.startswith("herd"))
    assert herd == ["herd", "(clients)", "2", "5"]


def test_the_same_again_is_identical(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = loop(tmp_path / "again", 2)
    status, out, _ = said(capsys, old, again, "--fail-if", "wakeups > +0")
    assert status == 0
    assert "again against old, record by record: identical in all 2 runs" in out
    assert "no figure differs (2 settings)" in out
    assert out.splitlines()[-1] == "1 limit, 2 settings: none broken"


def test_builds_of_a_kernel(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, old, new, "--by", "build", "--json")
    rows = json.loads(out)
    herd = {row["group"]: row["median"] for row in rows if row["metric"] == "herd"}
    assert (status, herd) == (0, {"none kernel o": 0, "mine before t": 2, "mine after th": 5})


def test_limits(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, old, new, "--fail-if", "wakeups > +10%")
    assert status == 1
    assert (
        "FAIL wakeups > +10%: wakeups 2 → 5, +3 wakeups (+150 %); 1 seed, which repeats exactly; "
        "series mine; new against old"
    ) in out
    assert said(capsys, old, new, "--fail-if", "wakeups > +3")[0] == 0
    assert said(capsys, new, old, "--fail-if", "wakeups < -10%")[0] == 1
    status, out, err = said(capsys, old, new, "--fail-if", "wakeups > +10%", "--json")
    assert (status, len(json.loads(out)) > 10) == (1, True)
    assert "FAIL wakeups > +10%" in err
    status, _, err = said(capsys, old, new, "--fail-if", "wakups > +10%")
    assert (status, err.count("\n")) == (2, 1)
    assert "--fail-if 'wakups > +10%': there is no figure 'wakups' (did you mean wakeups?" in err
    status, _, err = said(capsys, old, "--only", "series=mine", "--fail-if", "wakeups > +10%")
    assert (status, "there is only one" in err) == (2, True)


def test_the_verdict_of_limits_is_for_programs_too(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = [word for text in ("wakeups > +10%", "wakeups > +3") for word in ("--fail-if", text)]
    status, out, _ = said(capsys, old, new, *limits, "--json")
    rows = {(row["metric"], row["group"]): row["fail_if"] for row in json.loads(out)}
    first, second = rows["wakeups", "new"]
    assert status == 1
    assert (first["limit"], first["verdict"], first["unclear"]) == ("wakeups > +10%", "broken", [])
    (change,) = first["broken"]
    assert (change["before"], change["after"], change["setting"]) == (2, 5, {"series": "mine"})
    assert (second["limit"], second["verdict"], second["broken"]) == ("wakeups > +3", "held", [])
    assert rows["wakeups", "old"] == rows["herd", "new"] == []
    assert all("fail_if" not in row for row in json.loads(said(capsys, old, new, "--json")[1]))


def test_cells_without_results_are_no_pass(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = loop(tmp_path / "again", 2)
    (one, _) = sorted((again / "cells").iterdir())
    shutil.rmtree(one)
    status, out, err = said(capsys, old, again, "--fail-if", "wakeups > +0")
    assert (status, out.splitlines()[-1].endswith("none broken")) == (1, True)
    assert err == "--fail-if: 1 cell could not be checked: no results\n"
    rows = json.loads(said(capsys, old, again, "--fail-if", "wakeups > +0", "--json")[1])
    assert {limit["unchecked_cells"] for row in rows for limit in row["fail_if"]} == {1}
    assert said(capsys, old, again)[0] == 0


def test_the_best_evidence_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def entries(kernel: str, add: int) -> list[Entry]:
        few = [
            ok("mine", woken=1 + 4 * add, kernel=kernel, clients=3)  # one seed
        ]
        many = [
            ok("mine", woken=2 + add, seed=seed, first_ms=250 + seed, kernel=kernel)
            for seed in range(1, 8)
        ]
        return few + many

    old = made_up_run(tmp_path / "old", entries(OLD, 0))
    new = made_up_run(tmp_path / "new", entries(NEW, 1))
    status, out, _ = said(capsys, old, new, "--fail-if", "wakeups > +10%")
    failed = [line for line in out.splitlines() if line.startswith("FAIL")]
    assert (status, len(failed)) == (1, 2)
    assert "p 0.016, δ +1.00, 7 seeds; clients 5" in failed[0]
    assert "1 seed, which repeats exactly; clients 3" in failed[1]


@pytest.mark.parametrize("why", ["real time", "lost records", "another QEMU"])
def test_what_may_be_of_the_host_is_no_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    old = made_up_run(tmp_path / "old", [ok("mine", woken=2, kernel=OLD)])
    cell, log = made_up_cell("mine", kernel=NEW), made_up_log(5, 250)
    if why == "another QEMU":
        cell = dataclasses.replace(cell, hardware="another")
    if why == "lost records":
        log = dataclasses.replace(log, lost=1)
    new = made_up_run(tmp_path / "new", [(cell, log, "ok")])
    if why == "real time":
        for file in new.glob("cells/*/verdict.json"):
            text = file.read_text().replace('"exact"', '"real-time"')
            file.write_text(text)
            _seal(file.parent)
    status, out, _ = said(capsys, old, new, "--fail-if", "wakeups > +10%")
    assert (status, "FAIL" in out) == (0, False)
    assert "unclear wakeups > +10%: wakeups 2 → 5" in out
    assert "no evidence: 1 seed; a test needs 6" in out
    assert out.splitlines()[-1] == "1 limit, 1 setting: none broken, 1 unclear"


def _seal(folder: Path) -> None:
    from memnotify.results.folder import read_manifest, seal_results

    manifest = read_manifest(folder).to_json()
    seal_results(folder, {key: value for key, value in manifest.items() if key != "seal"})


def test_a_branch_is_the_same_series_at_another_commit(tmp_path: Path) -> None:
    old = made_up_run(tmp_path / "old", [ok("mine@1a2b3c4", woken=2)])
    new = made_up_run(tmp_path / "new", [ok("mine@5d6e7f8", woken=5)])
    found = compare_runs([old, new], by="run")
    assert [one.change.by for one in changes(found) if one.figure == "wakeups"] == [3]
    assert found.same["series"] == "mine"
    # Side by side in one run they are two series.
    both = made_up_run(
        tmp_path / "both", [ok("mine@1a2b3c4", woken=2), ok("mine@5d6e7f8", woken=5)]
    )
    assert len(compare_runs([both], by="series").rows) == len(found.rows)
    again = compare_runs([both, old], by="run")
    assert again.left_out == 1


def test_runs_that_cannot_be_compared(old: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is 1 run"):
        compare_runs([old], by="run")
    with pytest.raises(InputError, match="there is 1 run"):
        compare_runs([old, old], by="run")
    other = made_up_run(tmp_path / "other", [ok("v4", woken=2)])
    with pytest.raises(InputError, match=r"use --by series, or --by build"):
        compare_runs([old, other], by="run")
    twin = loop(tmp_path / "elsewhere" / "old", 5)
    assert {row.group for row in compare_runs([old, twin], by="run").rows} == {str(old), str(twin)}
