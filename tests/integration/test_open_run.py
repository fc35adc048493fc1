"""A run read from Python: its frame of cells, finding a cell, and frames without pandas."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import memnotify as mn
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from memnotify import api, places
from memnotify.check.reaction import UNITS
from memnotify.records.layout import LAYOUTS, Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.results.comparison import compare_runs
from memnotify.results.folder import RECORDS, RunFolder, read_manifest, seal_results
from memnotify.results.tables import TIMELINE, WORDS, kind_table, timeline_table
from memnotify.results.timeline import timeline

from tests.support.campaigns import START, Bench, Guests, record
from tests.support.old_records import write_old

MANUAL = places.HOME / "docs/reference/records.md"
TUTORIAL = places.HOME / "docs/tutorial/first-run.md"

FRAMES = ("records", "wakeups", "samples", "zones", "balloon", "timeline")


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
            names = ["self_check.failed"] if name == "self_check" else names
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


def usual(finished: Bench, guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the kernels and guests of mn.run_campaign() with made-up ones."""
    monkeypatch.setattr(api, "Store", lambda: finished.store)
    monkeypatch.setattr(
        api, "choose_base", lambda campaign, *_, **__: campaign.table.kernel.base[0]
    )
    monkeypatch.setattr(api, "Services", lambda *, store, board: finished.services(board, guests))


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A campaign with the points of campaigns/demo.toml, run into runs/demo with made-up guests."""
    bench = Bench(tmp_path)
    text = bench.file.read_text()
    text = text.replace("memory_mib = 64", "memory_mib = [64, 96]").replace(
        "[1, 3]", "[1, 32, 200]"
    )
    (tmp_path / "campaigns").mkdir()
    bench.file = tmp_path / "campaigns/demo.toml"
    bench.file.write_text(text.replace('name = "try"', 'name = "demo"'))
    bench.path = tmp_path / "runs/demo"
    bench.run(Guests())
    usual(bench, Guests(), monkeypatch)
    monkeypatch.chdir(tmp_path)
    return bench


def examples(manual: Path) -> list[str]:
    found = re.findall(r"^```python\n(.*?)^```$", manual.read_text(), re.DOTALL | re.MULTILINE)
    assert found
    return found


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("pandas", ["with", "without"])
def test_the_examples_of_the_manual(
    demo: Bench, pandas: str, version: int, request: pytest.FixtureRequest
) -> None:
    if pandas == "without":
        request.getfixturevalue("no_pandas")
    if version == 1:
        for folder in RunFolder(demo.path).cells.iterdir():
            make_old(folder)
    ran = set()
    names: dict[str, Any] = {}
    for example in examples(MANUAL):
        first = example.splitlines()[0]
        if first not in ("# with pandas", "# without pandas") or first == f"# {pandas} pandas":
            exec(compile(example, str(MANUAL), "exec"), names)
            ran.add(first)
    assert f"# {pandas} pandas" in ran and len(ran) >= 5
    assert isinstance(names["cell"].zones, pd.DataFrame) == (pandas == "with")
    assert len(names["cell"].records) > 0


def make_old(folder: Path) -> None:
    """Replace the log of a cell with the same one in version 1."""
    write_old(read_records(folder / RECORDS), folder / RECORDS)
    manifest = json.loads((folder / "manifest.json").read_text())
    seal_results(folder, {key: manifest[key] for key in manifest if key not in ("seal", "files")})


def test_the_example_of_the_tutorial(
    demo: Bench, no_pandas: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = examples(TUTORIAL)
    assert "import memnotify" in example
    exec(compile(example, str(TUTORIAL), "exec"), {})
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    printed = TUTORIAL.read_text().partition(example)[2].split("```\n")[2]
    claimed = [line.split() for line in printed.splitlines()]
    assert [line[:2] for line in said] == [line[:2] for line in claimed]
    # What it says about them is what the table of the same run says.
    row = r"^\w{16} +v4 +(\d+) +(\d+) +(\d+) +\d+ +\d+ +(\d+) "
    table = re.findall(row, TUTORIAL.read_text().partition("## The timeline")[0], re.MULTILINE)
    assert [tuple(line) for line in claimed] == table


def rows_of(heading: str) -> dict[str, str]:
    """Return the types of the columns that a table of the manual lists, by name."""
    text = MANUAL.read_text().partition(f"### {heading}\n")[2].partition("\n### ")[0]
    found: dict[str, str] = {}
    for names, kind in re.findall(r"^\| (`.*?) \| ([\w ]+) \|", text, re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`(.+?)`", names), kind)
    return found


@pytest.mark.parametrize("frame", ["cells", "reactions"])
def test_every_column_is_documented_with_its_type(run: mn.Run, no_pandas: None, frame: str) -> None:
    told = rows_of(f"Columns of `run.{frame}`")
    if frame == "cells":
        told["gates.DMA32"] = told.pop("gates.ZONE")
    schema = getattr(run, frame).schema
    kinds = {field.name: str(field.type) for field in schema}
    kinds |= {name: "list of structs" for name in kinds if kinds[name].startswith("list<")}
    assert kinds == told
    assert len(getattr(mn.open_run(run.path), frame)) == len(run)


def test_the_columns_of_a_run_do_not_depend_on_its_cells(tmp_path: Path, no_pandas: None) -> None:
    bench = Bench(tmp_path)
    folder = bench.run(Guests())
    full = mn.open_run(bench.path).cells.schema
    for place in folder.cells.iterdir():
        place.rename(tmp_path / place.name)
    empty = mn.open_run(bench.path).cells.schema
    assert [field for field in full if field.name != "gates.DMA32"] == list(empty)
    assert str(full.field("self_check.failed").type) == "int64"
    assert "self_check" not in full.names


def test_the_figures_of_compare(run: mn.Run) -> None:
    compared = compare_runs([run.path], by="series", only={"clients": {"3"}})
    cell = run.cell("v4", clients=3)
    (row,) = run.reactions[run.reactions.id == cell.folder.name].to_dict("records")
    seen = {}
    for figure in compared.rows:
        if figure.group == "v4":
            seen[figure.metric] = None if pd.isna(row[figure.metric]) else row[figure.metric]
            assert figure.spread.median == cell.reaction[figure.metric] == seen[figure.metric]
    assert list(seen) == list(UNITS) == [*run.reactions.columns][-len(UNITS) :]
    assert seen["wakeups"] == 3
    assert "log" not in vars(cell)  # the logs of all cells would fill the memory
    assert list(run.reactions.series) == list(run.cells.series)


def test_the_values_of_records_have_names_and_words(run: mn.Run) -> None:
    cell = run.cell("v4", clients=3)
    records = cell.records
    assert not any(name.startswith("value") for name in records)
    kinds = {f"{kind.lower()}_": cell.kind(kind) for kind in records.kind.cat.categories}
    common = {"t", "time_ns", "client", "pid", "cpu"}
    for before, frame in kinds.items():
        for name in set(frame.columns) - common:
            whole = records[f"{before}{name}"]
            assert list(whole.dropna()) == list(frame[name].dropna()), name
            assert set(whole.dropna().index) <= set(frame.index)
    assert list(records.step_op.dropna()) == ["clients"]
    assert list(records.balloon_phase.dropna()) == ["requested", "reached"]
    told = cell.timeline.set_index("event")
    assert list(told.phase["balloon"]) == ["requested", "reached"]


def test_a_number_without_a_word_is_null(tmp_path: Path) -> None:
    rows = [record(Kind.EXIT, START, 0, 9, 0, op) for op in (1, 10, 0, 99)]
    rows += [record(Kind.CLIENT, START, kind) for kind in (1, 13, 99)]
    records = np.concatenate(rows)
    records["commit"] = np.arange(1, len(records) + 1)
    log = RecordLog(records, lost=0, torn=0)
    ops = kind_table(log, Kind.EXIT)["op"].to_pylist()
    assert ops == ["clients", "swappiness", None, None]
    assert kind_table(log, Kind.CLIENT)["client_kind"].to_pylist() == ["poll", "idle", None]
    events = [
        {"t": 0.0, "event": "exit", "text": "", "op": 3},
        {"t": 1.0, "event": "x", "text": ""},
    ]
    assert timeline_table(events)["op"].to_pylist() == ["hog", None]


@pytest.mark.parametrize(("kind", "name"), sorted(WORDS))
def test_every_word_is_documented_in_the_order_of_its_number(kind: Kind, name: str) -> None:
    lines = [line for line in MANUAL.read_text().splitlines() if line.startswith(f"| `{name}` of ")]
    (line,) = [line for line in lines if kind.name in line]
    words = re.findall(r"`(\w+)`", line.partition(" | ")[2])
    assert words == [word.name.lower() for word in WORDS[kind, name]]
    assert [word.value for word in WORDS[kind, name]] == list(range(1, len(words) + 1))


@pytest.mark.parametrize("kind", Kind)
def test_every_value_of_a_record_is_documented(kind: Kind) -> None:
    (row,) = re.findall(rf"^\| {kind.name} \| (.*) \|$", MANUAL.read_text(), re.MULTILINE)
    told = re.findall(r"\w+", row)
    places = [told.index(name) for name in LAYOUTS[kind].names or ()]
    assert places == sorted(places)


def test_every_event_and_its_columns_are_documented() -> None:
    lines = re.findall(r"^\| (`.*?) \| (.*) \|$", events_of_the_manual(), re.MULTILINE)
    told = {
        event: set(re.findall(r"`(\w+)`", columns))
        for events, columns in lines
        for event in re.findall(r"`(.+?)`", events)
    }
    source = (places.HOME / "orchestrator/memnotify/results/timeline.py").read_text()
    made = {*re.findall(r'"event": "([\w-]+)"', source), "swap", "oom"}
    assert told.keys() == made
    assert set().union(*told.values()) == TIMELINE.keys() - {"t", "event", "text"}


def events_of_the_manual() -> str:
    return MANUAL.read_text().partition("| event | columns |\n")[2].partition("\n\n")[0]


def test_a_condition_without_the_number_of_a_record(run: mn.Run) -> None:
    cell = run.cell("v4", clients=3)
    for rows in (cell.timeline, cell.timeline.t > 1, pa.table({"t": [1.0]}), pa.array([True])):
        with pytest.raises(TypeError, match="takes a frame of records, or a condition"):
            cell.which(rows)
