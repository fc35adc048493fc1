"""The log of a guest: out of the shared memory, into records.parquet, and back.

The guest wrote those bytes, so nothing in them is trusted: a record counts only if its `commit`
and its kind are right, and no number from the guest is used as an index before it is clipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from memnotify.errors import InputError
from memnotify.files import refuse_special
from memnotify.records import layout
from memnotify.records.layout import Kind

Records = npt.NDArray[Any]
"""A structured array."""

_KNOWN = np.isin(np.arange(1 << 16), list(Kind))  # indexed by what stands in a record's `kind`
_WHOLE = np.dtype((np.void, layout.RECORD.itemsize))
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


@dataclass(frozen=True, slots=True, eq=False)
class RecordLog:
    """The valid records of a guest in the order in which they were claimed.

    `records` has the dtype abi.RECORD. `lost` did not fit into the log; `torn` were claimed, but
    never finished (the writer was killed, or the guest stopped there) or make no sense.
    """

    records: Records
    lost: int
    torn: int

    def __len__(self) -> int:
        return len(self.records)

    def kind(self, kind: Kind) -> Records:
        """Return the records of one kind as a structured array.

        Its fields are `commit` (claim number from 1), `cpu`, `client`, `pid`, `time_ns`, and those
        of the kind: those of abi.LAYOUTS, unsigned 64-bit numbers where abi.VALUE_NAMES has them.
        """
        # As plain bytes: numpy copies a structured record field by field.
        whole = self.records.view(_WHOLE)
        chosen: Records = whole[self.records["kind"] == kind].view(VIEWS[kind])
        return chosen

    @property
    def end_ns(self) -> int:
        """CLOCK_MONOTONIC of the newest record; 0 if there is none."""
        return int(self.records["time_ns"].max()) if len(self.records) else 0


def decode(region: Any, capacity: int) -> RecordLog:
    """Copy the valid records out of the shared memory.

    `region` is a buffer laid out as in record.h with room for `capacity` records.
    """
    header = np.frombuffer(region, layout.HEADER, count=1)[0]
    claimed = min(int(header["next"]), capacity)
    # One plain copy: a structured array would be copied field by field.
    raw = np.frombuffer(region, np.uint8, claimed * layout.RECORD.itemsize, layout.RECORDS_OFFSET)
    records = raw.copy().view(layout.RECORD)
    valid = records["commit"] == np.arange(1, claimed + 1, dtype="<u4")
    valid &= _KNOWN[records["kind"]]
    if not valid.all():
        records = records[valid]
    return RecordLog(records, lost=int(header["lost"]), torn=claimed - len(records))


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
