"""records.parquet: columns that a stranger can read, and files of the previous version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memnotify.errors import InputError
from memnotify.records import layout, parquet
from memnotify.records.difference import first_difference
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import UNITS, read_records, write_records

from tests.support.campaigns import record, zone


def log_of(*rows: np.ndarray, lost: int = 0) -> RecordLog:
    records = np.concatenate(rows)
    records["commit"] = np.arange(1, len(records) + 1)
    return RecordLog(records, lost=lost, torn=0)


SANE = log_of(
    record(Kind.BOOT, 1, 60000, 4096, 1, 131072, 6 << 16),
    zone(2, 500),
    record(Kind.WAKEUP, 3, 1, 2**64 - 1, 4, 5, 6, client=7),
    zone(4, 300, b"Normal"),
    record(Kind.END, 5),
)


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


def noise(count: int) -> RecordLog:
    random = np.random.default_rng(1)
    records = np.zeros(count, layout.RECORD)
    records["kind"] = random.integers(min(Kind), max(Kind) + 1, count)
    records["value"] = random.integers(0, 2**64, (count, 5), np.uint64)
    return log_of(records)


def test_what_a_stranger_reads(tmp_path: Path) -> None:
    write_records(SANE, tmp_path / "log")
    table = pq.read_table(tmp_path / "log")
    assert table["kind"].to_pylist() == ["BOOT", "ZONE", "WAKEUP", "ZONE", "END"]
    assert table["zone_name"].to_pylist() == [None, "DMA32", None, "Normal", None]
    assert table["zone_free"].to_pylist() == [None, 500, None, 300, None]
    assert table["wakeup_result"].to_pylist() == [None, None, -1, None, None]
    assert table["boot_swap_kib"].to_pylist()[0] == 131072
    assert table["raw"].null_count == 5
    metadata = table.schema.metadata
    assert metadata[b"schema_version"] == b"2"
    units = json.loads(metadata[b"units"])
    assert units == UNITS
    assert (units["zone_free"], units["meminfo_free"]) == ("pages", "KiB")
    assert (units["wakeup_since_ns"], units["console_date_us"]) == ("ns", "us")
    assert "zone_name" not in units and "wakeup_result" not in units
    assert units.keys() <= set(table.column_names)


@pytest.mark.parametrize("log", [SANE, noise(500)], ids=["sane", "noise"])
def test_both_versions_give_the_same_log_back(log: RecordLog, tmp_path: Path) -> None:
    write_old(log, tmp_path / "old")
    write_records(log, tmp_path / "new")
    for name in ("old", "new"):
        assert read_records(tmp_path / name).records.tobytes() == log.records.tobytes()
    assert first_difference(tmp_path / "old", tmp_path / "new") is None
    write_records(log_of(log.records, lost=1), tmp_path / "lost")
    assert first_difference(tmp_path / "old", tmp_path / "lost") == "the files' metadata differ"


def test_several_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS", 7)
    log = noise(100)
    write_records(log, tmp_path / "log")
    assert pq.ParquetFile(tmp_path / "log").num_row_groups == 15
    assert read_records(tmp_path / "log").records.tobytes() == log.records.tobytes()


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    log = log_of(zone(1, 5, b"\xff\xffDMA\x00\xe4x"), zone(2, 6), record(Kind.POLL, 3, 1, 2))
    write_records(log, tmp_path / "log")
    assert read_records(tmp_path / "log").records.tobytes() == log.records.tobytes()
    table = pq.read_table(tmp_path / "log")
    assert [raw is None for raw in table["raw"].to_pylist()] == [False, True, False]
    assert table["zone_name"].to_pylist()[0].startswith("\ufffd\ufffdDMA")


def changed(path: Path, name: str, column: Any, version: bytes = b"2") -> None:
    write_records(SANE, path)
    table = pq.read_table(path)
    metadata = {**table.schema.metadata, b"schema_version": version}
    table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("zone_free", pa.array(["x"] * 5), "zone_free is of type string, not uint32"),
        ("raw", pa.array([1] * 5), "raw is of type int64, not binary"),
        ("raw", pa.array([b"short"] * 5), "raw values are not of 40 bytes"),
        ("kind", pa.array(["ZONE"] * 5), "kind is of type string"),
        ("kind", pa.array([b"x"] * 5).dictionary_encode(), "kind is of type dictionary<values=bin"),
        ("zone_name", pa.array(["x"] * 5).dictionary_encode(), "zone_name is of type dictionary"),
        ("index", pa.array(["x"] * 5), "index is of type string, not uint32"),
    ],
)
def test_columns_that_are_not_ours(tmp_path: Path, name: str, column: Any, said: str) -> None:
    changed(tmp_path / "log", name, column)
    with pytest.raises(InputError, match=said):
        read_records(tmp_path / "log")


def test_a_column_that_only_another_program_knows_is_let_be(tmp_path: Path) -> None:
    write_records(SANE, tmp_path / "log")
    table = pq.read_table(tmp_path / "log")
    pq.write_table(table.append_column("remark", pa.array(["x"] * 5)), tmp_path / "log")
    assert read_records(tmp_path / "log").records.tobytes() == SANE.records.tobytes()


def test_a_value_that_is_not_there_is_zero(tmp_path: Path) -> None:
    changed(tmp_path / "log", "zone_free", pa.nulls(5, pa.uint32()))
    assert read_records(tmp_path / "log").kind(Kind.ZONE)["free"].tolist() == [0, 0]
    changed(tmp_path / "log", "zone_name", pa.nulls(5, pa.string()))
    assert read_records(tmp_path / "log").kind(Kind.ZONE)["name"].tolist() == [b"", b""]


def test_a_newer_version(tmp_path: Path) -> None:
    changed(tmp_path / "log", "raw", pa.nulls(5, pa.binary()), b"3")
    with pytest.raises(InputError, match="version 3, of a newer memnotify"):
        read_records(tmp_path / "log")
