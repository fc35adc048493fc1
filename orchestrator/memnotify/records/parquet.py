"""The log of a guest in a file, records.parquet. docs/records.md has its columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from memnotify.errors import InputError
from memnotify.files import refuse_special
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog


def write_records(log: RecordLog, path: Path) -> None:
    """Write records.parquet.

    Columns: index (claim number from 0), time_ns, kind (its name), client (null: none), pid, cpu,
    and the five 64-bit words value0 ... value4 as they lie in the record. The numbers of lost and
    torn records are in the file's metadata. Raises OSError.
    """
    records = log.records
    client = np.ascontiguousarray(records["client"])
    columns = {
        "index": pa.array(records["commit"] - np.uint32(1)),
        "time_ns": pa.array(np.ascontiguousarray(records["time_ns"])),
        "kind": pa.DictionaryArray.from_arrays(
            (records["kind"] - np.uint16(1)).astype("i1"), [kind.name for kind in Kind]
        ),
        "client": pa.array(client, mask=client == layout.NO_CLIENT),
        "pid": pa.array(np.ascontiguousarray(records["pid"])),
        "cpu": pa.array(np.ascontiguousarray(records["cpu"])),
    }
    for number in range(layout.RECORD["value"].shape[0]):
        columns[f"value{number}"] = pa.array(np.ascontiguousarray(records["value"][:, number]))
    table = pa.table(columns, metadata={"lost": str(log.lost), "torn": str(log.torn)})
    pq.write_table(table, path, compression="zstd")


def read_records(path: Path) -> RecordLog:
    """Read records.parquet back. Raises InputError if it cannot be read or is something else."""
    refuse_special(path)
    try:
        with pq.ParquetFile(path) as file:  # of pyarrow's readers the one without a data set
            table = file.read()
        metadata = table.schema.metadata or {}
        records = np.zeros(len(table), layout.RECORD)
        records["commit"] = table["index"].to_numpy() + np.uint32(1)
        records["kind"] = _kinds(table["kind"])
        records["client"] = table["client"].fill_null(layout.NO_CLIENT).to_numpy()
        for name in ("time_ns", "pid", "cpu"):
            records[name] = table[name].to_numpy()
        for number in range(layout.RECORD["value"].shape[0]):
            records["value"][:, number] = table[f"value{number}"].to_numpy()
        return RecordLog(records, lost=int(metadata[b"lost"]), torn=int(metadata[b"torn"]))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise InputError(f"not a log of records: {error}", file=path) from error


def _kinds(column: Any) -> npt.NDArray[np.uint16]:
    merged = column.combine_chunks()
    if isinstance(merged, pa.ChunkedArray):  # a column without any rows stays chunked
        return np.zeros(0, np.uint16)
    numbers = np.array([Kind[name] for name in merged.dictionary.to_pylist()], np.uint16)
    kinds: npt.NDArray[np.uint16] = numbers[merged.indices.to_numpy()]
    return kinds
