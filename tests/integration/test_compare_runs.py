"""Comparing whole runs: which cells are compared with each other, and what happens to the rest."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.plan import cell_id
from memnotify.check.reaction import UNITS
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.model import Arch, Clock, KernelRequest
from memnotify.results.comparison import GroupComparison, compare_runs, parse_only

from tests.support.compared_runs import (
    Entry,
    S,
    made_up_cell,
    made_up_log,
    made_up_run,
    ok,
)


def rows_of(found: GroupComparison, metric: str) -> dict[Any, dict[str, Any]]:
    return {row.group: row.to_json() for row in found.rows if row.metric == metric}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    entries = [ok("v3", woken=5, seed=seed, first_ms=250 + seed) for seed in (1, 2, 3)]
    entries += [ok("v4", woken=seed, seed=seed) for seed in (1, 2, 3)]
    return made_up_run(tmp_path / "run", entries)


def test_groups_are_compared_with_the_first(run: Path) -> None:
    found = compare_runs([run], by="series")
    herd = rows_of(found, "herd")
    assert list(herd) == ["v3", "v4"]
    assert (herd["v3"]["median"], herd["v3"]["versus"], herd["v3"]["effect"]) == (5, None, None)
    assert (herd["v4"]["median"], herd["v4"]["versus"], herd["v4"]["effect"]) == (2, "v3", -1)
    assert (herd["v4"]["low"], herd["v4"]["high"], herd["v4"]["n"]) == (1, 3, 3)
    assert herd["v4"]["test"] == "wilcoxon"
    assert herd["v4"]["difference"] == {"n": 3, "median": -3, "low": -4, "high": -2}
    latency = rows_of(found, "gate_to_first_ms")
    assert latency["v3"]["median"] == pytest.approx(102)  # crossed at 150 ms, by interpolation
    assert rows_of(found, "missed_clients")["v4"]["median"] == 3
    assert rows_of(found, "client_cpu_ms")["v3"]["median"] == 5  # without that of the hog
    assert found.same["memory_mib"] == 64
    assert herd["v4"]["over"] == {"seed": [1, 2, 3]}
    assert found.notes() == []


def test_any_axis(run: Path) -> None:
    herd = rows_of(compare_runs([run], by="seed"), "herd")
    assert {seed: row["median"] for seed, row in herd.items()} == {1: 3, 2: 3.5, 3: 4}
    assert herd[1]["over"] == {"series": ["v3", "v4"]}


def test_only_seeds_are_a_sample(tmp_path: Path) -> None:
    """Medians over other axes have neither interval nor effect, and a note says why."""
    entries = [
        ok(series, woken=clients, seed=seed, clients=clients, first_ms=first_ms)
        for series, first_ms in (("v3", 250), ("v4", 251))
        for seed in (1, 2)
        for clients in (3, 5)
    ]
    run = made_up_run(tmp_path / "run", entries)
    found = compare_runs([run], by="series")
    herd = rows_of(found, "herd")["v4"]
    assert (herd["n"], herd["median"]) == (4, 4)
    assert {herd[name] for name in ("low", "high", "effect", "p")} == {None}
    assert found.notes() == [
        "no interval, Δ or p: runs that differ in clients are not samples of the same setting"
    ]
    only = compare_runs([run], by="series", only=parse_only(["clients=5"]))
    assert rows_of(only, "herd")["v4"]["effect"] == 0
    assert only.notes() == []


@pytest.mark.parametrize(("clock", "n"), [(Clock.VIRTUAL, 1), (Clock.REAL, 3)])
def test_a_seed_that_changes_nothing_is_no_other_run(tmp_path: Path, clock: Clock, n: int) -> None:
    same = made_up_cell("v3").scenario
    entries = [
        ok(series, woken=5, seed=seed, scenario=same, clock=clock)
        for series in ("v3", "v4")
        for seed in (1, 2, 3)
    ]
    found = compare_runs([made_up_run(tmp_path / "run", entries)], by="series")
    herd = rows_of(found, "herd")
    assert (herd["v4"]["n"], herd["v4"]["effect"]) == (n, None if n == 1 else 0)
    assert any(
        "4 not counted: same scenario as another seed" in note for note in found.notes()
    ) == (n == 1)


def test_groups_with_other_seeds_are_not_paired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In virtual time, seed 2 repeats seed 1 and does not count; in real time it does."""
    same = made_up_cell("v3").scenario
    changed: list[dict[str, Any]] = [{"scenario": same}, {"scenario": same}, {}]
    entries = [
        ok("v3", woken=woken, seed=seed, clock=clock, **changes)
        for clock, woken in ((Clock.VIRTUAL, 5), (Clock.REAL, 4))
        for seed, changes in enumerate(changed, 1)
    ]
    run = made_up_run(tmp_path / "run", entries)
    herd = rows_of(compare_runs([run], by="clock"), "herd")["real"]
    assert (herd["n"], herd["effect"], herd["difference"]) == (3, -1, None)
    assert herd["test"] == "mann-whitney"
    assert main(["compare", str(run), "--by", "clock"]) == 0
    assert "δ: Cliff's delta, p in --json by the Mann-Whitney U" in capsys.readouterr().out


