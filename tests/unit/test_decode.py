from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify import places
from memnotify.errors import InputError
from memnotify.guest.region import Region
from memnotify.records import layout
from memnotify.records.decode import decode
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS, RecordLog
from memnotify.records.parquet import read_records, write_records

CAPACITY = 64


class Log:
    """A region as a guest would have written it."""

    def __init__(self) -> None:
        self.region = bytearray(layout.region_size(CAPACITY))
        layout.init_header(self.region, CAPACITY)
        self.header = np.frombuffer(self.region, layout.HEADER, count=1)
        self.records = np.frombuffer(
            self.region, layout.RECORD, count=CAPACITY, offset=layout.RECORDS_OFFSET
        )

    def add(self, kind: int, *value: int, client: int = layout.NO_CLIENT) -> np.void:
        index = int(self.header["next"][0])
        self.header["next"] += 1
        record: np.void = self.records[index]
        record["kind"] = kind
        record["client"] = client
        record["time_ns"] = 1000 * index
        record["value"][: len(value)] = value
        record["commit"] = index + 1
        return record

    def decode(self) -> RecordLog:
        return decode(self.region, CAPACITY)


def test_records_come_in_order_with_the_fields_of_their_kind() -> None:
    log = Log()
    log.add(Kind.WAKEUP, 1, 1, 0, 5, 0, client=7)
    zone = log.add(Kind.ZONE)
    zone["value"] = np.frombuffer(
        np.array([("DMA32", 0, 100, 1, 2, 3, 4, -1, 500)], layout.ZONE).tobytes(), "<u8"
    )
    log.add(Kind.WAKEUP, 1, 1, 0, 6, 1, client=8)
    found = log.decode()
    assert (len(found), found.lost, found.torn, found.end_ns) == (3, 0, 0, 2000)
    wakeups = found.kind(Kind.WAKEUP)
    assert wakeups["client"].tolist() == [7, 8]
    assert wakeups["since_ns"].tolist() == [5, 6]
    assert wakeups["time_ns"].tolist() == [0, 2000]
    zones = found.kind(Kind.ZONE)
    assert (zones["name"][0], zones["free"][0], zones["status"][0]) == (b"DMA32", 100, -1)
    assert len(found.kind(Kind.BOOT)) == 0


def test_every_kind_has_a_view_of_one_record() -> None:
    assert all(VIEWS[kind].itemsize == layout.RECORD.itemsize for kind in Kind)


def test_unfinished_and_senseless_records_are_counted_and_left_out() -> None:
    log = Log()
    log.add(Kind.POLL, client=1)
    log.add(Kind.POLL, client=2)["commit"] = 0  # claimed, its writer was killed
    log.add(Kind.POLL, client=3)["commit"] = 99
    log.add(4711)
    log.add(Kind.POLL, client=4)
    found = log.decode()
    assert found.kind(Kind.POLL)["client"].tolist() == [1, 4]
    assert found.torn == 3


def test_lost_records_are_told() -> None:
    log = Log()
    log.header["lost"] = 12
    assert log.decode().lost == 12


def test_a_scribbled_count_reads_no_further_than_the_log() -> None:
    log = Log()
    log.add(Kind.END)
    log.header["next"] = 0xFFFF_FFFF
    found = log.decode()
    assert len(found) == 1
    assert found.torn == CAPACITY - 1


@given(st.binary(min_size=192, max_size=192), st.binary(min_size=64, max_size=640))
def test_any_bytes_decode(header: bytes, records: bytes) -> None:
    region = bytearray(layout.region_size(CAPACITY))
    region[: len(header)] = header
    region[layout.RECORDS_OFFSET : layout.RECORDS_OFFSET + len(records)] = records
    found = decode(region, CAPACITY)
    assert len(found) + found.torn <= CAPACITY


