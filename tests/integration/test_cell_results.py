"""The results of a finished cell as data frames, and the records behind a finding."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from memnotify.errors import InputError
from memnotify.model import BalloonMove, Finding, Outcome
from memnotify.records import layout
from memnotify.records.layout import BalloonPhase, CheckResult, Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.results.evidence import evidence
from memnotify.results.frames import CellResults
from memnotify.results.manifest import Manifest

from tests.support.campaigns import START, S, record, zone
from tests.support.rows import row

MOVE = BalloonMove(step=1, target_kib=49152, requested_ns=0, query_seconds=0.25)


def made(*rows: np.ndarray) -> RecordLog:
    start = record(Kind.START, START, START, START)
    records = np.concatenate([start, *rows])
    records["commit"] = np.arange(1, len(records) + 1)
    return RecordLog(records, lost=0, torn=0)


def sample(time_ns: int, *, free: int, pswpout: int, oom_kill: int = 0) -> list[np.ndarray]:
    meminfo = record(Kind.MEMINFO, time_ns)
    view = np.zeros(1, layout.MEMINFO)
    view["free"] = free
    meminfo["value"] = view.view("<u8").reshape(1, 5)
    return [
        meminfo,
        record(Kind.RECLAIM, time_ns, 0, pswpout, 0, 0, oom_kill),
        record(Kind.PAGING, time_ns, 0, 0, 0, 0, 2),
        zone(time_ns, free // 4),
    ]


def self_check(result: CheckResult) -> np.ndarray:
    row = record(Kind.SELF_CHECK, START + S)
    view = np.zeros(1, layout.CHECK)
    view["name"], view["count"], view["result"], view["line"] = b"fork\x1b", 1, result, 42
    row["value"] = view.view("<u8").reshape(1, 5)
    return row


def results(folder: Path, log: RecordLog, **verdict: object) -> CellResults:
    write_records(log, folder / "records.parquet")
    (folder / "verdict.json").write_text(json.dumps(row(folder.name, name="cell", **verdict)))
    (folder / "manifest.json").write_text(
        json.dumps(Manifest(outcome=Outcome(), balloon=(MOVE,)).to_json())
    )
    (folder / "console.log").write_bytes(b"Linux\n\xff")
    return CellResults(folder)


def test_frames(tmp_path: Path) -> None:
    log = made(
        *sample(START + S, free=400, pswpout=10),
        record(Kind.BALLOON, START + S, BalloonPhase.REQUESTED, 1, 49152, 60000, 0),
        record(Kind.WAKEUP, START + 2 * S, 0x001, 1, client=7),
        record(Kind.WAKEUP, START + 2 * S, 0x008, 1, client=8),  # POLLERR
        record(Kind.BALLOON, START + 3 * S, BalloonPhase.MISSED, 1, 49152, 50000, 2 * S),
        *sample(START + 4 * S, free=80, pswpout=17),
    )
    cell = results(tmp_path, log)
    assert list(cell.records.index) == list(range(13))
    assert list(cell.records.kind[:5]) == ["START", "MEMINFO", "RECLAIM", "PAGING", "ZONE"]
    assert cell.records.client.isna().sum() == 11
    assert list(cell.wakeups.client) == [7]
    assert list(cell.wakeups.index) == [6]
    assert list(cell.samples.t) == [1.0, 4.0]
    assert list(cell.samples.free) == [400, 80]
    assert list(cell.samples.pswpout) == [10, 17]
    assert list(cell.samples.runnable) == [2, 2]
    assert list(cell.zones.name) == ["DMA32", "DMA32"]
    assert list(cell.zones.gate) == [200, 200]
    assert list(cell.balloon.phase) == ["requested", "missed"]
    assert list(cell.balloon.query_seconds) == [0.25, 0.25]
    assert cell.console == "Linux\n\ufffd"
    assert list(cell.which(cell.zones.free <= cell.zones.gate)) == [4, 12]
    assert not cell.which(cell.samples.free < 80)
    assert repr(cell.which(cell.wakeups)) == "1 record: 6 WAKEUP client 7 at 2.000 s"


def test_what_a_kernel_without_a_status_has(tmp_path: Path) -> None:
    bare = zone(START, 1)
    view = bare["value"].view(layout.ZONE)
    view["status"] = layout.NO_STATUS
    bare["value"] = view.view("<u8").reshape(1, 5)
    cell = results(tmp_path, made(zone(START, 1), bare))
    assert list(cell.zones.status.isna()) == [False, True]


def test_an_empty_log(tmp_path: Path) -> None:
    empty = RecordLog(np.zeros(0, layout.RECORD), lost=0, torn=0)
    cell = results(tmp_path, empty)
    for frame in (cell.records, cell.wakeups, cell.samples, cell.zones, cell.balloon):
        assert isinstance(frame, pd.DataFrame) and frame.empty and "t" in frame
    assert not cell.which(cell.wakeups)
    assert evidence(empty, Outcome(finding=Finding.PANIC)).lines() == []


def test_what_cannot_be_read(tmp_path: Path) -> None:
    cell = results(tmp_path, made())
    with pytest.raises(ValueError, match="'EXITS' is no kind of record; there is BOOT"):
        cell.kind("EXITS")
    (tmp_path / "records.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="not a log of records"):
        _ = CellResults(tmp_path).records


KILLED = record(Kind.EXIT, START + S, 0, signal.SIGKILL, 0, 1, client=3)
STOPPED = record(Kind.EXIT, START + S, 0, signal.SIGKILL, 1, 1, client=4)
GAVE_UP = record(Kind.EXIT, START + S, 12, 0, 0, 1, client=5)
MISSED = record(Kind.BALLOON, START + S, BalloonPhase.MISSED, 1, 49152, 50000, 2 * S)


@pytest.mark.parametrize(
    ("kind", "rows", "numbers"),
    [
        ("oom-kill", [STOPPED, KILLED], [2]),
        (
            "oom-kill",
            [
                *sample(START, free=1, pswpout=0, oom_kill=1),
                *sample(START + S, free=1, pswpout=0, oom_kill=3),
            ],
            [6],
        ),
        ("agent", [KILLED, GAVE_UP], [2]),
        ("balloon", [GAVE_UP, MISSED], [2]),
        ("self-check", [self_check(CheckResult.PASSED), self_check(CheckResult.FAILED)], [2]),
        ("panic", [KILLED] * 9, [5, 6, 7, 8, 9]),
        ("oom-kill", [STOPPED], [0, 1]),
    ],
)
def test_the_records_of_a_finding(kind: str, rows: list[np.ndarray], numbers: list[int]) -> None:
    assert list(evidence(made(*rows), Outcome.parse(f"finding:{kind}"))) == numbers


def test_records_in_words() -> None:
    log = made(GAVE_UP, self_check(CheckResult.FAILED), record(Kind.POLL, START - S, 2**64 - 1))
    assert evidence(log, Outcome(finding=Finding.PANIC)).lines() == [
        f"record 0 START at 0.000 s: pid=0 asked_ns={START} start_ns={START}",
        "record 1 EXIT client 5 at 1.000 s: pid=0 code=12 signal=0 sent_by_agent=0 op=1 cpu_ns=0",
        "record 2 SELF_CHECK at 1.000 s: pid=0 name=fork\\x1b number=0 count=1 result=2 line=42 "
        "error=0 signal=0",
        "record 3 POLL at -1.000 s: pid=0 polls=-1",
    ]
