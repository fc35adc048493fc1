"""The log of a guest as a file, records.parquet. docs/reference/records.md lists its columns.

Files of version 1 can still be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from memnotify.errors import InputError
from memnotify.files import refuse_special
from memnotify.records import layout
from memnotify.records.arrow import array_of, bytes_of, filled, plain, spread, strings, texts
from memnotify.records.layout import Kind
from memnotify.records.log import Columns, RecordLog, Records, fields_of, take
from memnotify.records.parquet_schema import (
    COLUMN_UNITS,
    COMMON,
    NEW,
    OLD,
    OLD_VALUES,
    SCHEMA,
    SCHEMA_VERSION,
    WORDED,
    check_columns,
    column_of,
    type_of,
)
from memnotify.text import printable

_ROWS = 1 << 16
"""Rows per row group: there are a hundred columns, and each takes memory for every row."""

_KINDS = max(Kind) + 1
_WORDS = layout.RECORD["value"].shape[0]
_BYTES = layout.RECORD["value"].itemsize
_WHOLE = np.dtype((np.void, layout.RECORD.itemsize))


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
        "units": json.dumps(dict(COLUMN_UNITS)),
    }
    schema = SCHEMA.with_metadata(metadata)
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=WORDED) as file:
        for start in range(0, max(len(log), 1), _ROWS):
            columns = _columns(log.records[start : start + _ROWS])
            file.write_table(pa.table([columns[name] for name in schema.names], schema=schema))


def _columns(records: npt.NDArray[Any]) -> dict[str, Any]:
    length = len(records)
    client = np.ascontiguousarray(records["client"])
    number = (records["kind"] - np.uint16(1)).astype("i1")
    columns = {
        "index": array_of(records["commit"] - np.uint32(1)),
        "time_ns": array_of(records["time_ns"]),
        "kind": pa.DictionaryArray.from_arrays(
            array_of(number), strings([kind.name.encode() for kind in Kind])
        ),
        "client": array_of(client, there=client != layout.NO_CLIENT),
        "pid": array_of(records["pid"]),
        "cpu": array_of(records["cpu"]),
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
                columns[column] = pa.nulls(length, type_of(form[name]))
            elif form[name].kind == "S":
                columns[column], known[name] = texts(values[name], there)
            else:
                columns[column] = spread(values[name], there)
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


def read_records(path: Path, *, kinds: Collection[Kind] = tuple(Kind)) -> RecordLog:
    """Read records.parquet back, or only the records of some kinds.

    Only the columns of these kinds are read, and only if the log has such records. Raises
    InputError if it is unreadable or something else.
    """
    with _opened(path) as log:
        records = _common_values(log.file, log.version)
        if log.version > 1:
            _add_values(log.file, records, [kind for kind in Kind if kind in kinds])
        _refuse_disorder(records["commit"])
        if len(kinds) < len(Kind):
            records = take(records, np.isin(records["kind"], list(kinds)))
        return RecordLog(records, lost=log.lost, torn=log.torn)


def read_columns(path: Path, fields: Mapping[Kind, tuple[str, ...]]) -> Columns:
    """Read these fields of the records of these kinds, in a third of the time.

    They are those of `read_records`. Raises InputError as that does.
    """
    with _opened(path) as log:
        parts = _some_columns(log.file, fields) if log.ours else None
        if parts is not None:
            _refuse_disorder(_joined([part.indexes for part in parts], np.uint32) + np.uint32(1))
            return Columns(
                kinds=_joined([part.kinds for part in parts], np.uint16),
                rows={
                    kind: _joined([part.rows[kind] for part in parts], fields_of(kind, names))
                    for kind, names in fields.items()
                },
                lost=log.lost,
                torn=log.torn,
            )
    return Columns.of(read_records(path, kinds=tuple(fields)), fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """An open file of records. `ours`: its columns are exactly those that this version writes."""

    file: Any
    version: int
    lost: int
    torn: int
    ours: bool


@contextmanager
def _opened(path: Path) -> Iterator[_File]:
    """Open a file of records; whatever is wrong with it, in here or inside, is an InputError."""
    refuse_special(path)
    try:
        with pq.ParquetFile(
            path, pre_buffer=False
        ) as file:  # the reader of pyarrow that makes no data set
            schema = file.schema_arrow
            metadata = schema.metadata or {}
            version = _number({b"schema_version": b"1", **metadata}, "schema_version")
            if version > SCHEMA_VERSION:
                text = f"not a log of records: it has version {version}, of a newer memnotify"
                raise InputError(text, file=path, hint="upgrade memnotify")
            if version < 1:
                raise ValueError("its schema_version is 0")
            lost, torn = _number(metadata, "lost"), _number(metadata, "torn")
            ours = version > 1 and schema.equals(SCHEMA)
            if not ours:
                check_columns(schema, OLD if version == 1 else NEW)
            yield _File(file=file, version=version, lost=lost, torn=torn, ours=ours)
    except (OSError, pa.ArrowException, ValueError) as error:
        text = " ".join(f"not a log of records: {error}".split())
        raise InputError(text, file=path, hint="run the cell again") from error


def _refuse_disorder(commits: npt.NDArray[np.uint32]) -> None:
    if commits.size and (commits[0] < 1 or (commits[1:] <= commits[:-1]).any()):
        raise ValueError("the numbers in its column index do not rise")


@dataclass(frozen=True, slots=True)
class _Part:
    """The numbers of all records of a batch; the kinds of those asked for, and their fields."""

    indexes: npt.NDArray[np.uint32]
    kinds: npt.NDArray[np.uint16]
    rows: Mapping[Kind, Records]


def _some_columns(file: Any, fields: Mapping[Kind, tuple[str, ...]]) -> list[_Part] | None:
    """Return some fields of a file; None if some of its values are only in its column `raw`."""
    names = [column_of(kind, name) for kind, some in fields.items() for name in some]
    parts = []
    for batch in _batches(file, ["index", "time_ns", "kind", "client", *names, "raw"]):
        if batch["raw"].null_count < len(batch):
            return None
        kinds = _kinds(batch["kind"])
        by_kind, ends = (
            np.argsort(kinds, kind="stable"),
            np.cumsum(np.bincount(kinds, minlength=_KINDS)),
        )
        wanted = np.zeros(_KINDS, bool)
        wanted[list(fields)] = True
        times, clients = plain(batch["time_ns"]), filled(batch["client"], layout.NO_CLIENT)
        rows = {}
        for kind, some in fields.items():
            chosen = by_kind[ends[kind - 1] : ends[kind]]
            rows[kind] = values = np.zeros(chosen.size, fields_of(kind, some))
            if not chosen.size:
                continue
            values["time_ns"], values["client"] = times[chosen], clients[chosen]
            for name in some:
                values[name] = _values(batch[column_of(kind, name)], values.dtype[name], chosen)
        parts.append(_Part(plain(batch["index"]), kinds[wanted[kinds]], rows))
    return parts


def _batches(file: Any, columns: Sequence[str]) -> Iterator[Any]:
    # To hand a column of a small log to a thread takes longer than to decode it.
    batches: Iterator[Any] = file.iter_batches(
        batch_size=_ROWS, columns=columns, use_threads=file.metadata.num_rows > _ROWS
    )
    return batches


def _joined(parts: Sequence[npt.NDArray[Any]], form: npt.DTypeLike) -> npt.NDArray[Any]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([np.zeros(0, form), *parts])


def _values(column: Any, form: np.dtype[Any], rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Return the values of a column in some rows, 0 where it is null."""
    if form.kind == "S":
        # The replacement of a byte is longer, so a text may be too long; `raw` has that byte.
        return bytes_of(column, form, rows)
    return filled(column, 0, rows).astype(form, copy=False)


