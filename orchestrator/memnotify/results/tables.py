"""The results of a finished cell as Arrow tables. docs/reference/records.md lists their columns.

A table's schema says which columns may have nulls. All integers are signed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from memnotify.model import BalloonMove
from memnotify.records import layout
from memnotify.records.clients import was_notified
from memnotify.records.layout import BalloonPhase, CheckResult, Kind
from memnotify.records.log import Flags, Ints, RecordLog, Records, indexes, ints
from memnotify.records.parquet_schema import column_of
from memnotify.records.zones import gate_of
from memnotify.scenario import ClientKind, Op
from memnotify.units import NS_PER_S

RECORD = "record"
"""The column with the number of each row's record in its log."""

Columns: TypeAlias = dict[str, tuple[Any, bool]]
"""A table in the making: its Arrow arrays by name, and whether each may have nulls."""

WORDS: Mapping[tuple[Kind, str], type[IntEnum]] = MappingProxyType(
    {
        (Kind.STEP, "op"): Op,
        (Kind.CLIENT, "client_kind"): ClientKind,
        (Kind.EXIT, "op"): Op,
        (Kind.BALLOON, "phase"): BalloonPhase,
        (Kind.SELF_CHECK, "result"): CheckResult,
    }
)
"""The values that are numbers in the log and words in a table; null if the number has no word."""

_WORD = pa.dictionary(pa.int8(), pa.string())
_COUNTERS = (Kind.RECLAIM, Kind.PAGING)
_EVENT_WORDS = MappingProxyType({"phase": BalloonPhase, "op": Op, "result": CheckResult})

TIMELINE: Mapping[str, Any] = MappingProxyType(
    {
        "t": pa.float64(),
        "event": pa.string(),
        "text": pa.string(),
        **dict.fromkeys(("zone", "name"), pa.string()),
        **dict.fromkeys(("present", "asked"), pa.bool_()),
        **dict.fromkeys(("seconds", "spread_ms", "after_ms"), pa.float64()),
        **dict.fromkeys(
            (
                *("step", "late_ns", "target_kib", "total_kib", "swap_kib"),
                *("node", "gate_pages", "least_free_pages", "batch", "wakeups", "clients"),
                *("count", "code", "signal", "errno", "number", "line", "error"),
            ),
            pa.int64(),
        ),
        **dict.fromkeys(_EVENT_WORDS, _WORD),
    }
)
"""The columns of a timeline: `t`, `event` and `text`, then the values that some event has."""


def records_table(log: RecordLog) -> Any:
    """Return all records, with a column for each value of each kind, as records.parquet has it."""
    rows = log.records
    columns = _common(log, rows)
    kinds = pa.DictionaryArray.from_arrays(
        (rows["kind"].astype(np.int64) - 1).astype("i1"), [kind.name for kind in Kind]
    )
    columns["kind"] = (kinds, False)
    for kind in Kind:
        at = np.flatnonzero(rows["kind"] == kind)
        place, other = np.zeros(len(rows), np.int64), np.ones(len(rows), bool)
        place[at], other[at] = np.arange(at.size), False
        picked = pa.array(place, mask=other)
        for name, (values, _) in _values_of(log, kind).items():
            columns[column_of(kind, name)] = (values.take(picked), True)
    return _table(columns)


def kind_table(log: RecordLog, kind: Kind) -> Any:
    """Return the records of one kind, with named values."""
    return _table(_of_kind(log, kind))


def wakeups_table(log: RecordLog) -> Any:
    """Return the WAKEUP records that notified a client."""
    return kind_table(log, Kind.WAKEUP).filter(pa.array(was_notified(log.kind(Kind.WAKEUP))))


def samples_table(log: RecordLog) -> Any:
    """Return the MEMINFO records, with the values of RECLAIM and PAGING of the same time."""
    columns = _of_kind(log, Kind.MEMINFO)
    times = ints(log.kind(Kind.MEMINFO)["time_ns"])
    for kind in _COUNTERS:
        rows = log.kind(kind)
        at, there = _first_with(times, ints(rows["time_ns"]))
        for name in layout.LAYOUTS[kind].names or ():
            columns[name] = (_picked(ints(rows[name]), at, there), True)
    return _table(columns)


