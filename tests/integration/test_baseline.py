"""Baselines: what is kept of a run, and what a later run is told."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from memnotify.results.folder import RunFolder
from memnotify.results.trend import Change, trend_of

from tests.support.compared_runs import made_up_cell, made_up_log, made_up_run, ok


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_of(name: str, woken: int, **changes: Any) -> str:
    entries = [ok("none", woken=0), ok("mine", woken=woken, **changes)]
    return str(made_up_run(Path(name), entries))


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["baseline", *words])
    out, err = capsys.readouterr()
    return status, out, err


def saved(capsys: pytest.CaptureFixture[str], *words: str) -> Path:
    assert said(capsys, "save", "mine", run_of("old", 2), *words)[0] == 0
    return Path("baselines/mine.toml")


def test_the_file_is_small_sorted_and_always_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(capsys, "--fail-if", "wakeups  >  +10%")
    text = file.read_text()
    value = tomllib.loads(text)
    assert (value["schema"], value["limits"]) == (1, ["wakeups > +10%"])
    names = [cell["name"] for cell in value["cell"]]
    assert names == sorted(names) and len(names) == 2
    assert [cell["figures"]["wakeups"] for cell in value["cell"]] == [2, 0]
    assert "gate_to_first_ms" not in value["cell"][1]["figures"]  # nobody woke
    assert "\nwakeups = 2\n" in text and max(map(len, text.splitlines())) < 250
    status, out, _ = said(capsys, "save", "mine", "old")
    assert (status, out) == (0, "baselines/mine.toml: 2 cells, as they were\n")
    assert file.read_text() == text  # with its limits


def test_the_same_again(capsys: pytest.CaptureFixture[str]) -> None:
    saved(capsys)
    status, out, _ = said(capsys, "compare", "mine", run_of("again", 2))
    assert status == 0
    assert "no figure differs (2 settings)" in out
    assert "record by record: identical in all 2 cells" in out


def lossy(name: str) -> str:
    log = dataclasses.replace(made_up_log(2, 250), lost=3)
    entries = [ok("none", woken=0), (made_up_cell("mine"), log, "ok")]
    return str(made_up_run(Path(name), entries))


def test_equal_logs_that_lost_records_are_not_identical(capsys: pytest.CaptureFixture[str]) -> None:
    saved(capsys)
    assert said(capsys, "save", "lossy", lossy("first"))[0] == 0
    for name in ("mine", "lossy"):
        _, out, _ = said(capsys, "compare", name, lossy(f"second of {name}"))
        assert "record by record: identical in 1 of 2 cells, unknown in 1, whose logs lost" in out
    change = trend_of([RunFolder(Path("first")), RunFolder(Path("second of mine"))]).cells
    assert [points[1].change for points in change.values() if points[1]] == [
        Change.IDENTICAL,
        Change.UNKNOWN,
    ]


def test_two_processes_may_save_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, replace = run_of("old", 2), Path.replace

    def after_another(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        assert said(capsys, "save", "mine", run)[0] == 0
        return path.replace(target)

    monkeypatch.setattr(Path, "replace", after_another)
    assert said(capsys, "save", "mine", run)[0] == 0
    assert [path.name for path in Path("baselines").iterdir()] == ["mine.toml"]


def test_a_figure_that_moved(capsys: pytest.CaptureFixture[str]) -> None:
    saved(capsys)
    new = run_of("new", 5, kernel="of an edited patch")
    status, out, _ = said(capsys, "compare", "mine", new)
    assert (status, "identical in 1 of 2 cells" in out) == (1, True)
    assert "FAIL 5 figures moved" in out
    assert said(capsys, "compare", "mine", new, "--fail-if", "wakeups > +3")[0] == 0
    status, out, _ = said(capsys, "compare", "mine", new, "--fail-if", "wakeups > +2")
    assert (status, "FAIL wakeups > +2: wakeups 2 → 5" in out) == (1, True)
    status, out, err = said(capsys, "compare", "mine", new, "--json")
    rows = {(row["setting"]["series"], row["figure"]): row for row in json.loads(out)}
    assert (status, rows["mine", "wakeups"]["change"]) == (1, 3)
    assert "FAIL" in err


def test_the_limits_of_the_file_hold(capsys: pytest.CaptureFixture[str]) -> None:
    saved(capsys, "--fail-if", "wakeups > +10%")
    assert said(capsys, "compare", "mine", run_of("new", 5, kernel="other"))[0] == 1
    assert said(capsys, "compare", "mine", run_of("less", 1, kernel="other"))[0] == 0


def test_another_qemu_is_no_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    saved(capsys)
    status, out, _ = said(capsys, "compare", "mine", run_of("new", 5, hardware="another"))
    assert status == 0
    assert "cells ran with another QEMU or machine than mine" in out
    assert "no evidence: 1 seed" in out


def test_cells_that_are_new_or_gone(capsys: pytest.CaptureFixture[str]) -> None:
    saved(capsys)
    run = made_up_run(Path("new"), [ok("none", woken=0), ok("v4", woken=2)])
    status, out, _ = said(capsys, "compare", "mine", str(run))
    assert status == 1
    assert "new, not in mine: 6.1-v4-x86_64-pc-64M-squeeze-5c-r1" in out
    assert "gone, without results in the run: 6.1-mine-x86_64-pc-64M-squeeze-5c-r1" in out
    more = [ok("none", woken=0), ok("mine", woken=2), ok("v4", woken=2)]
    assert said(capsys, "compare", "mine", str(made_up_run(Path("more"), more)))[0] == 0
    other = made_up_run(Path("other"), [ok("v4", woken=2)])
    status, _, err = said(capsys, "compare", "mine", str(other))
    assert (status, "has no cell of the baseline mine" in err) == (2, True)


def test_a_cell_that_ends_worse(capsys: pytest.CaptureFixture[str]) -> None:
    saved(capsys)
    cell = made_up_cell("mine")
    run = made_up_run(
        Path("new"), [ok("none", woken=0), (cell, made_up_log(2, 250), "finding:panic")]
    )
    status, out, _ = said(capsys, "compare", "mine", str(run), "--fail-if", "wakeups > +10%")
    assert (status, "squeeze-5c-r1: ok → finding:panic" in out) == (1, True)


def test_a_branch_is_the_same_series_at_another_commit(capsys: pytest.CaptureFixture[str]) -> None:
    old = made_up_run(Path("old"), [ok("mine@1a2b3c4", woken=2)])
    new = made_up_run(Path("new"), [ok("mine@5d6e7f8", woken=2, kernel="other")])
    assert said(capsys, "save", "mine", str(old))[0] == 0
    status, out, _ = said(capsys, "compare", "mine", str(new))
    assert (status, "record by record: identical" in out, "gone" in out) == (0, True, False)


def test_a_run_that_is_not_whole(capsys: pytest.CaptureFixture[str]) -> None:
    cell = dataclasses.replace(made_up_cell("mine"), seed=7)
    entries = [ok("mine", woken=2), (cell, None, "infrastructure:qemu-died")]
    status, out, err = said(capsys, "save", "mine", str(made_up_run(Path("run"), entries)))
    assert (status, out) == (0, "baselines/mine.toml: 1 cell\n")
    bad = made_up_run(Path("bad"), entries[1:])
    status, _, err = said(capsys, "save", "mine", str(bad))
    assert (status, err.count("\n"), "no cell of bad has results" in err) == (2, 1, True)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("schema = 1", "schema = 2", ":2: schema 2: this version of memnotify reads schema 1"),
        ("schema = 1\n", "", "no schema: this version of memnotify reads"),
        ("wakeups = 2", "wakeups = ", "baselines/mine.toml:16: "),
        ("wakeups = 2", 'wakeups = "two"', ":16: cell[0].figures.wakeups: must be a number"),
        ("wakeups = 2", "wakups = 2", "there is no figure 'wakups'"),
        ("memory_mib = 64", 'memory_mib = "64"', "memory_mib is missing, or is not a whole number"),
        ("memory_mib = 64, ", "", "memory_mib is missing, or is not a whole number"),
        ('outcome = "ok"', 'outcome = "fine"', "'fine' is not an outcome"),
        ("exact = true\n", "", "exact"),
        ('kernel = "', 'kernl = "', "cell[0].inputs: the keys are not kernel, image, hardware"),
        (', hardware = "', ', hardwar = "', "the keys are not kernel, image, hardware"),
        ("inputs = {", "inputs = {}\n# {", "the keys are not kernel, image, hardware"),
    ],
)
def test_damage_is_one_line(
    capsys: pytest.CaptureFixture[str], old: str, new: str, why: str
) -> None:
    file = saved(capsys)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    status, _, err = said(capsys, "compare", "mine", "old")
    assert (status, err.count("\n")) == (2, 1)
    assert why in err


def test_a_cell_that_is_there_twice(capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(capsys)
    head, _, cell = file.read_text().rpartition("\n[[cell]]")
    file.write_text(f"{head}\n[[cell]]{cell}\n[[cell]]{cell}")
    status, _, err = said(capsys, "compare", "mine", "old")
    assert (status, "occurs twice" in err, "mine.toml:" in err) == (2, True, True)


def test_a_baseline_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    saved(capsys)
    status, _, err = said(capsys, "compare", "mien", "old")
    assert (status, "there is no baseline baselines/mien.toml (did you mean mine?)" in err) == (
        2,
        True,
    )
    status, _, err = said(capsys, "save", "mine", "old", "--fail-if", "wakups > +1")
    assert (status, "--fail-if 'wakups > +1': there is no figure 'wakups'" in err) == (2, True)


@pytest.mark.parametrize("name", [".", "..", " ", "a\n\x1b[31mb", "n" * 300, "-x", "a/b", "../a"])
def test_what_is_no_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(capsys, "save", "--", name, run_of("old", 2))
    assert (status, out, err.count("\n"), "\x1b" in err) == (2, "", 1, False)
    assert "is not a name of a baseline" in err
    assert not Path("baselines").exists()
