"""A run of two cells, and what was published about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from memnotify.campaign.row import PlanRow
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.results import published
from memnotify.results.folder import RECORDS, VERDICT, RunFolder, seal_results

from tests.support.rows import row

CAMPAIGN = """\
name = "old"
kernel = { base = "6.1" }
matrix = { series = ["v4", "v5"], memory_mib = 64, machine = "pc", scenario = "grow" }

[scenario.grow]
duration_s = 9.0

[[scenario.grow.step]]
at_s = 0.0
clients = { kind = "allocate", count = 1, cache_mib = 40, rate_mib_s = 10 }
"""
FIGURES = """\
source = "somebody, 2008"
machine = "a machine"

[[figure]]
figure = "filled_mib_at_first_wakeup"
cells = { series = "v4" }
says = "at 1000 MB"
unit = "MB"
value = 1000
scale = 0.01
at_least = 800
at_most = 1200
note = "where it was"

[[figure]]
figure = "wakeups"
cells = { series = "v5" }
says = "notified again and again"
at_least = 2
why_not = "it is woken but once"

[[series]]
file = "old.csv"
says = "free memory"
cells = { series = "v4" }
ours = "samples"
columns = { free_MiB = "free_mib" }
seconds = "s"
origin = "wakeup"
"""
SERIES = "s,free_MiB\n-1,8\n0,6\n1,2\n"
AXES = {"base": "6.1", "arch": "x86_64", "machine": "pc", "scenario": "grow", "clients": 1}


def log(filled_mib: int) -> RecordLog:
    """Return the log of one client, woken a second after the start with `filled_mib` filled."""
    rows = [
        (Kind.START, layout.NO_CLIENT, (0, 0)),
        (Kind.WAKEUP, 0, (1, 1)),
        (Kind.HOG, 0, (filled_mib * 1024, 40 * 1024)),
        (Kind.HOG, layout.NO_CLIENT, (7, 7)),  # another process's
        *((Kind.MEMINFO, layout.NO_CLIENT, (64 << 10 | 5 << 42,)) for _ in range(3)),
    ]
    records = np.zeros(len(rows), layout.RECORD)
    for number, (record, (kind, client, values)) in enumerate(zip(records, rows, strict=True)):
        record["commit"], record["kind"], record["client"] = number + 1, kind, client
        record["time_ns"] = number * 10**9
        record["value"][: len(values)] = values
    records["time_ns"][-3:] = np.array([0, 1, 3]) * 10**9
    return RecordLog(records, lost=0, torn=0)


def published_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Make a run of two cells, v4 and v5; the first has filled 9 MiB, the second 30."""
    (tmp_path / "published" / "series").mkdir(parents=True)
    (tmp_path / "published" / "series" / "old.csv").write_text(SERIES)
    (tmp_path / "published" / "old.toml").write_text(FIGURES)
    monkeypatch.setattr(published, "CAMPAIGNS", tmp_path)
    folder = RunFolder(tmp_path / "run")
    folder.make()
    cells = {"v4": 9, "v5": 30}
    folder.begin(CAMPAIGN.encode(), [PlanRow(id=series, name=series) for series in cells])
    for series, filled_mib in cells.items():
        cell = folder.cell(series)
        cell.mkdir()
        verdict = row(series, series=series, **AXES)
        (cell / VERDICT).write_text(json.dumps(verdict))
        put(folder, series, log(filled_mib))
    return folder


def put(folder: RunFolder, cell: str, records: RecordLog) -> None:
    """Give a cell this log, as its run would have."""
    write_records(records, folder.cell(cell) / RECORDS)
    seal_results(folder.cell(cell), {"id": cell, "outcome": "ok"})
