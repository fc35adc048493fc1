"""The results of a finished cell as data frames: for tests, notebooks and people.

The frames are made from Arrow tables. They are pandas data frames if pandas can be imported;
otherwise they are the tables, pyarrow.Table with the same columns. So pandas is optional.

Every frame of records is indexed by the record's number, as `memnotify gdb --record` counts it (a
pyarrow.Table has it as its first column, `record`), and has `time_ns` (the guest's CLOCK_MONOTONIC)
and `t` (seconds since the scenario's start). docs/reference/records.md lists all columns. In
pandas, integers that may be missing have the type Int64.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from memnotify.check.reaction import UNITS
from memnotify.errors import InputError
from memnotify.files import named, read_bytes
from memnotify.records.layout import Kind
from memnotify.records.log import Ints, RecordLog, indexes, ints
from memnotify.records.parquet import read_records
from memnotify.results.evidence import Chosen
from memnotify.results.folder import CONSOLE, RECORDS, read_manifest, read_verdict
from memnotify.results.reaction import reacted_in
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
from memnotify.text import shown

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", named(self.folder, "cell"))

    def __repr__(self) -> str:
        try:
            return self.name
        except InputError:
            return f"<no results of a cell in {self.folder}>"

    @cached_property
    def figures(self) -> Mapping[str, Any]:
        """The cell's row of `memnotify show --json`."""
        return self.verdict.to_json()

    @cached_property
    def reaction(self) -> Mapping[str, float | None]:
        """The cell's figures of `memnotify compare`, those of its log; None: it has none."""
        # Not from `self.log`, which would stay in memory: there may be many cells.
        found = reacted_in(self.folder)
        return dict.fromkeys(UNITS) if found is None else found.figures

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
        return read_bytes(self.folder / CONSOLE).decode(errors="replace")

    @cached_property
    def log(self) -> RecordLog:
        return read_records(self.folder / RECORDS)

    @cached_property
    def records(self) -> pd.DataFrame:
        """All records: kind, client (NA: none), pid, cpu, and the values of all kinds.

        A column such as `zone_free` has the values of one kind, and is NA in records of others.
        """
        return frame_of(records_table(self.log))

    def kind(self, kind: str) -> pd.DataFrame:
        """Return the records of one kind (`"EXIT"`), with named values.

        Raises ValueError if there is no such kind.
        """
        if not isinstance(kind, str) or kind not in Kind.__members__:
            raise ValueError(
                f"{shown(kind)} is not a record kind; known kinds: {', '.join(Kind.__members__)}"
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
        `event_seconds` are the host's view of the step (docs/explanation/mechanisms.md).
        """
        return frame_of(balloon_table(self.log, read_manifest(self.folder).balloon))

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """What happened, in order: the events of `memnotify show RUN CELL`, not single records."""
        return frame_of(timeline_table(timeline_of(self.folder)))

    def which(self, rows: pd.Series[bool] | pd.DataFrame | pa.Table) -> Chosen:
        """Return the records for which a condition holds, or those of a frame, to be counted.

        If `assert not cell.which(cell.zones.free < cell.zones["min"])` fails, it names the records.
        Without pandas, conditions have no index: pass a filtered table of records instead.

        Raises TypeError for anything but a frame with the numbers of records, as its index or its
        column `record`, or a condition on such a frame, and InputError if the log lacks a record.
        """
        numbers = np.unique(_numbers(rows))
        strange = np.setdiff1d(numbers, indexes(self.log.records))
        if strange.size:
            raise InputError(f"{self!r} has no record {strange[0]}; the rows are of another cell")
        return Chosen(self.log, numbers)


def _numbers(rows: Any) -> Ints:
    """Return the numbers of the records that a frame has, or for which a condition holds."""
    pandas: Any = sys.modules.get("pandas")  # without it, nobody can have a frame of it
    found: Any = None
    if isinstance(rows, pa.Table):
        found = rows[RECORD].to_numpy() if RECORD in rows.column_names else None
    elif pandas is not None and isinstance(rows, pandas.DataFrame):
        found = rows.index if rows.index.name == RECORD else rows.get(RECORD)
    elif pandas is not None and isinstance(rows, pandas.Series) and rows.index.name == RECORD:
        kind = pandas.api.types.infer_dtype(rows, skipna=True)
        found = rows.index[rows.fillna(False).astype(bool)] if kind in _CONDITIONS else None
    found = None if found is None else np.asarray(found)
    if found is None or (found.size and found.dtype.kind not in "iu"):
        raise TypeError(
            "which() takes a frame of records, or a condition on one, such as "
            f"cell.zones.free < 100; {_objection(rows)}"
        )
    return ints(found)


_CONDITIONS = ("boolean", "empty")
"""Types of the values of a condition; `empty`: none of them is known."""


def _objection(rows: Any) -> str:
    kind = f"a {type(rows).__name__}"
    if hasattr(rows, "dtype") and getattr(getattr(rows, "index", None), "name", None) == RECORD:
        return f"{kind} of {rows.dtype} is not a condition"
    large = hasattr(rows, "columns") or hasattr(rows, "dtype") or hasattr(rows, "to_pylist")
    return f"{kind if large else shown(rows)} has no number of a record"
