"""Python's mirror of images/guest/record.h: the memory that host and guest share.

A test compares every size, offset and value here with what `agent --abi` prints, so neither side
can change alone. Everything is little-endian; times are CLOCK_MONOTONIC nanoseconds of the guest.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np

MAGIC = b"MNOTIFY1"
ABI_VERSION = 3
HEADER_SIZE = 4096
MAILBOX_OFFSET = 4096
MAILBOX_SIZE = 61440
RECORDS_OFFSET = 65536
HOST_PART = 64  # bytes at the start of the header that only the host writes
NO_CLIENT = 0xFFFF_FFFF
NO_STATUS = -(2**31)
"""`ZONE["status"]` if the kernel's /proc/zoneinfo has no such line."""


class State(IntEnum):
    """`enum mn_state`: what the agent is doing. Only in RENDEZVOUS has it asked for a pause."""

    BOOTING = 0
    RENDEZVOUS = 1
    RUNNING = 2
    FAILED = 3


class Reason(IntEnum):
    """`enum mn_reason`: why the agent asked for the newest pause."""

    READY = 1
    BALLOON_SET = 2
    BALLOON_SETTLED = 3
    DONE = 4


class Kind(IntEnum):
    """`enum mn_kind`: what a record describes."""

    BOOT = 1
    DEVICE = 2
    START = 3
    STEP = 4
    CLIENT = 5
    POLL = 6
    WAKEUP = 7
    RELEASE = 8
    EXIT = 9
    BALLOON = 10
    HOG = 11
    FILECACHE = 12
    MEMINFO = 13
    RECLAIM = 14
    PAGING = 15
    ZONE = 16
    END = 17
    SELF_CHECK = 18
    CONSOLE = 19
    SEEN = 20
    READ = 21
    WRITTEN = 22
    PROGRAM = 23
    SAID = 24
    LEFT = 25


class BalloonPhase(IntEnum):
    """`enum mn_balloon_phase`: `value[0]` of a BALLOON record."""

    REQUESTED = 1
    REACHED = 2
    MISSED = 3


class CheckResult(IntEnum):
    """`enum mn_check_result`: `result` of a SELF_CHECK record."""

    PASSED = 1
    FAILED = 2
    SKIPPED = 3


HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("abi_version", "<u4"),
        ("region_size", "<u4"),
        ("capacity", "<u4"),
        ("pad0", "<u4", 11),
        ("next", "<u4"),
        ("lost", "<u4"),
        ("newest_ns", "<u8"),
        ("pad1", "<u4", 12),
        ("state", "<u4"),
        ("reason", "<u4"),
        ("sequence", "<u4"),
        ("step", "<u4"),
        ("arg", "<u8"),
        ("time_ns", "<u8"),
        ("failure", "<u4"),
        ("failure_line", "<u4"),
        ("failure_what", "S24"),
        ("beats", "<u8"),
        ("ended_ns", "<u8"),
    ]
)
RECORD = np.dtype(
    [
        ("commit", "<u4"),
        ("kind", "<u2"),
        ("cpu", "<u2"),
        ("client", "<u4"),
        ("pid", "<u4"),
        ("time_ns", "<u8"),
        ("value", "<u8", 5),
    ]
)
MEMINFO = np.dtype(
    [
        (name, "<u4")
        for name in (
            "total",
            "free",
            "buffers",
            "cached",
            "swap_cached",
            "active",
            "inactive",
            "anon",
            "swap_total",
            "swap_free",
        )
    ]
)
ZONE = np.dtype(
    [
        ("name", "S8"),
        ("node", "<u4"),
        ("free", "<u4"),
        ("min", "<u4"),
        ("low", "<u4"),
        ("high", "<u4"),
        ("reserve", "<u4"),
        ("status", "<i4"),
        ("present", "<u4"),
    ]
)
CHECK = np.dtype(
    [
        ("name", "S20"),
        ("number", "<u2"),
        ("count", "<u2"),
        ("result", "<u4"),
        ("line", "<u4"),
        ("error", "<u4"),
        ("signal", "<u4"),
    ]
)

