"""Which record of a finished cell a command stops at."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from memnotify.errors import InputError
from memnotify.records import layout
from memnotify.records.decode import decode
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS
from memnotify.records.parquet import write_records
from memnotify.run.looking import moment
from memnotify.units import NS_PER_S

CAPACITY = 64
# Seconds since boot; the scenario is from 10 to 13 s, and then its processes are ended.
KINDS = (Kind.BOOT, Kind.START, Kind.MEMINFO, Kind.MEMINFO, Kind.EXIT, Kind.END)
TIMES = (1.0, 10.0, 11.0, 12.9, 13.0, 13.1)


@pytest.fixture
def finished(tmp_path: Path) -> Any:
    """Return a cell with these records."""
    region = bytearray(layout.region_size(CAPACITY))
    layout.init_header(region, CAPACITY)
    records = np.frombuffer(region, layout.RECORD, CAPACITY, layout.RECORDS_OFFSET)
    for index, (kind, seconds) in enumerate(zip(KINDS, TIMES, strict=True)):
        record = records[index]
        record["kind"], record["client"] = kind, layout.NO_CLIENT
        record["time_ns"], record["commit"] = round(seconds * NS_PER_S), index + 1
    start = records[1:2].view(VIEWS[Kind.START])
    start["start_ns"] = 10 * NS_PER_S
    np.frombuffer(region, layout.HEADER, count=1)["next"] = len(KINDS)
    write_records(decode(region, CAPACITY), tmp_path / "records.parquet")
    scenario = SimpleNamespace(duration_ns=3 * NS_PER_S)
    job = SimpleNamespace(name="cell", cell=SimpleNamespace(scenario=scenario))
    return SimpleNamespace(job=job, records=tmp_path / "records.parquet")


def test_without_a_wish_it_is_the_last_record_or_the_last_before_the_end(finished: Any) -> None:
    found = moment(finished, number=None, at=None)
    assert (found.number, round(found.seconds, 3)) == (5, 3.1)
    found = moment(finished, number=None, at=None, before_end=True)
    assert (found.number, round(found.seconds, 3)) == (3, 2.9)


def test_a_guest_whose_processes_must_live_is_not_taken_beyond_the_end(finished: Any) -> None:
    assert moment(finished, number=4, at=None).number == 4
    assert moment(finished, number=3, at=None, before_end=True).number == 3
    assert moment(finished, number=None, at=2.0, before_end=True).number == 3
    for number, at in ((4, None), (None, 2.95)):
        with pytest.raises(
            InputError, match=r"record 4 of cell .* after .* end, at 3\.000 s"
        ) as no:
            moment(finished, number=number, at=at, before_end=True)
        assert no.value.hint == "the last one before it is record 3"


def test_a_guest_that_ended_before_its_scenario_has_its_last_record(finished: Any) -> None:
    finished.job.cell.scenario.duration_ns = 30 * NS_PER_S
    assert moment(finished, number=None, at=None, before_end=True).number == 5
