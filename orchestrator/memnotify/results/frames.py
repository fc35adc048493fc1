"""What a finished cell left, as pandas data frames: for tests, notebooks and people.

Every frame is indexed by the record's number, as `memnotify gdb --record` counts it, and has
`time_ns` (the guest's CLOCK_MONOTONIC) and `t` (seconds since the scenario's start). The other
columns are those of docs/records.md; pages and KiB as there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from memnotify.files import read_bytes
from memnotify.records import layout
from memnotify.records.clients import was_notified
from memnotify.records.layout import BalloonPhase, Kind
from memnotify.records.log import RecordLog, Records, indexes, ints
from memnotify.records.parquet import read_records
from memnotify.records.zones import gate_of
from memnotify.results.evidence import Chosen
from memnotify.results.folder import RECORDS, read_manifest, read_verdict
from memnotify.results.verdict import Verdict
from memnotify.units import NS_PER_S

_SAMPLE = (Kind.MEMINFO, Kind.RECLAIM, Kind.PAGING)


@dataclass(frozen=True)
class CellResults:
    """One finished cell, by its folder. What is read is kept.

    Reading raises InputError where a result is damaged or missing.
    """

    folder: Path

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def figures(self) -> Mapping[str, Any]:
        """Its row of `memnotify show --json`."""
        return self.verdict.to_json()

    @cached_property
    def verdict(self) -> Verdict:
        return read_verdict(self.folder)

    @property
    def name(self) -> str:
        return self.verdict.name

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The point of the matrix that it is: series, memory_mib, clients, ..."""
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
        """All that the guest's kernel printed."""
        return read_bytes(self.folder / "console.log").decode(errors="replace")

    @cached_property
    def log(self) -> RecordLog:
        return read_records(self.folder / RECORDS)

    @cached_property
    def records(self) -> pd.DataFrame:
        """All records: kind, client (NA: none), pid, cpu, value0 to value4 as unsigned numbers."""
        rows = self.log.records
        frame = self._frame(rows)
        frame["kind"] = pd.Categorical.from_codes(
            rows["kind"].astype(np.int64) - 1, [kind.name for kind in Kind]
        )
        for number in range(rows["value"].shape[1]):
            frame[f"value{number}"] = rows["value"][:, number]
        return frame

    def kind(self, kind: str) -> pd.DataFrame:
        """Return the records of one kind (`"EXIT"`) with their values under their names.

        Raises ValueError if there is no such kind.
        """
        if kind not in Kind.__members__:
            raise ValueError(
                f"{kind!r} is no kind of record; there is {', '.join(Kind.__members__)}"
            )
        rows = self.log.kind(Kind[kind])
        frame = self._frame(rows)
        for name in layout.LAYOUTS[Kind[kind]].names or ():
            frame[name] = _column(rows[name])
        return frame

    @cached_property
    def wakeups(self) -> pd.DataFrame:
        """The returns of poll() that notified a client, which is what the figures count."""
        return self.kind("WAKEUP")[was_notified(self.log.kind(Kind.WAKEUP))]

    @cached_property
    def samples(self) -> pd.DataFrame:
        """A row for each sample: its MEMINFO, with the values of its RECLAIM and its PAGING.

        Their counters count since boot.
        """
        frame, *others = (self.kind(kind.name) for kind in _SAMPLE)
        for other in others:
            values = other.drop(columns=["t", "client", "pid", "cpu"]).drop_duplicates("time_ns")
            frame = frame.join(values.set_index("time_ns"), on="time_ns")
        return frame

    @cached_property
    def zones(self) -> pd.DataFrame:
        """A row for each zone and sample.

        `gate` is v4's, the most free pages with which it lets a notification through; `status`
        is NA where the kernel has none.
        """
        frame = self.kind("ZONE")
        frame["gate"] = gate_of(frame)
        frame["status"] = frame["status"].astype("Int64").where(frame["status"] != layout.NO_STATUS)
        return frame

    @cached_property
    def balloon(self) -> pd.DataFrame:
        """The balloon's trajectory: when a step was requested, and reached or missed, in the guest.

        `total_kib` is what the guest had then; `actual_kib`, `query_seconds` and `event_seconds`
        are what the host saw of the step (docs/mechanisms.md).
        """
        frame = self.kind("BALLOON")
        phases = {phase.value: phase.name.lower() for phase in BalloonPhase}
        frame["phase"] = frame["phase"].map(phases)
        seen = ["actual_kib", "query_seconds", "event_seconds"]
        moves = pd.DataFrame(
            map(dataclasses.asdict, read_manifest(self.folder).balloon), columns=["step", *seen]
        ).drop_duplicates("step")
        return frame.join(moves.set_index("step"), on="step")

    def which(self, rows: pd.Series[bool] | pd.DataFrame) -> Chosen:
        """Return the records for which a condition holds, or those of a frame, to be counted.

        `assert not cell.which(cell.zones.free < cell.zones["min"])` fails with their names.
        """
        chosen = rows if isinstance(rows, pd.DataFrame) else rows[rows.fillna(False).astype(bool)]
        return Chosen(self.log, np.unique(chosen.index.to_numpy(np.int64)))

    def _frame(self, rows: Records) -> pd.DataFrame:
        time_ns = ints(rows["time_ns"])
        frame = pd.DataFrame(
            {"t": (time_ns - self.log.start_ns) / NS_PER_S, "time_ns": time_ns},
            index=pd.Index(indexes(rows), name="record"),
        )
        client = pd.array(rows["client"].astype(np.int64), dtype="Int64")
        client[rows["client"] == layout.NO_CLIENT] = pd.NA
        frame["client"] = client
        for name in ("pid", "cpu"):
            frame[name] = rows[name].astype(np.int64)
        return frame


def _column(values: Records) -> Any:
    if values.dtype.kind == "S":
        return [value.decode(errors="replace") for value in values.tolist()]
    return ints(values)
