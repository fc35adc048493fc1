"""Describes records of a guest's log by number: the evidence of a test or a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from memnotify.model import Finding, Outcome
from memnotify.records.exits import failed_exits, killed_exits
from memnotify.records.layout import NO_CLIENT, BalloonPhase, CheckResult, Kind
from memnotify.records.log import Ints, RecordLog, Records, indexes
from memnotify.text import counted, printable
from memnotify.units import NS_PER_S

_SHOWN = 5
"""The most records named in one line: pytest truncates lines at 240 characters."""


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Some records of a log; false if empty. `numbers` are sorted, from 0."""

    log: RecordLog
    numbers: Ints

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers.tolist())

    def __repr__(self) -> str:
        count = counted(len(self), "record")
        named = [_name(self.log, number) for number in self.numbers[:_SHOWN].tolist()]
        more = ", …" if len(self) > _SHOWN else ""
        return f"{count}: {', '.join(named)}{more}" if named else count

    def lines(self) -> list[str]:
        """Return a line for each record, with all of its values."""
        return [f"record {_name(self.log, number)}: {_values(self.log, number)}" for number in self]


def evidence(log: RecordLog, outcome: Outcome) -> Chosen:
    """Return the records on which a finding is based, or the last ones if there are none."""
    find = None if outcome.finding is None else _EVIDENCE.get(outcome.finding)
    chosen = [] if find is None else find(log)
    numbers = np.sort(np.concatenate([np.zeros(0, np.int64), *map(indexes, chosen)]))
    return Chosen(log, numbers if numbers.size else indexes(log.records)[-_SHOWN:])


def _oom_kills(log: RecordLog) -> list[Records]:
    samples = log.kind(Kind.RECLAIM)
    grown = np.diff(samples["oom_kill"], prepend=samples["oom_kill"][:1]) != 0
    return [killed_exits(log), samples[grown]]


def _failures(log: RecordLog) -> list[Records]:
    clients = log.kind(Kind.CLIENT)
    return [failed_exits(log), clients[clients["errno"] != 0]]


def _self_check(log: RecordLog) -> list[Records]:
    checks = log.kind(Kind.SELF_CHECK)
    return [checks[checks["result"] == CheckResult.FAILED]]


def _balloon(log: RecordLog) -> list[Records]:
    moves = log.kind(Kind.BALLOON)
    return [moves[moves["phase"] == BalloonPhase.MISSED]]


_EVIDENCE: Mapping[str, Callable[[RecordLog], list[Records]]] = {
    Finding.OOM_KILL: _oom_kills,
    Finding.AGENT: _failures,
    Finding.SELF_CHECK: _self_check,
    Finding.BALLOON: _balloon,
}


def _row(log: RecordLog, number: int) -> Any:
    at = int(np.searchsorted(log.records["commit"], number + 1))
    return log.records[at : at + 1]


def _name(log: RecordLog, number: int) -> str:
    row = _row(log, number)[0]
    seconds = (int(row["time_ns"]) - log.start_ns) / NS_PER_S
    client = f" client {row['client']}" if row["client"] != NO_CLIENT else ""
    return f"{number} {Kind(row['kind']).name}{client} at {seconds:.3f} s"


def _values(log: RecordLog, number: int) -> str:
    row = RecordLog(_row(log, number), lost=0, torn=0)
    values = row.kind(Kind(row.records["kind"][0]))
    names = [name for name in values.dtype.names or () if name not in _COMMON]
    return " ".join(f"{name}={_text(values[name][0])}" for name in names)


_COMMON = ("commit", "cpu", "client", "time_ns")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return printable(value.decode(errors="replace"))
    # Unsigned in the log: negative numbers are stored in two's complement.
    return str(value.astype(np.int64)) if value.dtype == np.uint64 else str(value)
