"""Published series over ours: which records are used, how they are aligned, what is refused."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memnotify.check.distance import Curve
from memnotify.errors import InputError
from memnotify.places import CAMPAIGNS
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.report.plots.overlay import save_overlay
from memnotify.results.published import load_published
from memnotify.results.published_series import SeriesTable, csv_text, curves
from memnotify.results.verdict import Verdict
from pydantic import ValidationError

from tests.support.logs import log_of, rows
from tests.support.rows import row

S = 10**9
COURSE: dict[str, Any] = {
    "file": "a.csv",
    "says": "A",
    "cells": {"series": "v3"},
    "ours": "console",
    "columns": {"free_MiB": "free_mib", "r_tasks": "runnable"},
    "scale": 0.5,
    "seconds": "s",
    "origin": 1,
    "origin_s": 2.0,
}


def record(kind: Kind, time_s: float, client: int = layout.NO_CLIENT, **fields: int) -> np.ndarray:
    return rows(kind, int(time_s * S), client=client, **fields)


def verdict(series: str = "v3", **values: Any) -> Verdict:
    return Verdict.from_json(row(f"cell-{series}", series=series, **values))


def console(time_s: float, free_mib: int, runnable: int) -> np.ndarray:
    return record(Kind.CONSOLE, time_s, free=free_mib * 1024, runnable=runnable)


GUEST = log_of(
    record(Kind.STEP, 9, step=0),
    record(Kind.STEP, 10, step=1),
    console(10, 30, 4),
    record(Kind.CONSOLE, 10.5, error=12),  # a failed round shows nothing
    console(11, 20, 8),
    console(20, 1, 1),
)


def one(table: dict[str, Any], guest: RecordLog, folder: Path) -> dict[str, Curve]:
    cells = [(verdict(), guest), (verdict("v4"), guest)]
    return {curve.column: curve for curve in curves(SeriesTable(**table), folder, cells)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("when,s,free_MiB,r_tasks\nx,,9,9\na,2,60,6\nb,3,44,10\n")
    return tmp_path


def test_a_series_is_scaled_and_put_on_its_origin(folder: Path) -> None:
    found = one(COURSE, GUEST, folder)
    free, queue = found["free"], found["r"]
    assert (free.cell, free.label, free.unit, queue.unit) == ("cell-v3", "v3", "MiB", "tasks")
    assert free.published_s.tolist() == [0, 1]  # the row without a time is not a sample
    assert free.published.tolist() == [30, 22]
    assert free.ours_s.tolist() == [0, 1]  # 10 s later is too far away to be shown
    assert free.ours.tolist() == [30, 20]
    assert free.distance is not None and queue.distance is not None
    assert (free.distance.apart, free.distance.of_range, free.distance.compared) == (1, 1 / 8, 1)
    assert queue.distance.apart == (1 + 3) / 2


def test_kilobytes_become_mebibytes_and_swap_in_use_is_worked_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("s,A_kB,W_kB\n0,2048,1024\n1,2048,1024\n")
    table = COURSE | {
        "ours": "seen",
        "columns": {"A_kB": "anon_mib", "W_kB": "swapped_mib"},
        "scale": 1.0,
        "origin": "seen",
        "origin_s": 0.0,
    }
    swap = {"swap_total": 4096, "swap_free": 1024}
    guest = log_of(*(record(Kind.SEEN, at, 3, anon=5120, **swap) for at in (7, 8, 9)))
    found = one(table, guest, tmp_path)
    assert found["A"].published.tolist() == [2, 2]
    assert found["A"].ours.tolist() == [5, 5, 5]
    assert found["A"].ours_s.tolist() == [0, 1, 2]
    assert found["W"].ours.tolist() == [3, 3, 3]


MOMENTS = {key: value for key, value in COURSE.items() if key not in ("seconds", "origin_s")} | {
    "ours": "samples",
    "columns": {"free_MiB": "free_mib"},
    "scale": 1.0,
    "moment": [
        {"row": 1, "at": "client", "client": 0},
        {"row": 2, "at": "told", "client": 0},
        {"row": 0, "at": "end"},
        {"row": 0, "at": "told", "client": 1},
    ],
}


def test_moments_are_the_samples_beside_an_event(folder: Path) -> None:
    guest = log_of(
        record(Kind.MEMINFO, 1, free=50 * 1024),
        record(Kind.CLIENT, 1.5, 0),
        record(Kind.MEMINFO, 2, free=40 * 1024),
        record(Kind.HOG, 2.5, 0),
        record(Kind.MEMINFO, 3, free=30 * 1024),
        record(Kind.MEMINFO, 4, free=70 * 1024),
    )
    curve = one(MOMENTS, guest, folder)["free"]
    assert curve.moments == ("a", "b", "x", "x")
    assert curve.published.tolist() == [60, 44, 9, 9]
    assert curve.ours[:3].tolist() == [50, 30, 70]
    assert np.isnan(curve.ours[3])  # there is no second client
    assert curve.distance is not None
    assert curve.distance.apart == pytest.approx((10 + 14 + 61) / 3)
    assert curve.distance.compared == 0.75
    assert csv_text([curve]).splitlines()[-1] == "a.csv,free,MiB,cell-v3,v3,,x,"


def test_what_a_moment_is_called_is_not_cut(folder: Path, tmp_path: Path) -> None:
    name = "3 program killed, disk read through the block device"
    guest = log_of(
        record(Kind.MEMINFO, 1, free=50 * 1024),
        record(Kind.CLIENT, 1.5, 0),
        record(Kind.HOG, 2.5, 0),
        record(Kind.MEMINFO, 3, free=30 * 1024),
    )
    curve = dataclasses.replace(
        one(MOMENTS, guest, folder)["free"], moments=(name, "b", "c c c", "d")
    )
    file = tmp_path / "out.svg"
    save_overlay(file, [curve], title="T", assumed=[])
    words = re.sub(r"<[^>]*>", " ", file.read_text())
    assert " ".join(name.split()) in " ".join(words.split())
    assert "…" not in words


def test_a_guest_in_which_the_origin_never_came(folder: Path) -> None:
    curve = one(COURSE | {"origin": 7}, GUEST, folder)["free"]
    assert curve.distance is None
    assert curve.ours.size == 0
    assert curve.row()["compared"] == 0


def test_the_csv_has_the_published_series_once(folder: Path) -> None:
    cells = [(verdict(repeat=n), GUEST) for n in (1, 2)]
    rows = csv_text(curves(SeriesTable(**COURSE), folder, cells)).splitlines()
    assert rows[0] == "series,column,unit,of,label,seconds,moment,value"
    assert rows[1:5] == [
        "a.csv,free,MiB,published,published,0,,30",
        "a.csv,free,MiB,published,published,1,,22",
        "a.csv,free,MiB,cell-v3,1,0,,30",
        "a.csv,free,MiB,cell-v3,1,1,,20",
    ]
    assert sum(",published," in row for row in rows) == 4
    assert sum(",cell-v3,2," in row for row in rows) == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"columns": {"free_MB": "free_mib"}}, "free_MB does not end in one of MiB, kB, tasks"),
        ({"columns": {"free_MiB": "anon_mib"}}, "console has no anon_mib; there is runnable"),
        ({"seconds": None}, "needs either seconds, or a moment"),
        ({"moment": [{"row": 0, "at": "end"}]}, "needs either seconds, or a moment"),
        ({"seconds": None, "moment": [{"row": 0, "at": "end"}]}, "moments require ours"),
    ],
)
def test_a_wrong_series_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SeriesTable(**COURSE | changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s,free_MiB\n1,2\n", r"a\.csv:1: has no column r_tasks"),
        ("s,free_MiB,r_tasks\n1,2,3\n2,x,3\n", r"a\.csv:3: free_MiB is not a number: x"),
        ("", r"a\.csv:1: has no column"),
        (None, r"a\.csv: cannot be read"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        one(COURSE, GUEST, tmp_path)


@pytest.mark.parametrize("path", sorted(CAMPAIGNS.glob("published/*.toml")), ids=lambda p: p.stem)
def test_ours_can_be_read(path: Path) -> None:
    empty = RecordLog(np.zeros(0, layout.RECORD), lost=0, torn=0)
    folder = CAMPAIGNS / "published" / "series"
    for table in load_published(path.stem).series:
        chosen: dict[str, Any] = dict(table.cells)
        cell = verdict(**chosen)
        found = list(curves(table, folder, [(cell, empty)]))
        assert len(found) == len(table.columns)
        assert all(curve.published.size > 1 for curve in found)


def test_every_published_file_is_used() -> None:
    tables = (load_published(path.stem) for path in CAMPAIGNS.glob("published/*.toml"))
    used = {series.file for table in tables for series in table.series}
    assert used == {path.name for path in CAMPAIGNS.glob("published/series/*.csv")}
