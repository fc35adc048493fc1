"""Python's mirror of images/guest/record.h: the memory that host and guest share.

A test compares every size, offset and value here with what `agent --abi` prints, so neither side
can change alone. Everything is little-endian; times are CLOCK_MONOTONIC nanoseconds of the guest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator.errors import InputError
from orchestrator.model import ClientKind, File, Level, Op, Scenario, Step

MAGIC = b"MNOTIFY1"
ABI_VERSION = 2
HEADER_SIZE = 4096
MAILBOX_OFFSET = 4096
MAILBOX_SIZE = 61440
RECORDS_OFFSET = 65536
HOST_PART = 64  # bytes at the start of the header that only the host writes
NO_CLIENT = 0xFFFF_FFFF
NO_STATUS = -(2**31)
"""`ZONE["status"]` of a kernel that has no such line in /proc/zoneinfo."""

MAX_PROCESSES = 16_000
"""Processes that one scenario may start; the size of the agent's table (images/guest/agent.h)."""

MAX_NODES = 63
"""NUMA nodes that a process may be bound to."""


class State(IntEnum):
    """`enum mn_state`: what the agent is doing. Only RENDEZVOUS means that it asked for a pause."""

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
    """`enum mn_kind`: what a record tells."""

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
STEP = np.dtype([("at_ns", "<u8"), ("op", "<u4"), ("place", "<u4"), ("arg", "<u8", 6)])
SCENARIO_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("start_ns", "<u8"),
        ("duration_ns", "<u8"),
        ("sample_ns", "<u8"),
        ("nr_steps", "<u4"),
        ("pad", "<u4", 7),
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

VALUE_NAMES: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.BOOT: ("total_kib", "page_size", "cpus", "swap_kib", "kernel"),
        Kind.DEVICE: ("present", "major", "minor", "mode", "errno"),
        Kind.START: ("asked_ns", "start_ns"),
        Kind.STEP: ("step", "op", "arg0", "arg1", "late_ns"),
        Kind.CLIENT: ("client_kind", "errno", "cache_kib"),
        Kind.POLL: ("polls",),
        Kind.WAKEUP: ("revents", "result", "errno", "since_ns", "wakeups"),
        Kind.RELEASE: ("given_kib", "left_kib"),
        Kind.EXIT: ("code", "signal", "sent_by_agent", "op", "cpu_ns"),
        Kind.BALLOON: ("phase", "step", "target_kib", "total_kib", "elapsed_ns"),
        Kind.HOG: ("touched_kib", "ceiling_kib"),
        Kind.FILECACHE: ("read_kib", "passes", "errno"),
        Kind.RECLAIM: ("pswpin", "pswpout", "pgscan", "pgsteal", "oom_kill"),
        Kind.PAGING: ("pgmajfault", "allocstall", "pgdeactivate", "pgrefill", "runnable"),
        Kind.END: (),
    }
)
"""What `value[0]`, `value[1]`, ... of a record mean. The other kinds have a layout of their own."""


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
)


def payload(records: npt.NDArray[Any], kind: Kind) -> npt.NDArray[Any]:
    """Return the values of records of one kind, as a structured array of the same length.

    `records` is a RECORD array that holds only that kind. The fields are those of MEMINFO, ZONE or
    CHECK, else VALUE_NAMES[kind] as unsigned 64-bit numbers (negative: in two's complement).
    """
    return np.ascontiguousarray(records["value"]).view(LAYOUTS[kind])[:, 0]


def log_size(capacity: int) -> int:
    """Return the bytes that header, mailbox and `capacity` records fill."""
    size: int = RECORDS_OFFSET + capacity * RECORD.itemsize
    return size


def region_size(capacity: int) -> int:
    """Return the bytes of a region for `capacity` records: a power of two, as a PCI BAR must be."""
    return 1 << (log_size(capacity) - 1).bit_length()


def init_header(buffer: Any, capacity: int) -> None:
    """Write the header of a new region into a writable buffer (an mmap, a bytearray).

    Mailbox and records must be zero already, as in a new file. Raises ValueError if `capacity`
    records do not fit.
    """
    size = len(buffer)
    if capacity < 1 or log_size(capacity) > size:
        raise ValueError(f"{capacity} records do not fit into a region of {size} bytes")
    header = np.zeros(1, HEADER)
    header["magic"] = MAGIC
    header["abi_version"] = ABI_VERSION
    header["region_size"] = size
    header["capacity"] = capacity
    buffer[: HEADER.itemsize] = header.tobytes()


def _check_clients(args: tuple[int, ...]) -> str | None:
    kind, count, cache, given, _interval, *allocating = args
    if kind not in list(ClientKind):
        return f"{kind} is no kind of client"
    if not 1 <= count <= MAX_PROCESSES:
        return f"{count} clients; 1 to {MAX_PROCESSES} can be started"
    if kind == ClientKind.RELEASE and not (
        cache % 4 == 0 and given % 4 == 0 and 0 < given <= cache
    ):
        return f"a cache of {cache} KiB of which {given} are given back; both are whole 4 KiB pages"
    if (kind in (ClientKind.ALLOCATE, ClientKind.CIRCULAR)) != bool(allocating):
        return "a rate is what clients that allocate have, and only those"
    if allocating:
        ok = allocating[0] % 2**32 > 0 and 0 < cache < 2**32
        return None if ok else "rate and size must be above 0 and below 4 TiB"
    return _check_watch(kind, cache, given)