def test_only_some_values(run: Path) -> None:
    found = compare_runs([run], by="series", only=parse_only(["seed=1", "seed=3"]))
    assert rows_of(found, "herd")["v4"]["median"] == 2
    assert rows_of(found, "herd")["v4"]["n"] == 2
    for words in ("seed", "sed=1", "seed="):
        with pytest.raises(InputError, match=f"--only {words}"):
            parse_only([words])


def test_cells_without_a_counterpart_are_left_out_and_counted(tmp_path: Path) -> None:
    cell, _, _ = ok("v4", woken=1, seed=3)
    run = made_up_run(
        tmp_path / "run",
        [
            ok("v3", woken=5, seed=1),
            ok("v3", woken=1, seed=2),
            ok("v3", woken=1, seed=3),
            (made_up_cell("v4", 1), made_up_log(3, 250), "finding:panic"),
            (made_up_cell("v4", 2), None, "infrastructure:qemu-died"),
            (cell, None, "not run"),
        ],
    )
    found = compare_runs([run], by="series")
    assert {group: row["median"] for group, row in rows_of(found, "herd").items()} == {
        "v3": 5,
        "v4": 3,
    }
    assert found.notes() == [
        "v4: 1 finding:panic",
        "cells: 2 left out: not every group has a counterpart",
        "cells: 1 have not been run",
        "cells: 1 failed because of the testbed",
    ]


def test_a_scenario_of_the_same_name_is_not_the_same(tmp_path: Path) -> None:
    entry = ok("v4", woken=1)
    longer = dataclasses.replace(entry[0].scenario, duration_ns=2 * S)
    other = (dataclasses.replace(entry[0], scenario=longer), *entry[1:])
    run = made_up_run(tmp_path / "run", [ok("v3", woken=1), other])
    with pytest.raises(InputError, match="no setting has been run with all of v3, v4"):
        compare_runs([run], by="series")


def test_several_runs_are_one_matrix(tmp_path: Path) -> None:
    one = made_up_run(tmp_path / "one", [ok("v4", woken=1)])
    request = KernelRequest(base="2.6.24", series="v4", arch=Arch.X86_64)
    two = made_up_run(tmp_path / "two", [ok("v4", woken=4, request=request, kernel="old")])
    herd = rows_of(compare_runs([one, two, one], by="base"), "herd")
    assert {base: row["median"] for base, row in herd.items()} == {"6.1": 1, "2.6.24": 4}
    assert herd["2.6.24"]["effect"] is None  # one run each


def test_what_else_differs_is_said(tmp_path: Path) -> None:
    one = made_up_run(tmp_path / "one", [ok("v3", woken=1)])
    two = made_up_run(tmp_path / "two", [ok("v4", woken=2, image="of another day")])
    notes = compare_runs([one, two], by="series").notes()
    assert notes == ["cells ran with different guest programs"]
    cell = dataclasses.replace(made_up_cell("v4", 1), hardware="of another host")
    entry: Entry = (cell, made_up_log(2, 250), "finding:panic")
    killed = made_up_run(tmp_path / "killed", [entry])
    # The reason comes before what differs.
    first, second = compare_runs([one, killed], by="series").notes()
    assert first == "cells ran with different QEMUs or machines"
    assert second.startswith("v4: ")
    arch = made_up_cell("v4").request
    other = dataclasses.replace(arch, arch=Arch.I386)
    three = made_up_run(tmp_path / "three", [ok("v4", woken=1, request=other, image="i386")])
    four = made_up_run(tmp_path / "four", [ok("v4", woken=1)])
    assert compare_runs([three, four], by="arch").notes() == []


def test_two_different_cells_at_one_place_are_refused(tmp_path: Path) -> None:
    one = made_up_run(tmp_path / "one", [ok("v4", woken=1)])
    two = made_up_run(tmp_path / "two", [ok("v4", woken=1, kernel="of another patch")])
    with pytest.raises(InputError, match=r"the same cell, run with different kernels \("):
        compare_runs([one, two], by="clients")


def test_two_runs_of_one_matrix_are_refused_by_what_differs(tmp_path: Path) -> None:
    one = made_up_run(tmp_path / "one", [ok("v3", woken=1), ok("v4", woken=1)])
    changes: dict[str, Any] = {"image": "of another day", "hardware": "of another QEMU"}
    entries = [ok(series, woken=1, **changes) for series in ("v3", "v4")]
    two = made_up_run(tmp_path / "two", entries)
    with pytest.raises(InputError, match=r"different QEMUs or machines, guest programs \("):
        compare_runs([one, two], by="series")
    longer = dataclasses.replace(made_up_cell("v4").scenario, duration_ns=2 * S)
    three = made_up_run(tmp_path / "three", [ok("v4", woken=1, scenario=longer)])
    with pytest.raises(InputError, match=r"different scenario \("):
        compare_runs([one, three], by="clients")


