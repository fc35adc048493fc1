"""`memnotify check`: its output, its data, and its exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from memnotify.check.exercise import needed
from memnotify.check.promises import Invariant
from memnotify.cli.main import main
from memnotify.records.layout import Kind
from memnotify.records.parquet import write_records
from memnotify.results.folder import RunFolder, seal_results
from memnotify.results.promises import check_run, promises_of
from memnotify.series.revision import load_revision

from tests.support.checked import V4, cell
from tests.support.madeup import OF_V4, MadeUp


def nothing() -> MadeUp:
    made = replace(V4, batch=0).run()
    made.change(made.of(Kind.DEVICE)[0], present=0, errno=2)
    for number in made.of(Kind.CLIENT):
        made.change(number, errno=2)
    return made


def wrong() -> MadeUp:
    made = V4.run()
    made.change(made.of(Kind.DEVICE)[0], mode=0o600)
    made.change(made.of(Kind.ZONE)[-1], status=1)
    return made


def test_a_run_that_keeps_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell(tmp_path, 1, "none", nothing())
    cell(tmp_path, 2, "v4", V4.run())
    cell(tmp_path, 3, "v4", None)  # has not run, or has no log
    assert main(["check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "2 cells, 10 promises: " in out
    assert " 0 broken, " in out
    assert "BROKEN" not in out
    assert len(out.splitlines()) == 8


def test_a_broken_promise_is_named_with_its_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = cell(tmp_path, 1, "v4", made := wrong())
    assert main(["check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    log = tmp_path / "cells" / name / "records.parquet"
    assert f"{log}: record 0: at 0.000 s: promised /dev/mem_notify 1:13, mode 0444" in out
    assert f"{log}: record {len(made.rows) - 122}: at 29.950 s: promised status 0 above" in out
    assert "BROKEN 1/1" in out
    assert f"{name} device: broken 1 time\n" in out
    assert out.splitlines()[-1].startswith("1 cell, ")


def test_data_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = cell(tmp_path, 1, "v4", wrong())
    assert main(["check", str(tmp_path), "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert {row["cell"] for row in rows} == {name}
    found = {row["invariant"]: row for row in rows}
    assert found.keys() == OF_V4
    device = found["device"]
    assert (device["tested"], device["broken"], device["verdict"]) == (1, 1, "broken")
    assert device["records"] == device["breaks"][0]["records"] == [0]
    assert (device["base"], device["series"], device["memory_mib"]) == ("6.1", "v4", 64)
    assert found["guard"]["verdict"] == "kept"


def test_a_run_without_any_promise_is_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    series = tmp_path / "series"
    (series / "mine/6.1").mkdir(parents=True)
    (series / "mine/6.1/series").write_text("")
    run = tmp_path / "run"
    name = cell(run, 1, "mine", V4.run())
    (checked,) = check_run(RunFolder(run), root=series)
    found = checked.to_json()
    assert (found["cell"], found["invariant"], found["tested"], found["broken"]) == (
        name,
        None,
        0,
        0,
    )
    monkeypatch.setattr(
        "memnotify.cli.check.check_run", lambda run, **_: check_run(run, root=series)
    )
    assert main(["check", str(run)]) == 2
    said = capsys.readouterr()
    assert "mine: no promises on file; add them to revision.toml" in said.out
    assert "no promises of mine are on file: nothing was checked" in said.err


@pytest.mark.parametrize("damage", ["no run", "no log", "bad log"])
def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    if damage != "no run":
        name = cell(tmp_path, 1, "v4", None)
    if damage == "bad log":
        folder = tmp_path / "cells" / name
        (folder / "records.parquet").write_text("PAR1")
        seal_results(folder, {"id": name, "outcome": "ok"})
    assert main(["check", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(tmp_path) in lines[0]


def test_damage_is_not_hidden_by_what_follows_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = cell(tmp_path, 1, "v4", V4.run())
    (tmp_path / "cells" / name / "records.parquet").write_text("PAR1")
    assert main(["check", str(tmp_path)]) == 2
    damage, line = capsys.readouterr().err.splitlines()
    assert "records.parquet: changed since it was written" in damage
    assert f"no cell of {tmp_path} that is not damaged has a log" in line


def test_promises_are_read_from_the_revision_of_each_cell(tmp_path: Path) -> None:
    """A batch of 100 is v4's, and too large for v5."""
    cell(tmp_path, 1, "v4", V4.run())
    cell(tmp_path, 2, "v5", V4.run())
    rows = [checked.to_json() for checked in check_run(RunFolder(tmp_path))]
    broken = {(row["series"], row["invariant"]) for row in rows if row["broken"]}
    assert broken == {("v5", Invariant.BATCH)}


def test_a_series_that_is_gone_has_no_promises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell(tmp_path, 1, "of-last-year", V4.run())
    cell(tmp_path, 2, "v4", V4.run())
    assert main(["check", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "of-last-year: no promises on file; " in out
    assert "2 cells, 8 promises: " in out
    assert "no promises of of-last-year are on file: its cells were not checked" in err


def test_the_promises_of_another_revision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch of 100 is v4's, and too large for v5; without a series there is nothing to ask."""
    cell(tmp_path, 1, "of-last-year", V4.run())
    cell(tmp_path, 2, "none", V4.run())
    assert main(["check", str(tmp_path), "--against", "v5", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    found = {(row["series"], row["promised_by"], row["invariant"]) for row in rows if row["broken"]}
    assert ("of-last-year", "v5", "batch") in found
    assert {by for series, by, _ in found if series == "none"} == {"none"}
    assert main(["check", str(tmp_path), "--against", "v4"]) == 1
    assert "against the promises of v4\n" in capsys.readouterr().out
    for wrong, why in (("v44", "there is no series v44"), ("none", "no promises of none are")):
        assert main(["check", str(tmp_path), "--against", wrong]) == 2
        assert why in capsys.readouterr().err


def test_what_would_exercise_a_promise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell(tmp_path, 1, "v4", V4.run())
    main(["check", str(tmp_path), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert all((row["needs"] is None) == (row["tested"] > 0) for row in rows)
    v4 = load_revision("v4")
    assert v4 is not None
    promises = promises_of(v4)
    for clients, invariant, text in (
        (200, Invariant.GUARD, "fewer clients: one notification wakes 100 of 200"),
        (30, Invariant.GUARD, "pressure that lasts longer than 10 s"),
        (30, Invariant.RATE, "more than 100 clients: one notification wakes all of fewer"),
        (200, Invariant.RATE, "memory so low for longer"),
    ):
        assert text in needed(invariant, promises, clients)
    assert all(needed(one, promises, 30) for one in Invariant)


def test_what_a_log_has_lost_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = cell(tmp_path, 1, "v4", V4.run())
    name = cell(tmp_path, 2, "v4", None)
    log = replace(V4.run().log(), lost=7, torn=2)
    folder = tmp_path / "cells" / name
    write_records(log, folder / "records.parquet")
    seal_results(folder, {"id": name, "outcome": "ok"})
    assert main(["check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"{name}: 7 records lost, 2 torn: " in out
    assert f"{whole}: 0 records" not in out
    assert main(["check", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    found = {(row["cell"], row["lost_records"], row["torn_records"]) for row in rows}
    assert found == {(whole, 0, 0), (name, 7, 2)}
