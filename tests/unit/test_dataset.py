"""The plan and the dataset of a large run: the same as the folders of its cells, and never more."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memnotify import host
from memnotify.axes import AXES, POINT
from memnotify.campaign.row import PlanRow
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.model import Outcome
from memnotify.report.page.gather import _origin
from memnotify.results import dataset, folder
from memnotify.results.folder import RunFolder
from memnotify.results.looked import Looked
from memnotify.results.manifest import Manifest, Move
from memnotify.results.verdict import Verdict

CELLS = 7


def made(cell_id: str, wakeups: int) -> Verdict:
    return Verdict(
        id=cell_id,
        name=cell_id,
        point={axis: 1 if AXES[axis].kind is int else "x" for axis in POINT},
        outcome=Outcome(),
        repeatability="exact",
        lost_records=0,
        guest_seconds=1.0,
        wall_seconds=1.0,
        figures={"wakeups": wakeups},
    )


def rows() -> list[PlanRow]:
    shared = {"machine": {"name": "pc"}, "scenario": {"name": "squeeze", "steps": [1, 2]}}
    return [
        PlanRow(id=f"cell{n}", name=f"n{n}", source=None, inputs={"seed": n, **shared})
        for n in range(CELLS)
    ]


def publish(run: RunFolder, cell_id: str, wakeups: int) -> None:
    with run.draft(cell_id) as draft:
        (draft / "console.log").write_text("it boots")
        verdict = made(cell_id, wakeups)
        run.publish(cell_id, draft, manifest=Manifest(outcome=Outcome()), verdict=verdict)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run with all its cells, which are many."""
    monkeypatch.setattr(folder, "MANY", 3)
    monkeypatch.setattr(dataset, "_AT_ONCE", 2)
    new = RunFolder(tmp_path / "run")
    new.make()
    new.begin(b"", rows())
    for n in range(CELLS):
        publish(new, f"cell{n}", n)
    new.finish()
    return RunFolder(new.path)


def wakeups(run: RunFolder) -> list[object]:
    return [verdict.figures["wakeups"] for verdict in run.verdicts()]


def without_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> Verdict:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr(folder, "read_verdict", refuse)


def test_a_large_plan_is_no_large_json(run: RunFolder) -> None:
    assert json.loads((run.path / "plan.json").read_text()) == {"cells": 7, "rows": "plan.parquet"}
    found = run.plan()
    assert [row.to_json() for row in found] == [row.to_json() for row in rows()]
    assert found[0].inputs["scenario"] is found[6].inputs["scenario"]


