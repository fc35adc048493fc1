"""Where two logs first differ: first_difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from memnotify.records import layout
from memnotify.records.difference import first_difference
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records


@pytest.fixture
def log() -> RecordLog:
    records = np.zeros(20, layout.RECORD)
    records["commit"] = np.arange(1, 21)
    records["kind"] = Kind.WAKEUP
    records["client"] = 3
    records["time_ns"] = np.arange(20) * 10**9
    return RecordLog(records, lost=0, torn=0)


def compare(folder: Path, one: RecordLog, other: RecordLog) -> str | None:
    for name, log in (("one", one), ("other", other)):
        write_records(log, folder / name)
    return first_difference(folder / "one", folder / "other")


def changed(log: RecordLog, index: int, **fields: int) -> RecordLog:
    records = log.records.copy()
    for name, value in fields.items():
        records[name][index] = value
    return RecordLog(records, lost=log.lost, torn=log.torn)


def test_equal_logs_do_not_part(log: RecordLog, tmp_path: Path) -> None:
    assert compare(tmp_path, log, changed(log, 0)) is None


def test_the_first_record_and_its_fields_are_named(log: RecordLog, tmp_path: Path) -> None:
    other = changed(changed(log, 7, time_ns=7 * 10**9 + 2), 9, client=4)
    other.records["value"][7, 4] = 12
    assert compare(tmp_path, log, other) == (
        "record 7 (WAKEUP, 7.000000000 s): time_ns 7000000000 and 7000000002, wakeups 0 and 12"
    )


def test_another_kind_of_record(log: RecordLog, tmp_path: Path) -> None:
    parted = compare(tmp_path, log, changed(log, 2, kind=Kind.MEMINFO))
    assert parted == "record 2 (WAKEUP, 2.000000000 s): WAKEUP and MEMINFO"


def test_a_log_that_stops_early_parts_there(log: RecordLog, tmp_path: Path) -> None:
    short = RecordLog(log.records[:12], lost=0, torn=0)
    assert compare(tmp_path, log, short) == "20 records and 12, of which the first 12 are equal"


def test_lost_records_count(log: RecordLog, tmp_path: Path) -> None:
    other = RecordLog(log.records, lost=1, torn=0)
    assert compare(tmp_path, log, other) == "the files' metadata differ"
