"""records.parquet: columns that a stranger can read, and files of the previous version."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memnotify import process
from memnotify.environment import PYTHON
from memnotify.errors import InputError
from memnotify.records import layout, parquet
from memnotify.records.difference import first_difference
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_columns, read_records, write_records
from memnotify.records.parquet_schema import COLUMN_UNITS

from tests.support.campaigns import record, zone
from tests.support.old_records import write_old
from tests.support.parquet_logs import SANE, log_of


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
    assert table["client"].to_pylist() == [None, None, 7, None, None]
    assert table["raw"].null_count == 5
    metadata = table.schema.metadata
    assert metadata[b"schema_version"] == b"2"
    units = json.loads(metadata[b"units"])
    assert units == COLUMN_UNITS
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


DISORDER = "the numbers in its column index do not rise"


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
        ("index", pa.array([0, 1, 1, 2, 3], pa.uint32()), f"records: {DISORDER} "),
        ("index", pa.array([2**32 - 1] * 5, pa.uint32()), DISORDER),
        ("index", pa.array([2**32 - 1, 0, 1, 2, 3], pa.uint32()), DISORDER),
        ("time_ns", pa.nulls(5, pa.uint64()), "a row of its column time_ns is empty"),
        ("kind", pa.nulls(5, pa.string()).dictionary_encode(), "a row of its column kind is empty"),
        ("kind", pa.array(["NOPE"] * 5).dictionary_encode(), "the unknown kind 'NOPE'"),
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
    with pytest.raises(InputError, match="version 3, of a newer memnotify") as caught:
        read_records(tmp_path / "log")
    assert (caught.value.hint, caught.value.file) == ("upgrade memnotify", tmp_path / "log")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({b"lost": None}, "its metadata have no lost"),
        ({b"lost": b"-5"}, "its lost is '-5', not a number"),
        ({b"torn": b"9" * 5000}, f"its torn is '{'9' * 20}', not a number"),
        ({b"torn": b"\xff1"}, "its torn is '\ufffd1', not a number"),
        ({b"schema_version": b"0"}, "its schema_version is 0"),
        *(
            ({b"schema_version": bad}, "not a number")
            for bad in (b"", b"-1", b" 2 ", b"2_0", b"2.")
        ),
    ],
)
def test_metadata_that_are_not_ours(
    tmp_path: Path, change: dict[bytes, bytes | None], said: str
) -> None:
    write_records(SANE, tmp_path / "log")
    table = pq.read_table(tmp_path / "log")
    metadata = {**table.schema.metadata, **change}
    kept = {name: value for name, value in metadata.items() if value is not None}
    pq.write_table(table.replace_schema_metadata(kept), tmp_path / "log")
    with pytest.raises(InputError, match=said) as caught:
        read_records(tmp_path / "log")
    assert caught.value.hint == "run the cell again"


def test_columns_that_are_missing(tmp_path: Path) -> None:
    write_records(SANE, tmp_path / "log")
    table = pq.read_table(tmp_path / "log")
    for name in ("index", "raw", "zone_name"):
        pq.write_table(table.drop_columns([name]), tmp_path / "less")
        with pytest.raises(InputError, match=f"it has no column {name}"):
            read_records(tmp_path / "less")
    # A kind of which the log has no records may be newer than the file.
    pq.write_table(table.drop_columns(["balloon_target_kib"]), tmp_path / "less")
    assert len(read_records(tmp_path / "less")) == 5
    write_old(SANE, tmp_path / "old")
    old = pq.read_table(tmp_path / "old")
    at = old.column_names.index("value0")
    for column, said in (
        (pa.array([1.5] * 5), "value0 is of type double, not uint64"),
        (pa.nulls(5, pa.uint64()), "a row of its column value0 is empty"),
    ):
        pq.write_table(old.set_column(at, "value0", column), tmp_path / "old")
        with pytest.raises(InputError, match=said):
            read_records(tmp_path / "old")


def test_what_the_library_says_is_one_line(tmp_path: Path) -> None:
    write_records(SANE, tmp_path / "log")
    whole = (tmp_path / "log").read_bytes()
    for data in (b"", b"PAR1PAR1", whole[:-50], whole[:-9] + b"\xff\xff" + whole[-7:]):
        (tmp_path / "log").write_bytes(data)
        with pytest.raises(InputError, match="not a log of records") as caught:
            read_records(tmp_path / "log")
        assert "\n" not in str(caught.value)


def test_whoever_uses_a_column_that_was_not_read_is_told(tmp_path: Path) -> None:
    write_records(SANE, tmp_path / "log")
    log = read_columns(tmp_path / "log", {Kind.ZONE: ("free",)})
    with pytest.raises(ValueError, match="no field of name high"):
        log.kind(Kind.ZONE)["high"]
    with pytest.raises(KeyError):
        log.kind(Kind.WAKEUP)


def test_what_is_wrong_with_a_file_is_the_same_for_some_columns(tmp_path: Path) -> None:
    for name, column in (
        ("index", pa.array([0, 1, 1, 2, 3], pa.uint32())),
        ("index", pa.array([2**32 - 1, 0, 1, 2, 3], pa.uint32())),
        ("kind", pa.array(["NOPE"] * 5).dictionary_encode()),
        ("zone_free", pa.array(["x"] * 5)),
    ):
        changed(tmp_path / "log", name, column)
        said = []
        for read in (read_records, lambda file: read_columns(file, {Kind.ZONE: ("free",)})):
            with pytest.raises(InputError, match="not a log of records") as caught:
                read(tmp_path / "log")
            said.append(str(caught.value))
        assert said[0] == said[1]


def test_only_the_columns_that_are_asked_for_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are a hundred; a comparison of many cells reads a few of each."""
    asked: list[set[str] | None] = []
    ours = pq.ParquetFile.iter_batches

    def spied(self: Any, *, columns: list[str] | None, **rest: Any) -> Any:
        asked.append(None if columns is None else set(columns))
        return ours(self, columns=columns, **rest)

    write_records(SANE, tmp_path / "log")
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spied)
    log = read_columns(tmp_path / "log", {Kind.ZONE: ("free",)})
    assert log.kind(Kind.ZONE)["free"].tolist() == [500, 300]
    assert asked == [{"index", "time_ns", "kind", "client", "raw", "zone_free"}]
    asked.clear()
    assert len(read_records(tmp_path / "log", kinds=[Kind.POLL, Kind.END])) == 1
    assert asked == [{"index", "time_ns", "kind", "client", "pid", "cpu"}, {"raw"}]
    write_old(SANE, tmp_path / "old")
    asked.clear()
    assert len(read_records(tmp_path / "old")) == 5
    words = {f"value{number}" for number in range(5)}
    assert asked == [{"index", "time_ns", "kind", "client", "pid", "cpu", *words}]


