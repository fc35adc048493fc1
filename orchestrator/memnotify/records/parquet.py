"""The log of a guest as a file, records.parquet. docs/reference/records.md lists its columns.

Every value of every kind has its own column, such as `zone_free`, which is null in records of other
kinds. Version 1 had the five words of a record instead, value0 to value4; it can still be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
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
from memnotify.records.log import Flags, RecordLog, Records, take
from memnotify.text import printable

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
"""The units of the columns that have one; the file's metadata also has them."""


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

_COMMON = ("index", "time_ns", "kind", "client", "pid", "cpu")
_NEW = (*_COMMON, "raw")
_OLD_VALUES = tuple(f"value{number}" for number in range(_WORDS))
_OLD = (*_COMMON, *_OLD_VALUES)
"""The columns that a file must have, of this version and of version 1."""


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
    length = len(records)
    client = np.ascontiguousarray(records["client"])
    number = (records["kind"] - np.uint16(1)).astype("i1")
    columns = {
        "index": _array(records["commit"] - np.uint32(1)),
        "time_ns": _array(records["time_ns"]),
        "kind": pa.DictionaryArray.from_arrays(
            _array(number), _strings([kind.name.encode() for kind in Kind])
        ),
        "client": _array(client, there=client != layout.NO_CLIENT),
        "pid": _array(records["pid"]),
        "cpu": _array(records["cpu"]),
    }
    words = np.ascontiguousarray(records["value"])
    kept = np.zeros_like(words)
    for kind in Kind:
        form = layout.LAYOUTS[kind]
        there = records["kind"] == kind
        rows = np.flatnonzero(there)
        values, known = words[rows].view(form)[:, 0], np.zeros(rows.size, form)
        for name in form.names or ():
            column = column_of(kind, name)
            if not rows.size:
                columns[column] = pa.nulls(length, _type(form[name]))
            elif form[name].kind == "S":
                columns[column], known[name] = _texts(values[name], there)
            else:
                columns[column] = _spread(values[name], there)
                known[name] = values[name]
        if rows.size and form.names:
            kept[rows] = known.view("<u8").reshape(-1, _WORDS)
    other = (kept != words).any(axis=1)
    columns["raw"] = (
        pa.array(
            [row.tobytes() if differs else None for row, differs in zip(words, other, strict=True)],
            pa.binary(),
        )
        if other.any()
        else pa.nulls(length, pa.binary())
    )
    return columns


def _array(values: npt.NDArray[Any], *, there: Flags | None = None) -> Any:
    """Return a column of numbers, with null where there is none.

    It is made of the numbers' own memory: pa.array(), pa.scalar() and to_numpy() import pandas if
    that is installed, which takes longer than to write a log.
    """
    known = None if there is None else pa.py_buffer(np.packbits(there, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [known, data])


def _spread(values: npt.NDArray[Any], there: Flags) -> Any:
    """Return a column with these values in the rows that are there, and null in the others."""
    form = np.dtype(np.int64) if values.dtype == np.uint64 else values.dtype
    column = np.zeros(there.size, form)
    column[there] = values.astype(form)
    return _array(column, there=there)


def _texts(values: npt.NDArray[Any], there: Flags) -> tuple[Any, Any]:
    """Return such a column of texts, and the bytes that they stand for."""
    known, which = np.unique(values, return_inverse=True)
    texts = [name.decode(errors="replace").encode() for name in known.tolist()]
    column = _strings(texts).take(_spread(which, there))
    return column, np.array(texts, values.dtype)[which]


def _strings(texts: Sequence[bytes]) -> Any:
    """Return a column of texts in UTF-8, made of their own memory as in `_array`."""
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    data = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), len(texts), data)