def test_parquet_gives_the_same_log_back(tmp_path: Path) -> None:
    log = Log()
    for number, kind in enumerate(Kind):
        log.add(kind, 2**64 - 1, number, client=number if number % 2 else layout.NO_CLIENT)
    log.add(Kind.END)["commit"] = 0
    log.header["lost"] = 3
    before = log.decode()
    write_records(before, tmp_path / "records.parquet")
    after = read_records(tmp_path / "records.parquet")
    assert np.array_equal(after.records, before.records)
    assert (after.lost, after.torn) == (3, 1)


def test_an_empty_log_survives_parquet(tmp_path: Path) -> None:
    write_records(Log().decode(), tmp_path / "records.parquet")
    found = read_records(tmp_path / "records.parquet")
    assert (len(found), found.end_ns) == (0, 0)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.parquet"
    for content in (b"", b"PAR1 of another kind"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"records\.parquet: not a log"):
            read_records(path)
    with pytest.raises(InputError):
        read_records(tmp_path / "missing")


def test_region_hands_out_what_it_was_given() -> None:
    with Region(CAPACITY) as region:
        assert len(region.records()) == 0
        assert region.ask().state == layout.State.BOOTING
        region.post(b"scenario")
        assert region.progress() == (0, 0, 0, 0)
        assert (region.beats(), region.ended_ns()) == (0, 0)
        for name in ("beats", "ended_ns"):
            at = layout.HEADER.fields[name][1]  # type: ignore[index]
            os.pwrite(region.fd, (7).to_bytes(8, "little"), at)
        assert region.progress() == (0, 0, 0, 7)
        assert (region.beats(), region.ended_ns()) == (7, 7)


def test_what_a_guest_wrote_after_the_end_of_its_log_is_left_out() -> None:
    with Region(CAPACITY) as region:
        # 1 to 6 were claimed in turn; 3 and 5 were never finished, and 6 is later than 4.
        records = np.zeros(6, layout.RECORD)
        records["commit"], records["kind"] = [1, 2, 0, 4, 0, 6], Kind.POLL
        records["time_ns"] = [10, 20, 0, 30, 0, 31]
        os.pwrite(region.fd, records.tobytes(), layout.RECORDS_OFFSET)
        at = layout.HEADER.fields["next"][1]  # type: ignore[index]
        os.pwrite(region.fd, (6).to_bytes(4, "little"), at)
        whole, cut = region.records(), region.records(until_ns=30)
        assert (whole.records["commit"].tolist(), whole.torn) == ([1, 2, 4, 6], 2)
        assert (cut.records["commit"].tolist(), cut.torn) == ([1, 2, 4], 1)
        nothing = region.records(until_ns=9)
        assert (len(nothing), nothing.torn) == (0, 0)
        assert region.records(until_ns=31).records.tobytes() == whole.records.tobytes()


def test_a_log_that_no_bar_can_hold_is_refused() -> None:
    for records in (0, 1 << 30):
        with pytest.raises(InputError, match="log of"):
            Region(records)


def test_the_manual_names_every_kind_and_every_field_in_order() -> None:
    manual = (places.HOME / "docs/reference/records.md").read_text()
    rows = {row.split("|")[1].strip(): row for row in manual.splitlines() if row.startswith("| ")}
    for kind in Kind:
        row = rows[kind.name]
        fields = layout.LAYOUTS[kind].names or ()
        at = [re.search(rf"\b{name}\b", row) for name in fields]
        assert all(at), f"{kind.name}: {fields} in {row}"
        starts = [match.start() for match in at if match]
        assert starts == sorted(starts) or kind is Kind.ZONE, kind.name


def test_a_guest_that_writes_where_only_the_host_may_is_caught() -> None:
    with Region(CAPACITY) as region:
        os.pwrite(region.fd, b"x", layout.HOST_PART)
        assert not region.overwritten()
        os.pwrite(region.fd, b"x", layout.HOST_PART - 1)
        assert region.overwritten()