def _check_watch(kind: int, first: int, second: int) -> str | None:
    if kind == ClientKind.PSI:
        return None if 0 < first <= second else f"{first} us of stall in a window of {second} us"
    if kind == ClientKind.PRESSURE_LEVEL:
        return None if first in list(Level) else f"{first} is no level of pressure"
    if kind != ClientKind.RELEASE and (first % 4 or second):
        return f"a cache of {first} KiB of which {second} are given back; only the first can be"
    return None


def _check_rate(args: tuple[int, ...]) -> str | None:
    ok = all(0 < arg < 2**32 for arg in args)
    return None if ok else "rate and size must be above 0 and below 4 TiB"


def _check_hog(args: tuple[int, ...]) -> str | None:
    if args[2:] and args[2] > MAX_NODES:
        return f"there is no node {args[2] - 1}; a guest can have {MAX_NODES}"
    return _check_rate(args[:2])


def _check_filecache(args: tuple[int, ...]) -> str | None:
    if args[2:] and args[2] not in list(File):
        return f"{args[2]} is no kind of file"
    return _check_rate(args[:2])


def _check_balloon(args: tuple[int, ...]) -> str | None:
    return (
        None if args[0] > 0 and args[0] % 4 == 0 else f"{args[0]} KiB is no whole number of pages"
    )


def _check_memory(args: tuple[int, ...]) -> str | None:
    return None if 0 < args[0] < 2**32 else "memory must be above 0 and below 4 TiB"


def _check_group(args: tuple[int, ...]) -> str | None:
    return None if args[0] in (1, 2) else f"there are no control groups of version {args[0]}"


def _check_stop(args: tuple[int, ...]) -> str | None:
    ok = args[0] in (Op.CLIENTS, Op.HOG, Op.FILECACHE)
    return None if ok else f"{args[0]} is no operation that has processes"


_CHECKS: Mapping[Op, tuple[tuple[int, ...], Callable[[tuple[int, ...]], str | None]]] = {
    Op.CLIENTS: ((5, 6), _check_clients),
    Op.BALLOON: ((2,), _check_balloon),
    Op.HOG: ((2, 3), _check_hog),
    Op.FILECACHE: ((2, 4), _check_filecache),
    Op.STOP: ((1,), _check_stop),
    Op.SELF_CHECK: ((1,), _check_memory),
    Op.GROUP: ((2,), _check_group),
}
"""How many arguments a step may have, and what else has to be true of them."""


def _check_step(step: Step) -> str | None:
    counts, check = _CHECKS[step.op]
    if len(step.args) not in counts:
        return f"{len(step.args)} arguments, {' or '.join(map(str, counts))} expected"
    if not all(0 <= arg < 2**64 for arg in (step.at_ns, *step.args)):
        return "a number does not fit into 64 bits"
    if not 0 <= step.place <= MAX_PROCESSES:
        return f"{step.place} is no place of a process"
    return check(step.args)


def processes_of(scenario: Scenario) -> int:
    """Return how many processes a scenario starts."""
    return sum(
        step.args[1] if step.op is Op.CLIENTS else step.op in (Op.HOG, Op.FILECACHE, Op.SELF_CHECK)
        for step in scenario.steps
    )


def _check_whole(scenario: Scenario) -> str | None:
    room = (MAILBOX_SIZE - SCENARIO_HEADER.itemsize) // STEP.itemsize
    if len(scenario.steps) > room:
        return f"{len(scenario.steps)} steps, but the mailbox holds {room}"
    times = [step.at_ns for step in scenario.steps]
    if times != sorted(times):
        return "steps are not sorted by time"
    if times and times[-1] >= scenario.duration_ns:
        return "the last step starts after the end"
    if not 0 < scenario.sample_ns < 2**63 or not 0 < scenario.duration_ns < 2**63:
        return "duration and sample interval must be above 0"
    if not 0 <= scenario.start_ns < 2**63:
        return "the start must not be below 0"
    processes = processes_of(scenario)
    if processes > MAX_PROCESSES:
        return f"{processes} processes; the agent can start {MAX_PROCESSES}"
    return None


def encode_scenario(scenario: Scenario) -> bytes:
    """Return what goes to MAILBOX_OFFSET: `struct mn_scenario` and its steps.

    Raises InputError if the scenario is not one that the agent accepts.
    """
    where = f"scenario {scenario.name}"
    for number, step in enumerate(scenario.steps):
        problem = _check_step(step)
        if problem is not None:
            raise InputError(f"{where}: step {number} ({step.op.name.lower()}): {problem}")
    problem = _check_whole(scenario)
    if problem is not None:
        raise InputError(f"{where}: {problem}")
    header = np.zeros(1, SCENARIO_HEADER)
    header["magic"] = MAGIC
    header["start_ns"] = scenario.start_ns
    header["duration_ns"] = scenario.duration_ns
    header["sample_ns"] = scenario.sample_ns
    header["nr_steps"] = len(scenario.steps)
    steps = np.zeros(len(scenario.steps), STEP)
    for row, step in zip(steps, scenario.steps, strict=True):
        row["at_ns"] = step.at_ns
        row["op"] = step.op
        row["place"] = step.place
        row["arg"][: len(step.args)] = step.args
    return header.tobytes() + steps.tobytes()
