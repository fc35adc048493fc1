"""A run read from Python: its frame of cells, finding a cell, and frames without pandas."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import memnotify as mn
import pandas as pd
import pyarrow as pa
import pytest
from memnotify import api, places
from memnotify.results.folder import RECORDS, read_manifest
from memnotify.results.tables import TIMELINE, timeline_table
from memnotify.results.timeline import timeline

from tests.support.campaigns import Bench, Guests

FRAMES = ("records", "wakeups", "samples", "zones", "balloon", "timeline")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("opened"))
    bench.run(Guests())
    return bench


@pytest.fixture
def run(bench: Bench) -> mn.Run:
    return mn.open_run(str(bench.path))


@pytest.fixture
def no_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)


def test_the_cells(run: mn.Run) -> None:
    assert len(run) == 4
    assert (run.missing, run.damaged) == ([], [])
    assert list(run.cells.series) == ["none", "none", "v4", "v4"]
    assert list(run.cells.clients) == [1, 3, 1, 3]
    assert list(run.cells.seed) == [0, 0, 0, 0]
    assert list(run.cells.clock.unique()) == ["virtual"]
    assert list(run.cells.wakeups) == [0, 0, 1, 3]
    assert list(run.cells["gates.DMA32"]) == [200] * 4
    assert list(run.cells.name) == [cell.name for cell in run]
    assert run.cells.first_wakeup_ms.dtype == "float64"
    assert [len(batches) for batches in run.cells.batches] == [0, 0, 1, 1]


def test_every_figure_of_a_verdict_is_in_the_frame(run: mn.Run) -> None:
    for cell in run:
        for name, value in cell.figures.items():
            names = [f"{name}.{part}" for part in value] if isinstance(value, dict) else [name]
            assert set(names) <= set(run.cells.columns)


def test_finding_a_cell(run: mn.Run) -> None:
    cell = run.cell("v4", clients=3)
    assert isinstance(cell, mn.CellResults)
    assert (cell.parameters["series"], cell.parameters["clients"]) == ("v4", 3)
    for which in (cell.name, cell.folder.name, cell.folder.name[:12]):
        assert run.cell(which).folder == cell.folder
    assert run.cell(series="v4", clients=3, seed=0, clock="virtual").folder == cell.folder
    assert run.cell(cell.name, clients=3).folder == cell.folder


@pytest.mark.parametrize(
    ("which", "axes", "said"),
    [
        ("v4", {}, r"2 cells of .* have series='v4' \(say which: clients=1 or 3\)"),
        (None, {}, r"4 cells of .* \(say which: series='none' or 'v4', clients=1 or 3\)"),
        ("v5", {}, r"has the series, the name or the id v5"),
        ("v4", {"clients": 2}, r"has clients=2 \(there are: 1, 3\)"),
        ("v4", {"client": 1}, r"no axis client \(did you mean clients\?\)"),
        ("6.1-v4-x86_64-pc-swap-64M-squeeze-3c-r1", {"clients": 1}, "has all of .*clients=1"),
    ],
)
def test_a_cell_that_is_not_found(
    run: mn.Run, which: str | None, axes: dict[str, Any], said: str
) -> None:
    with pytest.raises(mn.InputError, match=said):
        run.cell(which, **axes)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(mn.InputError, match="not the folder of a run"):
        mn.open_run(tmp_path)


def test_cells_without_results(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    folder = bench.run(Guests())
    for place, damage in zip(sorted(folder.cells.iterdir())[:2], (True, False), strict=True):
        if damage:
            (place / RECORDS).write_bytes(b"")
        else:
            place.rename(tmp_path / "away")
    run = mn.open_run(bench.path)
    assert len(run) == len(run.cells) == 2
    assert len(run.missing) == 2
    assert len(run.damaged) == 1
    with pytest.raises(mn.InputError, match="has no whole result"):
        run.cell(run.missing[0])


def test_without_pandas_frames_are_arrow_tables(run: mn.Run, no_pandas: None) -> None:
    with_pandas = mn.open_run(run.path)
    assert isinstance(run.cells, pa.Table)
    assert run.cells["clients"].to_pylist() == [1, 3, 1, 3]
    cell = run.cell("v4", clients=3)
    tables = {name: getattr(cell, name) for name in FRAMES}
    assert all(isinstance(table, pa.Table) for table in tables.values())
    assert isinstance(cell.kind("ZONE"), pa.Table)
    assert [repr(cell.which(tables["wakeups"]))[:10]] == ["3 records:"]
    sys.modules["pandas"] = pd
    other = with_pandas.cell("v4", clients=3)
    for name, table in tables.items():
        frame = getattr(other, name)
        index = [frame.index.name] if frame.index.name else []
        assert table.column_names == [*index, *frame.columns]
        assert len(frame) == table.num_rows > 0 or name == "samples"


def test_every_number_of_an_event_has_a_column(run: mn.Run) -> None:
    for cell in run:
        for event in timeline(cell.log, read_manifest(cell.folder)):
            assert event.keys() - {"move"} <= TIMELINE.keys(), event
        assert next(iter(cell.timeline.event)) == "boot"
        assert list(cell.timeline.t) == sorted(cell.timeline.t)
    strange = [{"t": 0.0, "event": "step", "text": "", "late_ns": 2**64 - 1}]
    assert timeline_table(strange)["late_ns"].to_pylist() == [-1]


def test_a_campaign_run_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, guests = Bench(tmp_path), Guests()
    usual(bench, guests, monkeypatch)
    run = mn.run_campaign(bench.file, bench.path, cold=True, quiet=True)
    assert list(run.cells.outcome) == ["ok"] * 4
    assert len(guests.started) == 4
    again = mn.run_campaign(mn.load_campaign(str(bench.file)), bench.path, cold=True, quiet=True)
    assert len(guests.started) == 4
    assert list(again.cells.id) == list(run.cells.id)


def usual(bench: Bench, guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the kernels and guests of mn.run_campaign() with made-up ones."""
    monkeypatch.setattr(api, "Store", lambda: bench.store)
    monkeypatch.setattr(api, "choose_base", lambda campaign, **_: campaign.table.kernel.base[0])
    monkeypatch.setattr(api, "Services", lambda *, store, board: bench.services(board, guests))


def test_the_examples_of_the_manual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    text = bench.file.read_text()
    text = text.replace("memory_mib = 64", "memory_mib = [64, 96]").replace("[1, 3]", "[32, 200]")
    (tmp_path / "campaigns").mkdir()
    bench.file = tmp_path / "campaigns/demo.toml"
    bench.file.write_text(text.replace('name = "try"', 'name = "demo"'))
    bench.path = tmp_path / "runs/demo"
    bench.run(Guests())
    usual(bench, Guests(), monkeypatch)
    monkeypatch.chdir(tmp_path)
    manual = places.HOME / "docs/reference/records.md"
    examples = re.findall(r"^```python\n(.*?)^```$", manual.read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) >= 3
    names: dict[str, Any] = {}
    for example in examples:
        exec(compile(example, str(manual), "exec"), names)
