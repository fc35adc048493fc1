"""Scenarios: timed steps, each with one typed action, and the kinds of clients.

Plain frozen values, picklable and hashable. Names of fields end in their unit. scenario_rules.py
has the limits; guest/mailbox.py is the format in which a guest gets a scenario.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import ClassVar


class Op(IntEnum):
    """The actions by number; values of `enum mn_op` in images/guest/record.h."""

    CLIENTS = 1
    BALLOON = 2
    HOG = 3
    FILECACHE = 4
    STOP = 5
    SELF_CHECK = 6
    GROUP = 7
    CONSOLE = 8
    DD = 9
    SWAPPINESS = 10


STOPPABLE = (Op.CLIENTS, Op.HOG, Op.FILECACHE, Op.CONSOLE, Op.DD)
"""Actions that start processes, which a later step can stop."""

STARTING = (*STOPPABLE, Op.SELF_CHECK)
"""Actions that start processes."""


class Level(IntEnum):
    """The memory.pressure_level that a client is notified of; values of `enum mn_level`."""

    LOW = 1
    MEDIUM = 2
    CRITICAL = 3


class File(IntEnum):
    """The file that the page cache is filled from; values of `enum mn_file`."""

    DISK = 0
    SPARSE = 1


class Habit(IntFlag):
    """Variations in what clients do; values of `enum mn_habit`."""

    OPEN_FIRST = 1
    FROM_THE_START = 2
    MEMINFO = 4
    LEAVE = 8
    FASYNC = 16


NO_HABITS = Habit(0)

SOURCE_SUFFIX = ".c"
"""How the name of a program of the user's own ends if it is a source."""


class ClientKind(IntEnum):
    """What a client does when woken; MN_CLIENT_KINDS in record.h. CLIENT_KINDS has more."""

    POLL = 1
    RELEASE = 2
    EXIT = 3
    FASYNC = 4
    ALLOCATE = 5
    CIRCULAR = 6
    PSI = 7
    PRESSURE_LEVEL = 8
    MEMORY_EVENTS = 9
    USAGE = 10
    EPOLL = 11
    PEEK = 12
    IDLE = 13
    OWN = 14
    LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTraits:
    """The parameters of a kind of client: it `needs` fields of Clients, and may have `takes`.

    `habits` are those that it may have. `keeps`: it keeps its memory when woken. `watches` is what
    it watches instead of a device of the series, and `group` the version of control groups that
    have this file.
    """

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    habits: Habit = NO_HABITS
    keeps: bool = False
    watches: str | None = None
    group: int | None = None

    @property
    def fields(self) -> frozenset[str]:
        """All fields that clients of this kind may have, besides those that all have."""
        return frozenset((*self.needs, *self.takes))

    @property
    def allocates(self) -> bool:
        """Whether it fills memory itself, at a rate or step by step."""
        return "rate_kib_s" in self.takes


_HANDLER = ("read_bytes", "text_kib")
_PACE = ("rate_kib_s", "step_kib", "pause_ns")

CLIENT_KINDS: Mapping[ClientKind, ClientTraits] = MappingProxyType(
    {
        ClientKind.POLL: ClientTraits(takes=_HANDLER, habits=Habit.FASYNC, keeps=True),
        ClientKind.RELEASE: ClientTraits(
            needs=("cache_kib", "give_back_kib"), takes=_HANDLER, habits=Habit.OPEN_FIRST
        ),
        ClientKind.EXIT: ClientTraits(
            takes=("cache_kib", *_HANDLER), habits=Habit.OPEN_FIRST | Habit.FASYNC
        ),
        ClientKind.FASYNC: ClientTraits(keeps=True),
        ClientKind.ALLOCATE: ClientTraits(
            needs=("cache_kib",), takes=(*_PACE, *_HANDLER), habits=Habit.LEAVE
        ),
        ClientKind.CIRCULAR: ClientTraits(
            needs=("cache_kib", "give_back_kib"),
            takes=("give_back_after_ns", *_PACE, *_HANDLER),
            habits=Habit.FROM_THE_START | Habit.MEMINFO,
        ),
        ClientKind.PSI: ClientTraits(
            needs=("stall_us", "window_us"), watches="/proc/pressure/memory"
        ),
        ClientKind.PRESSURE_LEVEL: ClientTraits(
            needs=("level",), watches="memory.pressure_level", group=1
        ),
        ClientKind.MEMORY_EVENTS: ClientTraits(watches="memory.events", group=2),
        ClientKind.USAGE: ClientTraits(),
        ClientKind.EPOLL: ClientTraits(keeps=True),
        ClientKind.PEEK: ClientTraits(needs=("every_ns",), keeps=True),
        ClientKind.IDLE: ClientTraits(keeps=True),
        ClientKind.OWN: ClientTraits(needs=("program",)),
        ClientKind.LINES: ClientTraits(needs=("program",)),
    }
)
"""What this side of the ABI knows about each kind; images/guest/record.h is the other side."""