@pytest.mark.parametrize("rows", [7, 199, 200, 1 << 16])
def test_records_of_a_kind_stay_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """In one part of a file or in several."""
    monkeypatch.setattr(parquet, "_ROWS", rows)
    all_ = [row for n in range(100) for row in (zone(n, n), record(Kind.POLL, n, n))]
    write_records(log_of(*all_), tmp_path / "log")
    log = read_columns(tmp_path / "log", {Kind.ZONE: ("free",), Kind.BOOT: (), Kind.POLL: ()})
    assert log.kind(Kind.ZONE)["free"].tolist() == list(range(100))
    assert log.kind(Kind.POLL)["time_ns"].tolist() == list(range(100))
    assert len(log.kind(Kind.BOOT)) == 0
    assert log.kinds.dtype == np.dtype(np.uint16)
    assert log.kinds.tolist() == [Kind.ZONE, Kind.POLL] * 100


def test_the_last_of_the_kinds_may_be_missing(tmp_path: Path) -> None:
    write_records(log_of(zone(1, 2)), tmp_path / "log")
    log = read_columns(tmp_path / "log", {max(Kind): (), Kind.ZONE: ("free",)})
    assert (len(log.kind(max(Kind))), log.kind(Kind.ZONE)["free"].tolist()) == (0, [2])


def test_each_kind_has_its_own_records(tmp_path: Path) -> None:
    write_records(log_of(*(record(kind, 10 * kind) for kind in Kind)), tmp_path / "log")
    log = read_columns(tmp_path / "log", dict.fromkeys(Kind, ()))
    for kind in Kind:
        assert log.kind(kind)["time_ns"].tolist() == [10 * kind]


def test_the_greatest_index_is_not_the_first(tmp_path: Path) -> None:
    write_records(SANE, tmp_path / "log")
    table = pq.read_table(tmp_path / "log")
    index = pa.array([2**32 - 1, 0, 1, 2, 3], pa.uint32())
    at = table.column_names.index("index")
    pq.write_table(table.set_column(at, table.schema.field(at), index), tmp_path / "log")
    with pytest.raises(InputError, match=DISORDER):
        read_columns(tmp_path / "log", {Kind.ZONE: ("free",)})


def test_a_log_of_no_records(tmp_path: Path) -> None:
    empty = RecordLog(np.zeros(0, layout.RECORD), lost=3, torn=4)
    write_records(empty, tmp_path / "log")
    log = read_columns(tmp_path / "log", {Kind.ZONE: ("free",)})
    assert (log.kinds.tolist(), log.lost, log.torn) == ([], 3, 4)
    assert log.kind(Kind.ZONE)["free"].tolist() == []
    assert len(read_records(tmp_path / "log")) == 0


def test_logs_are_written_and_read_without_large_libraries(tmp_path: Path) -> None:
    """They take longer to import than a log takes, and some functions of pyarrow import them."""
    write_records(SANE, tmp_path / "log")
    program = (
        "import sys; from pathlib import Path\n"
        "from memnotify.records.parquet import read_records, write_records\n"
        "write_records(read_records(Path(sys.argv[1])), Path(sys.argv[2]))\n"
        "print(*{'pandas', 'pyarrow.compute'} & set(sys.modules))"
    )
    words: list[str | Path] = [sys.executable, "-c", program, tmp_path / "log", tmp_path / "new"]
    assert process.run(words, allow=[PYTHON], timeout=60).stdout == "\n"
    assert (tmp_path / "log").read_bytes() == (tmp_path / "new").read_bytes()