def read_records(path: Path, *, kinds: Collection[Kind] = tuple(Kind)) -> RecordLog:
    """Read records.parquet back, or only the records of some kinds.

    Only the columns of these kinds are read, and only if the log has such records. Raises
    InputError if it is unreadable or something else.
    """
    refuse_special(path)
    try:
        with pq.ParquetFile(path) as file:  # the reader of pyarrow that makes no data set
            schema = file.schema_arrow
            metadata = schema.metadata or {}
            version = _number({b"schema_version": b"1", **metadata}, "schema_version")
            if version > SCHEMA_VERSION:
                text = f"not a log of records: it has version {version}, of a newer memnotify"
                raise InputError(text, file=path, hint="upgrade memnotify")
            if version < 1:
                raise ValueError("its schema_version is 0")
            lost, torn = _number(metadata, "lost"), _number(metadata, "torn")
            _check_columns(schema, _OLD if version == 1 else _NEW)
            records = _common_values(file, version)
            if version > 1:
                _add_values(file, records, [kind for kind in Kind if kind in kinds])
        numbers = records["commit"].astype(np.int64)
        if (np.diff(numbers, prepend=0) < 1).any():
            raise ValueError("the numbers in its column index do not rise")
        if len(kinds) < len(Kind):
            records = take(records, np.isin(records["kind"], list(kinds)))
        return RecordLog(records, lost=lost, torn=torn)
    except (OSError, pa.ArrowException, ValueError) as error:
        text = " ".join(f"not a log of records: {error}".split())
        raise InputError(text, file=path, hint="run the cell again") from error


def _common_values(file: Any, version: int) -> Records:
    """Return the records of a file with what all kinds have, and in version 1 with their values."""
    parts = [np.zeros(0, layout.RECORD)]
    for batch in file.iter_batches(batch_size=_ROWS, columns=_OLD if version == 1 else _COMMON):
        _refuse_nulls(batch, version)
        parts.append(rows := np.zeros(len(batch), layout.RECORD))
        rows["commit"] = _plain(batch["index"]) + np.uint32(1)
        rows["kind"] = _kinds(batch["kind"])
        rows["client"] = _filled(batch["client"], layout.NO_CLIENT)
        for name in ("time_ns", "pid", "cpu"):
            rows[name] = _plain(batch[name])
        if version == 1:
            rows["value"] = _old_words(batch)
    return np.concatenate([part.view(_WHOLE) for part in parts]).view(layout.RECORD)


def _add_values(file: Any, records: Records, kinds: Sequence[Kind]) -> None:
    """Set the values of the records of some kinds, from their columns and from `raw`."""
    counts = np.bincount(records["kind"], minlength=max(Kind) + 1)
    there = [kind for kind in kinds if counts[kind]]
    columns = [column_of(kind, name) for kind in there for name in layout.LAYOUTS[kind].names or ()]
    names = file.schema_arrow.names
    for column in columns:
        if column not in names:
            raise ValueError(f"it has no column {column}")
    done = 0
    for batch in file.iter_batches(batch_size=_ROWS, columns=[*columns, "raw"]):
        rows = records[done : done + len(batch)]
        rows["value"] = _words(batch, rows["kind"], there)
        done += len(batch)
    if done != len(records):
        raise ValueError("its columns are not equally long")


def _number(metadata: Mapping[bytes, bytes], name: str) -> int:
    """Return a number of the metadata. Raises ValueError."""
    text = metadata.get(name.encode())
    if text is None:
        raise ValueError(f"its metadata have no {name}")
    if not re.fullmatch(rb"[0-9]{1,18}", text):
        shown = printable(text[:20].decode(errors="replace"))
        raise ValueError(f"its {name} is {shown!r}, not a number")
    return int(text)


