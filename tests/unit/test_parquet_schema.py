"""The columns of records.parquet: names, types, units, and which columns of a file are refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from memnotify.records import parquet_schema
from memnotify.records.layout import Kind
from memnotify.records.parquet_schema import COLUMN_UNITS, NEW, OLD, SCHEMA, WORDED


def test_the_columns_that_records_of_each_kind_have() -> None:
    common = [(field.name, field.type, field.nullable) for field in SCHEMA][:6]
    assert common == [
        ("index", pa.uint32(), False),
        ("time_ns", pa.uint64(), False),
        ("kind", pa.dictionary(pa.int8(), pa.string()), False),
        ("client", pa.uint32(), True),
        ("pid", pa.uint32(), False),
        ("cpu", pa.uint16(), False),
    ]
    assert (SCHEMA.field(len(SCHEMA) - 1).name, SCHEMA.field("raw").type) == ("raw", pa.binary())
    for name, form in {
        "boot_total_kib": pa.int64(),
        "meminfo_free": pa.uint32(),
        "zone_name": pa.string(),
        "zone_status": pa.int32(),
        "self_check_number": pa.uint16(),
        "said_length": pa.uint8(),
    }.items():
        assert (SCHEMA.field(name).type, SCHEMA.field(name).nullable) == (form, True)
    assert len(SCHEMA) > 100 and len(set(SCHEMA.names)) == len(SCHEMA)


def test_texts_and_kinds_are_written_with_a_dictionary() -> None:
    assert WORDED == ["kind", "zone_name", "self_check_name", "said_text"]


def test_the_units_of_columns() -> None:
    for column, unit in {
        "time_ns": "ns",
        "wakeup_since_ns": "ns",
        "console_date_us": "us",
        "boot_total_kib": "KiB",
        "meminfo_free": "KiB",
        "seen_free": "KiB",
        "console_free": "KiB",
        "zone_free": "pages",
        "reclaim_pswpin": "pages",
        "reclaim_pswpout": "pages",
        "reclaim_pgscan": "pages",
        "reclaim_pgsteal": "pages",
        "paging_pgdeactivate": "pages",
        "paging_pgrefill": "pages",
        "boot_page_size": "bytes",
    }.items():
        assert COLUMN_UNITS[column] == unit
    assert not COLUMN_UNITS.keys() & {
        "kind",
        "zone_name",
        "zone_node",
        "zone_status",
        "console_runnable",
        "console_blocked",
        "console_error",
        "boot_cpus",
        "wakeup_result",
    }


def with_column(name: str, form: pa.DataType) -> pa.Schema:
    return SCHEMA.set(SCHEMA.get_field_index(name), pa.field(name, form))


def refused(schema: pa.Schema, needed: tuple[str, ...] = NEW) -> str:
    with pytest.raises(ValueError) as caught:
        parquet_schema.check_columns(schema, needed)
    return str(caught.value)


def test_columns_that_are_needed_and_missing_are_refused_by_name() -> None:
    less = SCHEMA.remove(SCHEMA.get_field_index("pid"))
    assert refused(less) == "it has no column pid"
    assert refused(less.remove(less.get_field_index("client"))) == "it has no column client"
    parquet_schema.check_columns(SCHEMA.remove(SCHEMA.get_field_index("balloon_target_kib")), NEW)
    assert refused(SCHEMA, OLD) == "it has no column value0"


def test_columns_of_another_type_are_refused_by_name() -> None:
    parquet_schema.check_columns(SCHEMA, NEW)
    assert refused(with_column("zone_free", pa.int64())) == (
        "its column zone_free is of type int64, not uint32"
    )
    assert refused(with_column("index", pa.int64())) == (
        "its column index is of type int64, not uint32"
    )
    assert "its column kind is of type string, not dictionary<" in refused(
        with_column("kind", pa.string())
    )
    assert "zone_name is of type dictionary<" in refused(
        with_column("zone_name", pa.dictionary(pa.int8(), pa.string()))
    )
    words = pa.dictionary(pa.int8(), pa.binary())
    assert "its column kind is of type dictionary<values=binary" in refused(
        with_column("kind", words)
    )


def test_indexes_of_a_dictionary_may_be_of_any_size_and_other_columns_of_any_type() -> None:
    wide = with_column("kind", pa.dictionary(pa.int32(), pa.string()))
    parquet_schema.check_columns(wide.append(pa.field("remark", pa.list_(pa.string()))), NEW)


def test_values_of_the_first_version_are_words_of_64_bits() -> None:
    common = [SCHEMA.field(name) for name in ("index", "time_ns", "kind", "client", "pid", "cpu")]
    values = [pa.field(f"value{number}", pa.uint64()) for number in range(5)]
    parquet_schema.check_columns(pa.schema([*common, *values]), OLD)
    wrong = pa.schema([*common, *values[:4], pa.field("value4", pa.int64())])
    assert refused(wrong, OLD) == "its column value4 is of type int64, not uint64"


def test_the_column_of_a_value() -> None:
    assert parquet_schema.column_of(Kind.SELF_CHECK, "name") == "self_check_name"
    assert parquet_schema.type_of(np.dtype("S8")) == pa.string()
    assert parquet_schema.type_of(np.dtype(np.uint64)) == pa.int64()
    assert parquet_schema.type_of(np.dtype(np.int32)) == pa.int32()
