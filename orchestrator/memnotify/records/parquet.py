"""The log of a guest as a file, records.parquet. docs/reference/records.md lists its columns.

Every value of every kind has its own column, such as `zone_free`, which is null in records of other
kinds. Version 1 had the five words of a record instead, value0 to value4; it can still be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from memnotify.records.log import RecordLog

SCHEMA_VERSION = 2

_ROWS = 1 << 16
"""Rows per row group: there are a hundred columns, and each takes memory for every row."""

_WORDS = layout.RECORD["value"].shape[0]
_BYTES = layout.RECORD["value"].itemsize
_WHOLE = np.dtype((np.void, layout.RECORD.itemsize))

_UNITS = {"_ns": "ns", "_us": "us", "_kib": "KiB"}
_ALL_OF = {Kind.MEMINFO: "KiB", Kind.SEEN: "KiB", Kind.CONSOLE: "KiB", Kind.ZONE: "pages"}
_WITHOUT = ("name", "node", "status", "runnable", "blocked", "error")
_PAGES = ("pswpin", "pswpout", "pgscan", "pgsteal", "pgdeactivate", "pgrefill")


def column_of(kind: Kind, name: str) -> str:
    """Return the name of the column for a value of a kind."""
    return f"{kind.name.lower()}_{name}"


def _unit(kind: Kind, name: str) -> str | None:
    for end, unit in _UNITS.items():
        if name.endswith(end):
            return unit
    if name in _PAGES:
        return "pages"
    if name == "page_size":
        return "bytes"
    return None if name in _WITHOUT else _ALL_OF.get(kind)


UNITS: Mapping[str, str] = MappingProxyType(
    {"time_ns": "ns"}
    | {
        column_of(kind, name): unit
        for kind in Kind
        for name in layout.LAYOUTS[kind].names or ()
        if (unit := _unit(kind, name)) is not None
    }
)
"""The units of the columns that have one; the file's metadata has them, too."""


def _type(form: np.dtype[Any]) -> Any:
    if form.kind == "S":
        return pa.string()
    # Negative numbers are stored in two's complement.
    return pa.int64() if form == np.uint64 else pa.from_numpy_dtype(form)


def _schema() -> Any:
    fields = [
        pa.field("index", pa.uint32(), nullable=False),
        pa.field("time_ns", pa.uint64(), nullable=False),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("client", pa.uint32()),
        pa.field("pid", pa.uint32(), nullable=False),
        pa.field("cpu", pa.uint16(), nullable=False),
    ]
    for kind in Kind:
        form = layout.LAYOUTS[kind]
        fields += [pa.field(column_of(kind, name), _type(form[name])) for name in form.names or ()]
    return pa.schema([*fields, pa.field("raw", pa.binary())])


_SCHEMA = _schema()


def write_records(log: RecordLog, path: Path) -> None:
    """Write records.parquet.

    Columns: index (claim number from 0), time_ns, kind (its name), client (null: none), pid, cpu,
    and one for each value of each kind. `raw` has the 40 bytes of a record's values if the columns
    cannot hold all of them: a name that is not text, or a word that its kind does not have. The
    file's metadata has the numbers of lost and torn records, the version and the units. Raises
    OSError.
    """
    metadata = {
        "schema_version": str(SCHEMA_VERSION),
        "lost": str(log.lost),
        "torn": str(log.torn),
        "units": json.dumps(dict(UNITS)),
    }
    schema = _SCHEMA.with_metadata(metadata)
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for start in range(0, max(len(log), 1), _ROWS):
            columns = _columns(log.records[start : start + _ROWS])
            file.write_table(pa.table([columns[name] for name in schema.names], schema=schema))


def _columns(records: npt.NDArray[Any]) -> dict[str, Any]:
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
    words = np.ascontiguousarray(records["value"])
    kept = np.zeros_like(words)
    for kind in Kind:
        form = layout.LAYOUTS[kind]
        rows = np.flatnonzero(records["kind"] == kind)
        values, known = words[rows].view(form)[:, 0], np.zeros(rows.size, form)
        for name in form.names or ():
            column = column_of(kind, name)
            if not rows.size:
                columns[column] = pa.nulls(len(records), _type(form[name]))
            elif form[name].kind == "S":
                columns[column], known[name] = _texts(values[name], rows, len(records))
            else:
                columns[column] = _spread(values[name], rows, len(records))
                known[name] = values[name]
        if rows.size and form.names:
            kept[rows] = known.view("<u8").reshape(-1, _WORDS)
    other = (kept != words).any(axis=1)
    columns["raw"] = pa.array(
        [row.tobytes() if differs else None for row, differs in zip(words, other, strict=True)]
        if other.any()
        else [None] * len(records),
        pa.binary(),
    )
    return columns