def test_verdicts_come_from_the_dataset(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    written = [run.cell(f"cell{n}") / "verdict.json" for n in range(CELLS)]
    expected = [json.loads(file.read_text()) for file in written]
    without_reading(monkeypatch)
    assert [verdict.to_json() for verdict in run.verdicts()] == expected
    assert len(list((run.path / "results").iterdir())) == 4


def test_a_changed_file_is_noticed(run: RunFolder) -> None:
    (run.cell("cell3") / "console.log").write_text("it does")
    assert wakeups(run) == [0, 1, 2, 4, 5, 6]
    assert "cell3" in run.results()[1][0]


def test_a_cell_that_ran_again_counts_anew(run: RunFolder) -> None:
    run.begin(b"", rows())
    publish(run, "cell2", 20)
    assert wakeups(run) == [0, 1, 20, 3, 4, 5, 6]  # its new row is not written yet
    run.finish()
    assert wakeups(run) == [0, 1, 20, 3, 4, 5, 6]


def test_nothing_is_written_through_a_link_that_a_draft_has(run: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    with run.draft("cell1") as draft:
        for name in ("verdict.json", "manifest.json"):
            (draft / name).symlink_to(outside)
        verdict = made("cell1", 10)
        run.publish("cell1", draft, manifest=Manifest(outcome=Outcome()), verdict=verdict)
    assert outside.read_text() == "mine"
    assert not (run.cells / "cell1/verdict.json").is_symlink()
    assert wakeups(run)[1] == 10


def test_a_link_is_refused(run: RunFolder) -> None:
    file = run.cell("cell1") / "console.log"
    file.unlink()
    file.symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="a link"):
        run.verdicts()


@pytest.mark.parametrize("data", [b"", b"no Parquet"])
def test_a_damaged_dataset_is_not_needed(run: RunFolder, data: bytes) -> None:
    for file in (run.path / "results").iterdir():
        file.write_bytes(data)
    assert wakeups(run) == list(range(CELLS))


def test_a_row_of_another_cell_does_not_count(run: RunFolder) -> None:
    """Somebody may have sent the run, and can set times as they like."""
    part = dataset.Dataset(run.path)
    cell = run.cell("cell5")
    part.add(cell, {"id": "cell6", "wakeups": 77})
    part.write()
    assert wakeups(run)[5] == 5


def test_a_row_that_is_too_deep_does_not_count(run: RunFolder) -> None:
    deep: list[object] = []
    for _ in range(600):
        deep = [deep]
    part = dataset.Dataset(run.path)
    part.add(run.cell("cell5"), {"id": "cell5", "deep": deep})
    part.write()
    assert wakeups(run)[5] == 5


def test_a_damaged_plan_is_one_line(run: RunFolder) -> None:
    (run.path / "plan.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"plan\.parquet: cannot be read"):
        run.plan()


def test_what_is_no_plain_file_has_no_state(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert dataset.state_of(tmp_path) is not None
    os.mkfifo(tmp_path / "b")
    assert dataset.state_of(tmp_path) is None
    assert dataset.state_of(tmp_path / "none") is None


def test_a_list_for_programs_looks_at_each_cell_once(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked: list[str] = []
    state_of = dataset.state_of

    def counted(cell: Path) -> str | None:
        looked.append(cell.name)
        return state_of(cell)

    monkeypatch.setattr(dataset, "state_of", counted)
    (run.cell("cell3") / "console.log").write_text("it does")
    main(["show", str(run.path), "--json"])
    out, err = capsys.readouterr()
    assert [row["wakeups"] for row in json.loads(out)] == [0, 1, 2, 4, 5, 6]
    assert "damaged" in err and "cell3" in err
    assert sorted(looked) == [f"cell{n}" for n in range(CELLS)]


def test_a_cell_that_moved_names_its_hosts_and_why(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    left = Move(host="nodeb", why="host-lost: no word from it")
    moved = Manifest(outcome=Outcome(), host=host.machine(), moves=(left,))
    with run.draft("cell1") as draft:
        run.publish("cell1", draft, manifest=moved, verdict=made("cell1", 1))
    main(["show", str(run.path), "cell1"])
    out = capsys.readouterr().out
    assert f"ran on {host.machine()}; moved from nodeb: host-lost: no word from it" in out
    assert _origin(moved)["moved"] == "from nodeb: host-lost: no word from it"
    assert _origin(Manifest(outcome=Outcome()))["moved"] is None


def test_a_dataset_of_another_version_lacks_columns(run: RunFolder) -> None:
    for file in (run.path / "results").iterdir():
        table = pq.read_table(file)
        pq.write_table(table.select(["id", "verdict", "files"]), file)
    looked = Looked.at(run)
    assert [verdict.figures["wakeups"] for verdict in looked.verdicts()] == list(range(CELLS))
    assert looked.overview("cell2").outcome.ok and looked.reaction("cell2") is None


def test_the_ids_are_those_of_the_plan(run: RunFolder, tmp_path: Path) -> None:
    assert run.ids() == [row.id for row in run.plan()]
    rows = [{"id": "../..", "name": "n", "source": None, "inputs": "{}"}]
    pq.write_table(pa.Table.from_pylist(rows), run.path / "plan.parquet")
    for read in (run.ids, run.plan):
        with pytest.raises(InputError, match=r"is not the id of a cell"):
            read()


def test_what_all_cells_say_is_read_once(run: RunFolder) -> None:
    moved = Manifest(
        outcome=Outcome(),
        host=host.machine(),
        versions={"qemu": "7.2"},
        digests={"kernel": "k", "scenario": "of its seed"},
        kernel={"facts": {"version": "6.1", "patches": ["one"], "config": "long"}},
    )
    run.begin(b"", rows())
    for cell_id in ("cell1", "cell4"):
        with run.draft(cell_id) as draft:
            run.publish(cell_id, draft, manifest=moved, verdict=made(cell_id, 1))
    run.finish()
    looked = Looked.at(RunFolder(run.path))
    first, second = looked.overview("cell1"), looked.overview("cell4")
    assert first is second and first.host == host.machine()
    assert first.overview() == moved.overview() and first.digests == {"kernel": "k"}
    assert first.kernel == {"facts": {"version": "6.1", "patches": ["one"]}}
