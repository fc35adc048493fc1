"""The results of a finished cell as data frames: for tests, notebooks and people.

The frames are made from Arrow tables. They are pandas data frames if pandas can be imported;
otherwise they are the tables, pyarrow.Table with the same columns. So pandas is optional.

Every frame of records is indexed by the record's number, as `memnotify gdb --record` counts it (a
pyarrow.Table has it as its first column, `record`), and has `time_ns` (the guest's CLOCK_MONOTONIC)
and `t` (seconds since the scenario's start). docs/reference/records.md lists all columns. In
pandas, integers that may be missing have the type Int64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from memnotify.files import read_bytes
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.results.evidence import Chosen
from memnotify.results.folder import RECORDS, read_manifest, read_verdict
from memnotify.results.tables import (
    RECORD,
    balloon_table,
    kind_table,
    records_table,
    samples_table,
    timeline_table,
    wakeups_table,
    zones_table,
)
from memnotify.results.timeline import timeline_of
from memnotify.results.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd


def frame_of(table: Any) -> pd.DataFrame:
    """Return an Arrow table as a pandas data frame, or unchanged without pandas."""
    try:
        import pandas as pd
    except ImportError:
        return table
    nullable = {pa.int64(): pd.Int64Dtype()}.get
    columns = {
        field.name: table[field.name].to_pandas(types_mapper=nullable if field.nullable else None)
        for field in table.schema
    }
    frame = pd.DataFrame(columns)
    return frame.set_index(RECORD) if RECORD in columns else frame


@dataclass(frozen=True)
class CellResults:
    """One finished cell, by its folder. Whatever is read is cached.

    Reading raises InputError if a result is damaged or missing.
    """

    folder: Path

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def figures(self) -> Mapping[str, Any]:
        """The cell's row of `memnotify show --json`."""
        return self.verdict.to_json()

    @cached_property
    def verdict(self) -> Verdict:
        return read_verdict(self.folder)

    @property
    def name(self) -> str:
        return self.verdict.name

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The cell's point of the matrix: series, memory_mib, clients, ..."""
        return self.verdict.point

    @property
    def outcome(self) -> str:
        """`ok`, or `finding:<kind>`."""
        return str(self.verdict.outcome)

    @property
    def detail(self) -> str:
        return self.verdict.outcome.detail

    @cached_property
    def console(self) -> str:
        """Everything that the guest's kernel printed."""
        return read_bytes(self.folder / "console.log").decode(errors="replace")

    @cached_property
    def log(self) -> RecordLog:
        return read_records(self.folder / RECORDS)

    @cached_property
    def records(self) -> pd.DataFrame:
        """All records: kind, client (NA: none), pid, cpu, value0 to value4 as unsigned numbers."""
        return frame_of(records_table(self.log))

    def kind(self, kind: str) -> pd.DataFrame:
        """Return the records of one kind (`"EXIT"`), with named values.

        Raises ValueError if there is no such kind.
        """
        if kind not in Kind.__members__:
            raise ValueError(
                f"{kind!r} is no kind of record; there is {', '.join(Kind.__members__)}"
            )
        return frame_of(kind_table(self.log, Kind[kind]))

    @cached_property
    def wakeups(self) -> pd.DataFrame:
        """The returns of poll() that notified a client; the figures count these."""
        return frame_of(wakeups_table(self.log))

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per sample: its MEMINFO, with the values of its RECLAIM and its PAGING.

        The counters count from boot.
        """
        return frame_of(samples_table(self.log))

    @cached_property
    def zones(self) -> pd.DataFrame:
        """One row per zone and sample.

        `gate` is v4's: the most free pages at which it lets a notification through. `status` is NA
        if the kernel has none.
        """
        return frame_of(zones_table(self.log))

    @cached_property
    def balloon(self) -> pd.DataFrame:
        """The balloon's trajectory: when the guest requested each step, and reached or missed it.

        `total_kib` is the guest's memory at that time; `actual_kib`, `query_seconds` and
        `event_seconds` are the host's view of the step (docs/mechanisms.md).
        """
        return frame_of(balloon_table(self.log, read_manifest(self.folder).balloon))

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """What happened, in order: the events of `memnotify show RUN CELL`, not single records."""
        return frame_of(timeline_table(timeline_of(self.folder)))

    def which(self, rows: pd.Series[bool] | pd.DataFrame) -> Chosen:
        """Return the records for which a condition holds, or those of a frame, to be counted.

        If `assert not cell.which(cell.zones.free < cell.zones["min"])` fails, it names the records.
        Without pandas, conditions have no index: pass a filtered table of records instead.
        """
        if isinstance(rows, pa.Table):
            numbers = rows[RECORD].to_numpy()
        elif hasattr(rows, "columns"):
            numbers = rows.index.to_numpy(np.int64)
        else:
            numbers = rows[rows.fillna(False).astype(bool)].index.to_numpy(np.int64)
        return Chosen(self.log, np.unique(numbers))