def _spread(values: npt.NDArray[Any], rows: npt.NDArray[Any], length: int) -> Any:
    """Return a column with these values in these rows, and null in the others."""
    form = np.dtype(np.int64) if values.dtype == np.uint64 else values.dtype
    column, absent = np.zeros(length, form), np.ones(length, bool)
    column[rows], absent[rows] = values.astype(form), False
    return pa.array(column, mask=absent)


def _texts(values: npt.NDArray[Any], rows: npt.NDArray[Any], length: int) -> tuple[Any, Any]:
    """Return such a column of texts, and the bytes that they stand for."""
    known, which = np.unique(values, return_inverse=True)
    texts = [name.decode(errors="replace") for name in known.tolist()]
    column = pa.array(texts, pa.string()).take(_spread(which, rows, length))
    back = np.array([text.encode() for text in texts], values.dtype)
    return column, back[which]


def read_records(path: Path) -> RecordLog:
    """Read records.parquet back. Raises InputError if it is unreadable or something else."""
    refuse_special(path)
    try:
        with pq.ParquetFile(path) as file:  # the reader of pyarrow that makes no data set
            metadata = file.schema_arrow.metadata or {}
            version = int(metadata.get(b"schema_version", b"1"))
            if version > SCHEMA_VERSION:
                raise ValueError(f"it has version {version}, of a newer memnotify")
            _check_types(file.schema_arrow)
            parts = [np.zeros(0, layout.RECORD)]
            for batch in file.iter_batches(batch_size=_ROWS):
                parts.append(rows := np.zeros(len(batch), layout.RECORD))
                rows["commit"] = batch["index"].to_numpy() + np.uint32(1)
                rows["kind"] = _kinds(batch["kind"])
                rows["client"] = batch["client"].fill_null(layout.NO_CLIENT).to_numpy()
                for name in ("time_ns", "pid", "cpu"):
                    rows[name] = batch[name].to_numpy()
                rows["value"] = _old_words(batch) if version == 1 else _words(batch, rows["kind"])
        records = np.concatenate([part.view(_WHOLE) for part in parts]).view(layout.RECORD)
        return RecordLog(records, lost=int(metadata[b"lost"]), torn=int(metadata[b"torn"]))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise InputError(f"not a log of records: {error}", file=path) from error


def _check_types(schema: Any) -> None:
    """Raise ValueError if a column has the wrong type: the file may come from anybody."""
    for field in schema:
        at = _SCHEMA.get_field_index(field.name)
        wanted = field.type if at < 0 else _SCHEMA.field(at).type
        if field.type != wanted and not (
            pa.types.is_dictionary(wanted)
            and pa.types.is_dictionary(field.type)
            and field.type.value_type == wanted.value_type
        ):
            raise ValueError(f"its column {field.name} is of type {field.type}, not {wanted}")


def _kinds(column: Any) -> npt.NDArray[np.uint16]:
    numbers = np.array([Kind[name] for name in column.dictionary.to_pylist()], np.uint16)
    kinds: npt.NDArray[np.uint16] = numbers[column.indices.to_numpy()]
    return kinds


def _old_words(batch: Any) -> npt.NDArray[np.uint64]:
    return np.stack([batch[f"value{number}"].to_numpy() for number in range(_WORDS)], axis=1)


def _words(batch: Any, kinds: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Return the five words of each record."""
    words = np.zeros((len(batch), _WORDS), "<u8")
    for kind in Kind:
        form = layout.LAYOUTS[kind]
        rows = np.flatnonzero(kinds == kind)
        if not (rows.size and form.names):
            continue
        values = np.zeros(rows.size, form)
        for name in form.names:
            column = batch[column_of(kind, name)].take(pa.array(rows))
            if form[name].kind == "S":
                values[name] = _bytes(column.fill_null(""), form[name])
            else:
                values[name] = column.fill_null(0).to_numpy().astype(form[name])
        words[rows] = values.view("<u8").reshape(-1, _WORDS)
    raw = batch["raw"]
    if raw.null_count < len(raw):
        rows = np.flatnonzero(raw.is_valid().to_numpy(zero_copy_only=False))
        found = raw.drop_null().to_pylist()
        if {len(value) for value in found} != {_BYTES}:
            raise ValueError(f"raw values are not of {_BYTES} bytes")
        words[rows] = np.frombuffer(b"".join(found), "<u8").reshape(-1, _WORDS)
    return words


def _bytes(column: Any, form: np.dtype[Any]) -> npt.NDArray[Any]:
    encoded = column.dictionary_encode()
    texts = [text.encode() for text in encoded.dictionary.to_pylist()]
    # Too long a text is cut: the replacement of a byte is longer, and `raw` has that byte.
    found: npt.NDArray[Any] = np.array(texts, form)[encoded.indices.to_numpy()]
    return found