def _common_values(file: Any, version: int) -> Records:
    """Return the records of a file with what all kinds have, and in version 1 with their values."""
    parts = [np.zeros(0, layout.RECORD)]
    for batch in _batches(file, OLD if version == 1 else COMMON):
        _refuse_nulls(batch, version)
        parts.append(rows := np.zeros(len(batch), layout.RECORD))
        rows["commit"] = plain(batch["index"]) + np.uint32(1)
        rows["kind"] = _kinds(batch["kind"])
        rows["client"] = filled(batch["client"], layout.NO_CLIENT)
        for name in ("time_ns", "pid", "cpu"):
            rows[name] = plain(batch[name])
        if version == 1:
            rows["value"] = _old_words(batch)
    return np.concatenate([part.view(_WHOLE) for part in parts]).view(layout.RECORD)


def _add_values(file: Any, records: Records, kinds: Sequence[Kind]) -> None:
    """Set the values of the records of some kinds, from their columns and from `raw`."""
    counts = np.bincount(records["kind"], minlength=_KINDS)
    there = [kind for kind in kinds if counts[kind]]
    columns = [column_of(kind, name) for kind in there for name in layout.LAYOUTS[kind].names or ()]
    names = file.schema_arrow.names
    for column in columns:
        if column not in names:
            raise ValueError(f"it has no column {column}")
    done = 0
    for batch in _batches(file, [*columns, "raw"]):
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


def _refuse_nulls(batch: Any, version: int) -> None:
    required = [field.name for field in SCHEMA if not field.nullable]
    for name in (*required, *(OLD_VALUES if version == 1 else ())):
        if batch[name].null_count:
            raise ValueError(f"a row of its column {name} is empty")


def _kinds(column: Any) -> npt.NDArray[np.uint16]:
    names = column.dictionary.to_pylist()
    for name in names:
        if name not in Kind.__members__:
            raise ValueError(f"it has the unknown kind {name!r}")
    numbers = np.array([Kind[name] for name in names], np.uint16)
    return numbers.take(plain(column.indices))


def _old_words(batch: Any) -> npt.NDArray[np.uint64]:
    return np.stack([plain(batch[name]) for name in OLD_VALUES], axis=1)


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
            values[name] = _values(column, form[name], rows)
        words[rows] = values.view("<u8").reshape(-1, _WORDS)
    raw = batch["raw"]
    if raw.null_count < len(raw):
        found = {row: value for row, value in enumerate(raw.to_pylist()) if value is not None}
        if {len(value) for value in found.values()} != {_BYTES}:
            raise ValueError(f"raw values are not of {_BYTES} bytes")
        words[list(found)] = np.frombuffer(b"".join(found.values()), "<u8").reshape(-1, _WORDS)
    return words