CONSOLE = np.dtype(
    [("runnable", "<u2"), ("blocked", "<u2")]
    + [
        (name, "<u4")
        for name in (
            "swapped",
            "free",
            "buffers",
            "cached",
            "active",
            "inactive",
            "date_us",
            "vmstat_us",
            "error",
        )
    ]
)

SAID = np.dtype(
    [
        ("length", "u1"),
        ("flags", "u1"),
        ("pad", "<u2"),
        ("left_out", "<u4"),
        ("text", "S32"),
    ]
)
LINE_ENDS = 1
"""The flag of a SAID record with which a line ends."""

VALUE_NAMES: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.BOOT: ("total_kib", "page_size", "cpus", "swap_kib", "kernel"),
        Kind.DEVICE: ("present", "major", "minor", "mode", "errno"),
        Kind.START: ("asked_ns", "start_ns"),
        Kind.STEP: ("step", "op", "arg0", "arg1", "late_ns"),
        Kind.CLIENT: ("client_kind", "errno", "cache_kib", "habits"),
        Kind.POLL: ("polls",),
        Kind.WAKEUP: ("revents", "result", "errno", "since_ns", "wakeups"),
        Kind.RELEASE: ("given_kib", "left_kib"),
        Kind.EXIT: ("code", "signal", "sent_by_agent", "op", "cpu_ns"),
        Kind.BALLOON: ("phase", "step", "target_kib", "total_kib", "elapsed_ns"),
        Kind.HOG: ("touched_kib", "ceiling_kib", "finished_kib"),
        Kind.FILECACHE: ("read_kib", "passes", "errno"),
        Kind.RECLAIM: ("pswpin", "pswpout", "pgscan", "pgsteal", "oom_kill"),
        Kind.PAGING: ("pgmajfault", "allocstall", "pgdeactivate", "pgrefill", "runnable"),
        Kind.END: (),
        Kind.READ: ("result", "errno"),
        Kind.WRITTEN: ("written_kib", "errno"),
        Kind.PROGRAM: ("program", "errno"),
        Kind.LEFT: ("processes", "unlogged", "left_out", "written", "closed"),
    }
)
"""The meaning of `value[0]`, `value[1]`, ... of a record. Other kinds have their own layout."""


def _layout(names: tuple[str, ...]) -> np.dtype[Any]:
    return np.dtype(
        {
            "names": list(names),
            "formats": ["<u8"] * len(names),
            "offsets": [8 * index for index in range(len(names))],
            "itemsize": RECORD["value"].itemsize,
        }
    )


LAYOUTS: Mapping[Kind, np.dtype[Any]] = MappingProxyType(
    {kind: _layout(names) for kind, names in VALUE_NAMES.items()}
    | {Kind.MEMINFO: MEMINFO, Kind.ZONE: ZONE, Kind.SELF_CHECK: CHECK}
    | {Kind.CONSOLE: CONSOLE, Kind.SEEN: MEMINFO, Kind.SAID: SAID}
)


def log_size(capacity: int) -> int:
    """Return the size in bytes of header, mailbox and `capacity` records."""
    size: int = RECORDS_OFFSET + capacity * RECORD.itemsize
    return size


def region_size(capacity: int) -> int:
    """Return the bytes of a region for `capacity` records: a power of two, as a PCI BAR must be."""
    return 1 << (log_size(capacity) - 1).bit_length()


def init_header(buffer: Any, capacity: int) -> None:
    """Write the header of a new region into a writable buffer (an mmap, a bytearray).

    Mailbox and records must already be zero, as in a new file. Raises ValueError if `capacity`
    records do not fit.
    """
    size = len(buffer)
    if capacity < 1 or log_size(capacity) > size:
        raise ValueError(f"{capacity} records do not fit in a region of {size} bytes")
    header = np.zeros(1, HEADER)
    header["magic"] = MAGIC
    header["abi_version"] = ABI_VERSION
    header["region_size"] = size
    header["capacity"] = capacity
    buffer[: HEADER.itemsize] = header.tobytes()
