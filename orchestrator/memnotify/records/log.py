"""The log of one guest, as all its readers take it.

The guest wrote the records, so nothing in them is trusted: a number from them is clipped before it
is used as an index. All times are guest time, CLOCK_MONOTONIC in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from memnotify.records import layout
from memnotify.records.layout import Kind

Records = NDArray[Any]
"""A structured array."""

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_COMMON = ("commit", "cpu", "client", "pid", "time_ns")


def _view(kind: Kind) -> np.dtype[Any]:
    common, payload = layout.RECORD.fields, layout.LAYOUTS[kind].fields
    assert common is not None and payload is not None
    start = common["value"][1]
    places = {name: common[name][:2] for name in _COMMON}
    places |= {name: (field[0], start + field[1]) for name, field in payload.items()}
    return np.dtype(
        {
            "names": list(places),
            "formats": [form for form, _ in places.values()],
            "offsets": [offset for _, offset in places.values()],
            "itemsize": layout.RECORD.itemsize,
        }
    )


VIEWS: Mapping[Kind, np.dtype[Any]] = MappingProxyType({kind: _view(kind) for kind in Kind})
"""The layout of a whole record of each kind."""


def ints(column: Any) -> Ints:
    """Return numbers of a log as signed; negative ones are stored in two's complement."""
    return np.asarray(column, dtype=np.int64)


def indexes(rows: Records) -> Ints:
    """Return the numbers of these records in their log, from 0."""
    return ints(rows["commit"]) - 1


def take(rows: Records, chosen: Flags | Ints) -> Records:
    """Return some of these whole records.

    They are copied as plain bytes, because numpy copies a structured record field by field.
    """
    plain = np.dtype((np.void, rows.dtype.itemsize))
    taken: Records = rows.view(plain)[chosen].view(rows.dtype)
    return taken


@dataclass(frozen=True, eq=False)
class RecordLog:
    """The valid records of a guest in the order in which they were claimed.

    `records` has the dtype layout.RECORD, and must not change. `lost` records did not fit into the
    log. `torn` records were claimed but never finished (the writer was killed, or the guest stopped
    there), or make no sense.
    """

    records: Records
    lost: int
    torn: int

    def __len__(self) -> int:
        return len(self.records)

    @property
    def kinds(self) -> NDArray[np.uint16]:
        """Return the kind of each record."""
        kinds: NDArray[np.uint16] = self.records["kind"]
        return kinds

    def kind(self, kind: Kind) -> Records:
        """Return the records of one kind as a read-only structured array.

        Its fields are `commit` (claim number from 1), `cpu`, `client`, `pid`, `time_ns`, and those
        of the kind: those of layout.LAYOUTS, or unsigned 64-bit numbers named in
        layout.VALUE_NAMES.
        """
        found = self._kinds.get(kind)
        if found is None:
            found = take(self.records, self.records["kind"] == kind).view(VIEWS[kind])
            found.flags.writeable = False
            self._kinds[kind] = found
        return found

    @cached_property
    def _kinds(self) -> dict[Kind, Records]:
        return {}

    def only(self, chosen: Flags) -> RecordLog:
        """Return the log with only the chosen records."""
        return RecordLog(take(self.records, chosen), lost=self.lost, torn=self.torn)

    @cached_property
    def start_ns(self) -> int:
        """Return the scenario's start; 0 if it did not start."""
        return _start_ns(self)

    @property
    def end_ns(self) -> int:
        """Return the time of the newest record; 0 if there is none."""
        return int(self.records["time_ns"].max()) if len(self.records) else 0

    @property
    def cpus(self) -> int:
        """Return the number of CPUs: what the guest reported at boot, or more if more wrote."""
        booted, writers = self.kind(Kind.BOOT)["cpus"], self.records["cpu"]
        return max(int(booted.max(initial=1)), int(writers.max(initial=0)) + 1)


@cache
def fields_of(kind: Kind, names: tuple[str, ...]) -> np.dtype[Any]:
    """Return the layout of records with time, client, and these values of a kind."""
    form = VIEWS[kind]
    return np.dtype([(name, form[name]) for name in ("time_ns", "client", *names)])


@dataclass(frozen=True, eq=False)
class Columns:
    """Some fields of the records of some kinds of a log, for figures that need no more.

    `kinds` has the kind of each of these records, in their order. `rows` has the records of each
    kind, as `RecordLog.kind` does; any other kind or field is an error.
    """

    kinds: NDArray[np.uint16]
    rows: Mapping[Kind, Records]
    lost: int
    torn: int

    @classmethod
    def of(cls, log: RecordLog, fields: Mapping[Kind, tuple[str, ...]]) -> Self:
        """Take them out of a whole log."""
        rows = {}
        for kind, names in fields.items():
            all_of = log.kind(kind)
            rows[kind] = np.zeros(len(all_of), fields_of(kind, names))
            for name in rows[kind].dtype.names or ():
                rows[kind][name] = all_of[name]
        kinds = log.kinds[np.isin(log.kinds, list(fields))]
        return cls(kinds=kinds, rows=rows, lost=log.lost, torn=log.torn)

    def kind(self, kind: Kind) -> Records:
        """Return the records of one kind."""
        return self.rows[kind]

    @cached_property
    def start_ns(self) -> int:
        """Return the scenario's start; 0 if it did not start."""
        return _start_ns(self)


class ByKind(Protocol):
    """A log, as far as its records are taken by their kind."""

    @property
    def start_ns(self) -> int: ...

    def kind(self, kind: Kind) -> Records: ...


def _start_ns(log: ByKind) -> int:
    start = ints(log.kind(Kind.START)["start_ns"])
    return int(start[0]) if start.size else 0