def zones_table(log: RecordLog) -> Any:
    """Return the ZONE records with v4's gate."""
    columns = _of_kind(log, Kind.ZONE)
    columns["gate"] = (pa.array(gate_of(log.kind(Kind.ZONE))), False)
    return _table(columns)


def balloon_table(log: RecordLog, moves: Iterable[BalloonMove]) -> Any:
    """Return the BALLOON records, with the host's view of each step."""
    rows, columns = log.kind(Kind.BALLOON), _of_kind(log, Kind.BALLOON)
    seen: dict[int, BalloonMove] = {}
    for move in moves:
        seen.setdefault(move.step, move)
    found = [seen.get(step) for step in ints(rows["step"]).tolist()]
    for name, kind in (
        ("actual_kib", pa.int64()),
        ("query_seconds", pa.float64()),
        ("event_seconds", pa.float64()),
    ):
        values = [None if move is None else dataclasses.asdict(move)[name] for move in found]
        columns[name] = (pa.array(values, kind), True)
    return _table(columns)


def timeline_table(events: Iterable[Mapping[str, Any]]) -> Any:
    """Return the events of `results.timeline`, with a column for each number that any has."""
    events = list(events)
    columns: Columns = {}
    for name, kind in TIMELINE.items():
        values = [event.get(name) for event in events]
        if kind == pa.int64():
            values = [None if value is None else _signed(value) for value in values]
        words = _EVENT_WORDS.get(name)
        column = pa.array(values, kind) if words is None else _worded(values, words)
        columns[name] = (column, name not in ("t", "event", "text"))
    return _table(columns)


def _signed(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63  # it comes from the guest and may be anything


def _of_kind(log: RecordLog, kind: Kind) -> Columns:
    return _common(log, log.kind(kind)) | _values_of(log, kind)


def _values_of(log: RecordLog, kind: Kind) -> Columns:
    rows = log.kind(kind)
    columns: Columns = {}
    for name in layout.LAYOUTS[kind].names or ():
        if (words := WORDS.get((kind, name))) is not None:
            columns[name] = (_worded(ints(rows[name]).tolist(), words), True)
        elif (kind, name) == (Kind.ZONE, "status"):
            status = ints(rows[name])
            columns[name] = (pa.array(status, mask=status == layout.NO_STATUS), True)
        else:
            columns[name] = (_values(rows[name]), False)
    return columns


def _worded(numbers: Sequence[int | None], words: type[IntEnum]) -> Any:
    """Return a column with a word for each number; null if it has none."""
    at = {word.value: index for index, word in enumerate(words)}
    codes = pa.array([None if number is None else at.get(number) for number in numbers], pa.int8())
    return pa.DictionaryArray.from_arrays(codes, [word.name.lower() for word in words])


def _common(log: RecordLog, rows: Records) -> Columns:
    time_ns, client = ints(rows["time_ns"]), rows["client"]
    return {
        RECORD: (pa.array(indexes(rows)), False),
        "t": (pa.array((time_ns - log.start_ns) / NS_PER_S), False),
        "time_ns": (pa.array(time_ns), False),
        "client": (pa.array(ints(client), mask=np.asarray(client == layout.NO_CLIENT)), True),
        "pid": (pa.array(ints(rows["pid"])), False),
        "cpu": (pa.array(ints(rows["cpu"])), False),
    }


def _values(values: Records) -> Any:
    if values.dtype.kind == "S":
        names = [value.decode(errors="replace") for value in values.tolist()]
        return pa.array(names, pa.string())
    return pa.array(ints(values))


def _first_with(times: Ints, among: Ints) -> tuple[Ints, Flags]:
    """Return for each time where it first occurs among others, and whether it does."""
    known, first = np.unique(among, return_index=True)
    if not known.size:
        return np.zeros(times.size, np.int64), np.zeros(times.size, bool)
    at = np.searchsorted(known, times).clip(max=known.size - 1)
    return ints(first[at]), np.asarray(known[at] == times)


def _picked(values: Ints, at: Ints, there: Flags) -> Any:
    picked = values[at] if values.size else np.zeros(at.size, np.int64)
    return pa.array(picked, mask=~there)


def _table(columns: Columns) -> Any:
    fields = [
        pa.field(name, array.type, nullable=nullable) for name, (array, nullable) in columns.items()
    ]
    return pa.table([array for array, _ in columns.values()], schema=pa.schema(fields))