def test_the_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(run)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("base 6.1, arch x86_64, machine pc, memory_mib 64, clients 5,")
    assert table[1] == "by series, 3 runs in each group: seed 1 2 3"
    assert [line.split()[0] for line in table[3 : 3 + len(UNITS)]] == list(UNITS)
    (herd,) = (line.split() for line in table if line.startswith("herd"))
    assert herd == ["herd", "(clients)", "5", "[5,", "5]", "2", "[1,", "3]", "-3", "[-4,", "-2]"]
    assert table[3 + len(UNITS)].startswith("Δ: median difference between runs")
    assert table[3 + len(UNITS)].endswith("signed-rank test; relative to v3")
    assert main(["compare", str(run), "--only", "seed=2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2 * len(UNITS)
    assert {"group", "metric", "unit", "n", "median", "low", "high", "versus", "effect"} <= set(
        rows[0]
    )
    assert main(["compare", str(run), "--only", "seed=2"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[1] == "by series, 1 run in each group"
    (herd,) = (line.split() for line in table if line.startswith("herd"))
    assert herd == ["herd", "(clients)", "5", "2"]


def test_a_figure_that_some_have_says_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [ok("v4", woken=woken, seed=seed) for seed, woken in enumerate((0, 1, 1, 0))]
    entries += [ok("none", woken=woken, seed=seed) for seed, woken in enumerate((0, 0, 1, 0))]
    assert main(["compare", str(made_up_run(tmp_path / "run", entries))]) == 0
    table = capsys.readouterr().out.splitlines()
    (batches,) = (line.split() for line in table if line.startswith("batch_median"))
    assert " ".join(batches[2:]) == "1 [1, 1] (2 runs) 1 (1 run)"


def test_bad_input(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path)]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err
    assert main(["compare", str(run), "--only", "seed=9"]) == 2
    said = capsys.readouterr().err
    assert "no matching cell has results: --only seed=9 matches none (there are: 1, " in said
    for verdict in run.glob("cells/*/verdict.json"):
        verdict.write_text("{}")
    assert main(["compare", str(run)]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert "no matching cell has results (damaged: " in line
    for cell in (run / "cells").iterdir():
        shutil.rmtree(cell)
    assert main(["compare", str(run)]) == 2
    assert f"show {run})" in capsys.readouterr().err
    (run / "plan.json").write_text('[{"id": "a", "name": "b"}]')
    assert main(["compare", str(run)]) == 2
    assert "not a plan in the format of this version" in capsys.readouterr().err


def test_an_original_is_compared_with_ours_record_for_record(tmp_path: Path) -> None:
    """Compare with ours of its name, not with the first; say what is equal, and what differs."""
    entries = [ok("v3", woken=5, seed=seed) for seed in (1, 2, 3)]
    entries += [ok("v4", woken=3, seed=seed) for seed in (1, 2, 3)]
    entries += [ok("v4-original", woken=3, seed=seed) for seed in (1, 2, 3)]
    same = compare_runs([made_up_run(tmp_path / "same", entries)], by="series")
    assert same.notes() == ["v4-original against v4, record by record: identical in all 3 runs"]
    row = rows_of(same, "herd")["v4-original"]["records"]
    assert (row["versus"], row["pairs"], row["identical"], row["first"]) == ("v4", 3, 3, None)
    assert rows_of(same, "herd")["v3"]["records"] is None
    assert rows_of(same, "herd")["v4"]["records"]["different"] == 3

    entries[7] = ok("v4-original", woken=3, seed=2, first_ms=250.000120)
    entries[8] = ok("v4-original", woken=2, seed=3)
    other = compare_runs([made_up_run(tmp_path / "other", entries)], by="series")
    (note,) = other.notes()
    said = (
        "identical in 1 of 3 runs, same records at different times in 1 (up to 120 ns), "
        "different in 1"
    )
    assert f"v4-original against v4, record by record: {said}; first " in note
    cells = [cell_id(made_up_cell(name, 2)) for name in ("v4", "v4-original")]
    assert f"first {cells[0]} and {cells[1]}, record " in note
    assert "(WAKEUP, 10.250000000 s): time_ns 10250000000 and 10250000120" in note


@pytest.mark.parametrize("which", [0, 1])
def test_logs_that_lost_records_are_not_called_identical(tmp_path: Path, which: int) -> None:
    entries = [ok("v4", woken=3), ok("v4-original", woken=3)]
    cell, log, outcome = entries[which]
    assert log is not None
    entries[which] = (cell, dataclasses.replace(log, lost=1), outcome)
    run = made_up_run(tmp_path / "run", entries)
    notes = compare_runs([run], by="series").notes()
    assert any("unknown in 1, whose logs lost records" in note for note in notes)
    assert not any("identical in all" in note for note in notes)


def test_an_original_without_ours_is_compared_with_the_first(tmp_path: Path) -> None:
    run = made_up_run(tmp_path / "run", [ok("v3", woken=3), ok("v4-original", woken=3)])
    assert compare_runs([run], by="series").notes() == [
        "v4-original against v3, record by record: identical"
    ]