OWN_KINDS = (ClientKind.OWN, ClientKind.LINES)
"""Programs of the user's own: OWN is compiled from a source, with what logs its waits linked to it;
LINES is a binary, and the lines that it prints tell."""

SUCCESSORS = frozenset(kind for kind, traits in CLIENT_KINDS.items() if traits.watches)
"""Clients that watch what newer kernels have instead of /dev/mem_notify."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Start `count` clients, `spacing_ns` apart. CLIENT_KINDS lists the fields of each kind.

    Each holds `cache_kib`, and gives back `give_back_kib` of it when woken. Clients that fill
    memory do so at a rate, or `step_kib` at once with a pause after each step.
    """

    op: ClassVar[Op] = Op.CLIENTS
    kind: ClientKind
    count: int
    spacing_ns: int = 0
    cache_kib: int = 0
    give_back_kib: int = 0
    give_back_after_ns: int = 0
    rate_kib_s: int = 0
    step_kib: int = 0
    pause_ns: int = 0
    every_ns: int = 0
    habits: Habit = NO_HABITS
    read_bytes: int = 0
    text_kib: int = 0
    stall_us: int = 0
    window_us: int = 0
    level: Level | None = None
    program: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of the user's own that clients of a cell run; `Clients.program` counts them from 1.

    `name` is that of its file, and `digest` covers the file and the files beside it that it
    includes. `wakeup_line` is how a line begins by which a binary reports a wakeup. It is no
    finding if it ends with `expect_status`. `path` is where it was read; it is not part of a
    cell's identity.
    """

    name: str
    digest: str
    args: tuple[str, ...] = ()
    wakeup_line: str = ""
    expect_status: int = 0
    path: str = ""

    @property
    def is_source(self) -> bool:
        """Whether it has to be compiled."""
        return self.name.endswith(SOURCE_SUFFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balloon:
    """Leave the guest `target_kib` (RAM less balloon), to be reached within `settle_ns`."""

    op: ClassVar[Op] = Op.BALLOON
    target_kib: int
    settle_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hog:
    """Fill anonymous memory at a rate up to a ceiling; with `node`, only on that NUMA node."""

    op: ClassVar[Op] = Op.HOG
    rate_kib_s: int
    ceiling_kib: int
    node: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCache:
    """Read a file through the page cache; then, with `touch_ns`, touch it at that interval."""

    op: ClassVar[Op] = Op.FILECACHE
    rate_kib_s: int
    total_kib: int
    file: File = File.DISK
    touch_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Kill the processes that steps with the action `what` have started."""

    op: ClassVar[Op] = Op.STOP
    what: Op


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheck:
    """Run the self-tests of the kernel; the swap test fills `memory_kib`."""

    op: ClassVar[Op] = Op.SELF_CHECK
    memory_kib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Create a control group for the hogs of later steps; a limit of 0 means none."""

    op: ClassVar[Op] = Op.GROUP
    version: int
    limit_kib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Start a loop that sleeps for `every_ns`, then runs date and vmstat."""

    op: ClassVar[Op] = Op.CONSOLE
    every_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dd:
    """Write a buffer of `block_kib` to the disk, `count` times."""

    op: ClassVar[Op] = Op.DD
    block_kib: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Swappiness:
    """Set vm.swappiness."""

    op: ClassVar[Op] = Op.SWAPPINESS
    value: int


Action = Clients | Balloon | Hog | FileCache | Stop | SelfCheck | Group | Console | Dd | Swappiness


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `at_ns` counts from the scenario's start.

    `place` n: the first process starts on CPU n - 1, the others on the CPUs after it. 0: the kernel
    chooses.
    """

    at_ns: int
    action: Action
    place: int = 0

    @property
    def op(self) -> Op:
        return self.action.op

    @property
    def processes(self) -> int:
        """How many processes it starts."""
        if isinstance(self.action, Clients):
            return self.action.count
        return int(self.op in STARTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What happens in the guest, and when, with all parameters of one cell filled in.

    `start_ns` is the guest's CLOCK_MONOTONIC at the start (or the next whole second, if the boot
    took longer). Steps are sorted by time.
    """

    name: str
    start_ns: int
    duration_ns: int
    sample_ns: int
    steps: tuple[Step, ...]

    @property
    def processes(self) -> int:
        """How many processes it starts."""
        return sum(step.processes for step in self.steps)
