"""The memory that host and guest share, as the host sees it."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

import numpy as np

from memnotify.errors import InputError
from memnotify.records import layout
from memnotify.records.decode import decode
from memnotify.records.log import RecordLog, Records


@dataclass(frozen=True, slots=True)
class Ask:
    """The guest's last request, from the header. Any number in it may be nonsense."""

    state: int
    reason: int
    sequence: int
    step: int
    arg: int
    time_ns: int
    failure: str


class Region:
    """A memfd with header, mailbox and log. It has no name, so it cannot be left behind.

    Use it as a context manager. Raises InputError if the log is too large for a PCI BAR.
    """

    def __init__(self, log_records: int) -> None:
        size = layout.region_size(log_records)
        if log_records < 1 or size > 1 << 30:
            raise InputError(f"a log of {log_records} records", hint="it must be 1 to 16 million")
        self.capacity = log_records
        self.fd = os.memfd_create("mem_notify", os.MFD_CLOEXEC)
        try:
            os.ftruncate(self.fd, size)
            self._map = mmap.mmap(self.fd, size)
        except BaseException:
            os.close(self.fd)
            raise
        layout.init_header(self._map, log_records)
        self._ours = self._map[: layout.HOST_PART]

    def __enter__(self) -> Region:
        return self

    def __exit__(self, *_: object) -> None:
        self._map.close()
        os.close(self.fd)

    def _header(self) -> np.void:
        # Copy it: a view of the map would keep the map from being closed.
        header: np.void = np.frombuffer(self._map[: layout.HEADER.itemsize], layout.HEADER)[0]
        return header

    def ask(self) -> Ask:
        """Return the guest's request."""
        header = self._header()
        what = header["failure_what"].decode(errors="replace")
        return Ask(
            state=int(header["state"]),
            reason=int(header["reason"]),
            sequence=int(header["sequence"]),
            step=int(header["step"]),
            arg=int(header["arg"]),
            time_ns=int(header["time_ns"]),
            failure=f"{what!r}, errno {header['failure']}, line {header['failure_line']}",
        )

    def progress(self) -> tuple[int, int, int, int]:
        """Return numbers, at least one of which changes while the guest makes progress."""
        header = self._header()
        lost, sequence, beats = (int(header[name]) for name in ("lost", "sequence", "beats"))
        return int(header["next"]), lost, sequence, beats

    def beats(self) -> int:
        """Return a number that changes while the guest's init makes progress, whatever it does."""
        return int(self._header()["beats"])

    def ended_ns(self) -> int:
        """Return the guest time at which the scenario ended, or 0 if it has not.

        It is the guest's claim. After that, the guest only ends its processes, and records that.
        """
        return int(self._header()["ended_ns"])

    def newest_ns(self) -> int:
        """Return CLOCK_MONOTONIC of the newest record, including one that did not fit."""
        return int(self._header()["newest_ns"])

    def claimed(self) -> int:
        """Return how many records in the log have been claimed."""
        return min(int(self._header()["next"]), self.capacity)

    def some(self, first: int, end: int) -> Records:
        """Return a copy of records by their number, from 0, whether they are finished or not.

        It is made at once, so that nobody can unmap the memory meanwhile.
        """
        places = (layout.RECORDS_OFFSET + n * layout.RECORD.itemsize for n in (first, end))
        return np.frombuffer(self._map[slice(*places)], layout.RECORD)

    def is_valid(self, number: int) -> bool:
        """Return whether the record of this number, from 0, is finished."""
        return number < self.capacity and bool(
            self.some(number, number + 1)["commit"] == number + 1
        )

    def overwritten(self) -> bool:
        """Return whether the guest has written to the part that only the host may write."""
        return bool(self._map[: layout.HOST_PART] != self._ours)

    def post(self, mail: bytes) -> None:
        """Put a scenario (from `mailbox.encode_scenario`) into the mailbox."""
        self._map[layout.MAILBOX_OFFSET : layout.MAILBOX_OFFSET + len(mail)] = mail

    def records(self, *, until_ns: int | None = None) -> RecordLog:
        """Return a copy of the valid records, up to a guest time. The guest should be stopped.

        Records claimed after the last of these are left out as well, and do not count as torn.
        """
        log = decode(self._map, self.capacity)
        late = log.records["time_ns"] > (2**64 - 1 if until_ns is None else until_ns)
        if not late.any():
            return log
        records = log.records[~late]
        last = int(records["commit"].max(initial=0))
        claimed = int(np.count_nonzero(log.records["commit"] <= last))
        return RecordLog(records, lost=log.lost, torn=last - claimed)
