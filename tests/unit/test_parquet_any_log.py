"""records.parquet: any log is read back, whole or in some columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.records import layout, parquet
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_columns, read_records, write_records
from memnotify.records.parquet_schema import column_of

from tests.support.old_records import write_old
from tests.support.parquet_logs import SANE, log_of

WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=5, max_size=5)
NAME = st.sampled_from([b"DMA32", b"Normal", b"", b"\xff\xe4", b"a\0b"])
ROW = st.tuples(
    st.sampled_from(Kind),
    st.one_of(st.just(layout.NO_CLIENT), st.integers(0, 2**32 - 2)),
    WORDS,
    NAME,
)
NUMBERS = [
    (kind, name)
    for kind, form in layout.LAYOUTS.items()
    for name in form.names or ()
    if form[name].kind != "S"
]
LOGS = st.lists(ROW, max_size=30)
Row = tuple[Kind, int, list[int], bytes]


def log_of_rows(rows: Sequence[Row]) -> RecordLog:
    records = np.zeros(len(rows), layout.RECORD)
    for record_, (kind, client, words, name) in zip(records, rows, strict=True):
        record_["kind"], record_["client"], record_["value"] = kind, client, words
        form = layout.LAYOUTS[kind]
        for text in (field for field in form.names or () if form[field].kind == "S"):
            record_["value"].view(form)[text] = name
    records["time_ns"] = np.arange(len(rows)) * 10**9
    return log_of(records)


def values_of(record_: np.void) -> dict[str, Any]:
    """Return the values of one record by column, as a stranger should read them."""
    kind = Kind(record_["kind"])
    values = record_["value"].view(layout.LAYOUTS[kind])[0]
    found: dict[str, Any] = {}
    for name in layout.LAYOUTS[kind].names or ():
        value = values[name].item()
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        elif values[name].dtype == np.uint64 and value >= 2**63:
            value -= 2**64
        found[column_of(kind, name)] = value
    return found


@given(rows=LOGS, kinds=st.sets(st.sampled_from(Kind)))
def test_any_log_is_written_and_read_value_by_value(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], kinds: set[Kind]
) -> None:
    log, file = log_of_rows(rows), tmp_path_factory.mktemp("log") / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "_ROWS", 7)
        write_records(log, file)
        back, some = read_records(file), read_records(file, kinds=kinds)
    assert back.records.tobytes() == log.records.tobytes()
    chosen = np.isin(log.records["kind"], list(kinds))
    assert some.records.tobytes() == log.only(chosen).records.tobytes()
    written = pq.read_table(file).to_pylist()
    assert len(written) == len(rows)
    for row, record_ in zip(written, log.records, strict=True):
        common = {name: row.pop(name) for name in ("index", "time_ns", "kind", "client", "pid")}
        raw = row.pop("raw")
        assert raw in (None, record_["value"].tobytes())
        assert common["kind"] == Kind(record_["kind"]).name
        assert common["client"] == (
            None if record_["client"] == layout.NO_CLIENT else common["client"]
        )
        assert row.pop("cpu") == 0
        assert row == dict.fromkeys(row) | values_of(record_)


def assert_columns_are_those_of_the_records(
    file: Path, fields: dict[Kind, tuple[str, ...]]
) -> None:
    whole, some = read_records(file, kinds=fields), read_columns(file, fields)
    assert (some.lost, some.torn) == (whole.lost, whole.torn)
    assert some.kinds.tolist() == whole.kinds.tolist()
    assert some.kinds.dtype == whole.kinds.dtype
    for kind, names in fields.items():
        rows, theirs = some.kind(kind), whole.kind(kind)
        assert rows.dtype.names == ("time_ns", "client", *names)
        for name in rows.dtype.names:
            assert rows[name].dtype == theirs[name].dtype
            assert rows[name].tolist() == theirs[name].tolist()


FIELDS = st.dictionaries(
    st.sampled_from(Kind), st.sets(st.integers(0, 9)).map(sorted), min_size=1
).map(
    lambda chosen: {
        kind: tuple(name for at, name in enumerate(layout.LAYOUTS[kind].names or ()) if at in some)
        for kind, some in chosen.items()
    }
)


@given(rows=LOGS, fields=FIELDS, sane=st.booleans())
def test_columns_are_those_of_the_records(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    fields: dict[Kind, tuple[str, ...]],
    sane: bool,
) -> None:
    """Whether the file has values that are only in `raw`, or none."""
    file = tmp_path_factory.mktemp("log") / "log"
    log = log_of(*[SANE.records] * 5) if sane else log_of_rows(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "_ROWS", 7)
        write_records(log, file)
        assert_columns_are_those_of_the_records(file, fields)


@pytest.mark.parametrize("change", ["old", "a column more", "nulls"])
def test_columns_of_other_files_are_those_of_the_records(change: str, tmp_path: Path) -> None:
    file, fields = tmp_path / "log", {Kind.ZONE: ("free", "name"), Kind.WAKEUP: ("result",)}
    write_old(SANE, file) if change == "old" else write_records(SANE, file)
    table = pq.read_table(file)
    if change == "nulls":
        at = table.column_names.index("zone_free")
        column = pa.array([7, None, 8, 300, 9], pa.uint32())
        table = table.set_column(at, table.schema.field(at), column)
    elif change != "old":
        table = table.append_column("remark", pa.array(["x"] * 5))
    pq.write_table(table, file)
    assert_columns_are_those_of_the_records(file, fields)
    assert read_columns(file, fields).kind(Kind.ZONE)["free"].tolist() == (
        [0, 300] if change == "nulls" else [500, 300]
    )


@given(
    rows=st.lists(st.tuples(st.sampled_from(Kind), st.just(1), WORDS, st.just(b"DMA")), min_size=1),
    chosen=st.sets(st.sampled_from(NUMBERS), max_size=5),
    data=st.data(),
)
def test_nulls_and_values_of_other_kinds_anywhere(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    chosen: set[tuple[Kind, str]],
    data: st.DataObject,
) -> None:
    """A null in a record's own columns is 0; what the columns of other kinds have is ignored."""
    log, file = log_of_rows(rows), tmp_path_factory.mktemp("log") / "log"
    write_records(log, file)
    table = pq.read_table(file)
    at = table.column_names.index("raw")
    table = table.set_column(at, "raw", pa.nulls(len(rows), pa.binary()))
    wanted = [values_of(record_) for record_ in log.records]
    some = st.lists(st.none() | st.integers(0, 100), min_size=len(rows), max_size=len(rows))
    for kind, name in chosen:
        column, values = column_of(kind, name), data.draw(some)
        at = table.column_names.index(column)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array(values, field.type))
        for (own, *_), row, value in zip(rows, wanted, values, strict=True):
            if own is kind:
                row[column] = value or 0
    pq.write_table(table, file)
    assert [values_of(record_) for record_ in read_records(file).records] == wanted
