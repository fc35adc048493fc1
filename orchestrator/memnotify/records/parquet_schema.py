"""The columns of records.parquet: their names, types and units.

Every value of every kind has its own column, such as `zone_free`, which is null in records of other
kinds. Version 1 had the five words of a record instead, value0 to value4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from memnotify.records import layout
from memnotify.records.layout import Kind

SCHEMA_VERSION = 2

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


COLUMN_UNITS: Mapping[str, str] = MappingProxyType(
    {"time_ns": "ns"}
    | {
        column_of(kind, name): unit
        for kind in Kind
        for name in layout.LAYOUTS[kind].names or ()
        if (unit := _unit(kind, name)) is not None
    }
)
"""The units of the columns that have one; the file's metadata also has them."""


def type_of(form: np.dtype[Any]) -> Any:
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
        fields += [
            pa.field(column_of(kind, name), type_of(form[name])) for name in form.names or ()
        ]
    return pa.schema([*fields, pa.field("raw", pa.binary())])


SCHEMA = _schema()

WORDED = [
    field.name
    for field in SCHEMA
    if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
]
"""The columns in which few values occur, many times each. For numbers that rise, a dictionary would
be as large as the numbers: without one, a file is a quarter smaller, and faster to write and to
read."""

COMMON = ("index", "time_ns", "kind", "client", "pid", "cpu")
NEW = (*COMMON, "raw")
OLD_VALUES = tuple(f"value{number}" for number in range(layout.RECORD["value"].shape[0]))
OLD = (*COMMON, *OLD_VALUES)
"""The columns that a file must have, of this version and of version 1."""


def check_columns(schema: Any, needed: Sequence[str]) -> None:
    """Raise ValueError if a column is missing or has the wrong type: anybody may have written it.

    A kind that was added later has no columns in an older file.
    """
    missing = [name for name in needed if name not in schema.names]
    if missing:
        raise ValueError(f"it has no column {missing[0]}")
    for name in OLD_VALUES if needed is OLD else ():
        if (found := schema.field(name).type) != pa.uint64():
            raise ValueError(f"its column {name} is of type {found}, not uint64")
    for field in schema:
        at = SCHEMA.get_field_index(field.name)
        wanted = field.type if at < 0 else SCHEMA.field(at).type
        if field.type != wanted and not (
            pa.types.is_dictionary(wanted)
            and pa.types.is_dictionary(field.type)
            and field.type.value_type == wanted.value_type
        ):
            raise ValueError(f"its column {field.name} is of type {field.type}, not {wanted}")
