"""Where two logs of the same cell part."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from orchestrator.guest.abi import RECORD, Kind, payload
from orchestrator.guest.decode import RecordLog, Records, read_records


def first_difference(one: Path, other: Path) -> str | None:
    """Compare two records.parquet byte for byte; return where they part, or None.

    The answer names the first record that differs, and its fields that do. Raises InputError if a
    file is no log of records.
    """
    if one.read_bytes() == other.read_bytes():
        return None
    return _difference(read_records(one), read_records(other)) or "the files' metadata differ"


def _difference(one: RecordLog, other: RecordLog) -> str | None:
    both = min(len(one), len(other))
    apart = one.records[:both] != other.records[:both]
    if not apart.any():
        if len(one) == len(other):
            return None
        return f"{len(one)} records and {len(other)}, the first {both} alike"
    index = int(np.argmax(apart))
    left, right = one.records[index : index + 1], other.records[index : index + 1]
    mine, theirs = _fields(left), _fields(right)
    fields = [
        f"{name} {value} and {theirs.get(name)}"
        for name, value in mine.items()
        if value != theirs.get(name)
    ]
    when = int(left["time_ns"][0]) / 1e9
    return f"record {index} ({mine['kind']}, {when:.9f} s): {', '.join(fields)}"


def _fields(record: Records) -> dict[str, str]:
    """Return the fields of one record with their values, those of its kind last."""
    kind = Kind(int(record["kind"][0]))
    values = payload(record, kind)
    common = {name: str(record[name][0]) for name in RECORD.fields or () if name != "value"}
    special = {name: str(values[name][0]) for name in values.dtype.fields or ()}
    return common | {"kind": kind.name} | special