def _check_columns(schema: Any, needed: Sequence[str]) -> None:
    """Raise ValueError if a column is missing or has the wrong type: anybody may have written it.

    A kind that was added later has no columns in an older file.
    """
    if needed is _NEW and schema.equals(_SCHEMA):
        return
    missing = [name for name in needed if name not in schema.names]
    if missing:
        raise ValueError(f"it has no column {missing[0]}")
    for name in _OLD_VALUES if needed is _OLD else ():
        if (found := schema.field(name).type) != pa.uint64():
            raise ValueError(f"its column {name} is of type {found}, not uint64")
    for field in schema:
        at = _SCHEMA.get_field_index(field.name)
        wanted = field.type if at < 0 else _SCHEMA.field(at).type
        if field.type != wanted and not (
            pa.types.is_dictionary(wanted)
            and pa.types.is_dictionary(field.type)
            and field.type.value_type == wanted.value_type
        ):
            raise ValueError(f"its column {field.name} is of type {field.type}, not {wanted}")


def _refuse_nulls(batch: Any, version: int) -> None:
    required = [field.name for field in _SCHEMA if not field.nullable]
    for name in (*required, *(_OLD_VALUES if version == 1 else ())):
        if batch[name].null_count:
            raise ValueError(f"a row of its column {name} is empty")


def _plain(column: Any) -> npt.NDArray[Any]:
    """Return the numbers of a column; anything where it is null."""
    form = np.dtype(column.type.to_pandas_dtype())
    data = column.buffers()[1] if len(column) else b""
    return np.frombuffer(data, form, len(column), column.offset * form.itemsize)


def _filled(column: Any, number: int, rows: Any = slice(None)) -> npt.NDArray[Any]:
    """Return the numbers of a column in some rows, with `number` for null."""
    values: npt.NDArray[Any] = _plain(column)[rows]
    if not column.null_count:
        return values
    bits = np.frombuffer(column.buffers()[0], np.uint8)
    there = np.unpackbits(bits, count=column.offset + len(column), bitorder="little")
    return np.where(there[column.offset :][rows], values, values.dtype.type(number))


def _kinds(column: Any) -> npt.NDArray[np.uint16]:
    names = column.dictionary.to_pylist()
    for name in names:
        if name not in Kind.__members__:
            raise ValueError(f"it has the unknown kind {name!r}")
    numbers = np.array([Kind[name] for name in names], np.uint16)
    kinds: npt.NDArray[np.uint16] = numbers[_plain(column.indices)]
    return kinds


def _old_words(batch: Any) -> npt.NDArray[np.uint64]:
    return np.stack([_plain(batch[name]) for name in _OLD_VALUES], axis=1)


def _words(batch: Any, numbers: npt.NDArray[Any], kinds: Sequence[Kind]) -> npt.NDArray[np.uint64]:
    """Return the five words of each record; `numbers` are those of the records' kinds."""
    words = np.zeros((len(batch), _WORDS), "<u8")
    for kind in kinds:
        form = layout.LAYOUTS[kind]
        rows = np.flatnonzero(numbers == kind)
        if not (rows.size and form.names):
            continue
        values = np.zeros(rows.size, form)
        for name in form.names:
            column = batch[column_of(kind, name)]
            if form[name].kind == "S":
                values[name] = _bytes(column, form[name])[rows]
            else:
                values[name] = _filled(column, 0, rows).astype(form[name], copy=False)
        words[rows] = values.view("<u8").reshape(-1, _WORDS)
    raw = batch["raw"]
    if raw.null_count < len(raw):
        found = {row: value for row, value in enumerate(raw.to_pylist()) if value is not None}
        if {len(value) for value in found.values()} != {_BYTES}:
            raise ValueError(f"raw values are not of {_BYTES} bytes")
        words[list(found)] = np.frombuffer(b"".join(found.values()), "<u8").reshape(-1, _WORDS)
    return words


def _bytes(column: Any, form: np.dtype[Any]) -> npt.NDArray[Any]:
    encoded = column.dictionary_encode()
    texts = [text.encode() for text in encoded.dictionary.to_pylist()]
    # Too long a text is cut: the replacement of a byte is longer, and `raw` has that byte.
    found: npt.NDArray[Any] = np.array([*texts, b""], form)[_filled(encoded.indices, -1)]
    return found
