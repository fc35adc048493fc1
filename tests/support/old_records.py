"""Writes records.parquet as version 1 had it, to test that it is still read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog


def write_old(log: RecordLog, path: Path) -> None:
    """Write version 1, with the five words as they are in a record."""
    records = log.records
    client = np.ascontiguousarray(records["client"])
    columns: dict[str, Any] = {
        "index": pa.array(records["commit"] - np.uint32(1)),
        "time_ns": pa.array(np.ascontiguousarray(records["time_ns"])),
        "kind": pa.DictionaryArray.from_arrays(
            (records["kind"] - np.uint16(1)).astype("i1"), [kind.name for kind in Kind]
        ),
        "client": pa.array(client, mask=client == layout.NO_CLIENT),
        "pid": pa.array(np.ascontiguousarray(records["pid"])),
        "cpu": pa.array(np.ascontiguousarray(records["cpu"])),
    }
    for number in range(5):
        columns[f"value{number}"] = pa.array(np.ascontiguousarray(records["value"][:, number]))
    metadata = {"lost": str(log.lost), "torn": str(log.torn)}
    pq.write_table(pa.table(columns, metadata=metadata), path, compression="zstd")
