"""The tables of a scenario: names, types and ranges; campaigns/README.md explains them.

A file in scenarios/ and the tables `[scenario.NAME]` of a campaign have them. The descriptions of
fields are also those of schemas/scenario.schema.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from memnotify.campaign.values import (
    MAX_CLIENTS,
    Mib,
    Millis,
    Percent,
    Seconds,
    SomeMillis,
    SomeSeconds,
    exactly_one,
    only_one,
)
from memnotify.scenario import (
    OWN_KINDS,
    SOURCE_SUFFIX,
    STOPPABLE,
    ClientKind,
    Clients,
    Habit,
    Level,
)
from memnotify.scenario_rules import (
    GROUP_VERSIONS,
    MAX_READ,
    MAX_SWAPPINESS,
    clients_problem,
    detail_problem,
)
from memnotify.toml import Table, one_of
from memnotify.units import NS_PER_MS, NS_PER_S

DEFAULT_SETTLE_S = 5.0


def _may(description: str) -> Any:
    """Return a field that may be left out."""
    return Field(default=None, description=description)


def kib(mib: float) -> int:
    """Return a size in KiB, rounded down to whole pages of 4 KiB as in the guest."""
    return int(mib * 1024) // 4 * 4


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def _kib_s(mib_s: float) -> int:
    return round(mib_s * 1024)


def _ms(milliseconds: float) -> int:
    return round(milliseconds * NS_PER_MS)


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1_000)


def _level(name: str) -> Level:
    return Level[name.upper()]


_CLIENT_KEYS: Mapping[str, tuple[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "cache_mib": ("cache_kib", kib),
        "give_back_mib": ("give_back_kib", kib),
        "give_back_after_ms": ("give_back_after_ns", _ms),
        "rate_mib_s": ("rate_kib_s", _kib_s),
        "step_mib": ("step_kib", kib),
        "pause_ms": ("pause_ns", _ms),
        "every_ms": ("every_ns", _ms),
        "read_bytes": ("read_bytes", int),
        "text_mib": ("text_kib", kib),
        "stall_ms": ("stall_us", _us),
        "window_ms": ("window_us", _us),
        "level": ("level", _level),
        "program": ("program", lambda _: 1),  # `concrete` counts the programs of a scenario
    }
)
"""For each key that only some kinds of clients have: its field of Clients, and the conversion."""

_KEYS = {field: key for key, (field, _) in _CLIENT_KEYS.items()}
_HABITS = {str(habit.name).lower(): habit for habit in Habit}


def _key_of(field: str) -> str:
    return _KEYS.get(field, field)


_KINDS = tuple(kind for kind in ClientKind if kind not in OWN_KINDS)
_MOST_ARGS = 4_000  # bytes that the guest program reads, with the name of the program

Argument = Annotated[str, Field(max_length=1_000, pattern=r"^[^\x00]*$")]


Run = tuple[str, tuple[str, ...], str, int]
"""A program as a campaign names it, its arguments, its wakeup_line, and its expect_status."""


class ClientsTable(Table):
    """Clients that watch /dev/mem_notify or one of its successors; sizes are per client."""

    kind: Annotated[str, one_of(_KINDS)] | None = _may(
        "What each process does; campaigns/README.md describes every kind."
    )
    program: Annotated[str, Field(min_length=1, max_length=1_000)] | None = _may(
        "Instead of a kind: a C file or a static binary, relative to the campaign, that each runs."
    )
    args: Annotated[list[Argument], Field(max_length=64)] | None = _may(
        "Arguments of that program."
    )
    wakeup_line: (
        Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00\n]*$")] | None
    ) = _may("The beginning of the lines that a binary prints when it was woken.")
    expect_status: Annotated[int, Field(ge=0, le=255)] | None = _may(
        "The exit status that the program is expected to end with, instead of 0."
    )
    count: Literal["matrix"] | Annotated[int, Field(ge=1, le=MAX_CLIENTS)] = Field(
        description='How many processes; "matrix": each value of the axis clients.'
    )
    spacing_ms: Millis = Field(
        default=1.0, description="Milliseconds between the starts of two of them."
    )
    cache_mib: Mib | None = _may("MiB that each fills before it waits, or up to which it fills.")
    give_back_mib: Mib | None = _may("MiB that it frees after each wakeup.")
    give_back_after_ms: Millis | None = _may("Milliseconds from a wakeup until it frees them.")
    rate_mib_s: Mib | None = _may("MiB per second that it fills.")
    step_mib: Mib | None = _may("Instead of a rate: MiB that it fills at once, before a pause.")
    pause_ms: SomeMillis | None = _may("Milliseconds that it sleeps after each such step.")
    every_ms: SomeMillis | None = _may("Milliseconds between two looks at the device (peek).")
    read_bytes: Annotated[int, Field(ge=1, le=MAX_READ)] | None = _may(
        "Bytes that it reads from the device after each wakeup."
    )
    text_mib: Mib | None = _may("MiB at the end of the disk that it touches after a wakeup.")
    open_first: bool | None = _may("Open the device before the cache is filled.")
    from_the_start: bool | None = _may("Free the ring from its first page on (circular).")
    meminfo: bool | None = _may("Read and log /proc/meminfo after memory was freed (circular).")
    leave: bool | None = _may("Exit when woken (allocate).")
    fasync: bool | None = _may("Also set FASYNC on the device (poll, exit).")
    stall_ms: Annotated[SomeMillis, Field(le=10_000)] | None = _may(
        "Milliseconds of stall within a window that wake it (psi)."
    )
    window_ms: Annotated[float, Field(ge=500, le=10_000, allow_inf_nan=False)] | None = _may(
        "Milliseconds of that window (psi)."
    )
    level: Annotated[str, one_of(Level)] | None = _may(
        "The level from which it is woken (pressure_level)."
    )

    model_config = exactly_one("kind", "program")

    @property
    def client_kind(self) -> ClientKind:
        if self.kind is not None:
            return ClientKind[self.kind.upper()]
        source = (self.program or "").endswith(SOURCE_SUFFIX)
        return ClientKind.OWN if source else ClientKind.LINES

    def _check_program(self) -> None:
        if self.program is None:
            for key in ("args", "wakeup_line", "expect_status"):
                if self._has(key):
                    raise ValueError(f"{key} has no effect without program")
            return
        given = [key for key in _CLIENT_KEYS if self._has(key) and key != "program"]
        if wrong := sorted([*given, *(key for key in _HABITS if self._has(key))]):
            raise ValueError(f"{' and '.join(wrong)}: not for a program of your own")
        size = sum(len(text.encode()) + 1 for text in self.args or ())
        if size > _MOST_ARGS:
            raise ValueError(f"args take {size} bytes, more than {_MOST_ARGS}")
        if self.wakeup_line is not None and self.client_kind is ClientKind.OWN:
            raise ValueError(
                "wakeup_line is for binaries: of a C file, the waits themselves are logged"
            )

    @model_validator(mode="after")
    def _allowed(self) -> Self:
        only_one(self, ("kind", "program"), "clients")
        self._check_program()
        clients = self.clients(1)
        given = [*map(_field_of, self._given()), *(key for key in _HABITS if self._has(key))]
        problem = detail_problem(clients.kind, given, _key_of)
        problem = problem or clients_problem(clients, _key_of)
        if problem:
            raise ValueError(problem)
        return self

    def clients(self, count: int) -> Clients:
        """Return the action, with this number of clients instead of the table's."""
        habits = Habit(0)
        for key, habit in _HABITS.items():
            habits |= habit if getattr(self, key) else Habit(0)
        return Clients(
            kind=self.client_kind,
            count=count,
            spacing_ns=_ms(self.spacing_ms),
            habits=habits,
            **dict(self._fields()),
        )

    @property
    def run(self) -> Run | None:
        """Return which program each client runs, and how."""
        if self.program is None:
            return None
        status = self.expect_status or 0
        return self.program, tuple(self.args or ()), self.wakeup_line or "", status

    def _has(self, key: str) -> bool:
        return getattr(self, key) is not None

    def _given(self) -> list[str]:
        return [key for key in _CLIENT_KEYS if self._has(key)]

    def _fields(self) -> Iterator[tuple[str, Any]]:
        for key in self._given():
            field, convert = _CLIENT_KEYS[key]
            yield field, convert(getattr(self, key))


def _field_of(key: str) -> str:
    return _CLIENT_KEYS[key][0]


class BalloonTable(Table):
    """A target: the memory left to the guest, RAM less balloon."""

    percent: Percent | None = _may("Percent of the RAM that are left.")
    mib: Mib | None = _may("MiB that are left.")
    settle_s: SomeSeconds = Field(
        default=DEFAULT_SETTLE_S,
        description="Seconds of guest time after which a target not reached is a finding.",
    )

    model_config = exactly_one("percent", "mib")

    @model_validator(mode="after")
    def _target(self) -> Self:
        only_one(self, ("percent", "mib"), "a balloon")
        return self


class HogTable(Table):
    """A process that fills anonymous memory at a rate, up to a ceiling, and holds it."""

    rate_mib_s: Mib = Field(description="MiB per second that it fills.")
    ceiling_mib: Mib | None = _may("MiB at which it stops.")
    ceiling_percent: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] | None = _may(
        "Percent of the RAM at which it stops; with swap, there is room for more than 100."
    )
    node: Annotated[int, Field(ge=0)] | None = _may(
        "The NUMA node, counted from 0, that all of its memory must come from."
    )

    model_config = exactly_one("ceiling_mib", "ceiling_percent")

    @model_validator(mode="after")
    def _ceiling(self) -> Self:
        only_one(self, ("ceiling_mib", "ceiling_percent"), "a hog")
        return self


class FilecacheTable(Table):
    """A process that reads a file through the page cache: the machine's disk, or a sparse file."""

    rate_mib_s: Mib = Field(description="MiB per second that it reads.")
    total_mib: Mib = Field(description="MiB that it reads before it starts again.")
    file: Literal["disk", "sparse"] = Field(
        default="disk",
        description="The machine's disk, or a sparse file without I/O (old kernels).",
    )
    touch_ms: Annotated[float, Field(ge=1, le=3_600_000, allow_inf_nan=False)] | None = _may(
        "Afterwards, map the file, and touch every page of it every so many milliseconds."
    )


_ACTIONS = (
    "clients",
    "balloon",
    "hog",
    "filecache",
    "console",
    "dd",
    "self_check",
    "group",
    "swappiness",
    "stop",
)


class ConsoleTable(Table):
    """What people watched memory with in 2008: a loop that runs sleep, date and vmstat."""

    every_s: SomeSeconds = Field(default=1.0, description="Seconds that it sleeps in each round.")


class DdTable(Table):
    """dd if=/dev/zero of=DISK: a buffer, written `count` times to the machine's disk."""

    block_mib: Mib = Field(description="MiB of the buffer.")
    count: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="How often it is written.")


class SelfCheckTable(Table):
    """Self-tests of the kernel."""

    memory_mib: Mib = Field(description="MiB that the test of swap fills; more than the RAM.")


class GroupTable(Table):
    """A control group for the hogs of later steps, with an optional limit on their memory."""

    version: Annotated[int, Field(ge=min(GROUP_VERSIONS), le=max(GROUP_VERSIONS))] = Field(
        description="The version of control groups: 1 or 2."
    )
    limit_mib: Mib | None = _may("MiB that the group may have; without it, no limit.")


class StepTable(Table):
    """One action at a time of the scenario."""

    at_s: Seconds = Field(description="Seconds from the scenario's start to the action.")
    clients: ClientsTable | None = _may("Start clients.")
    balloon: BalloonTable | None = _may("Set the memory that is left to the guest.")
    hog: HogTable | None = _may("Start a process that fills anonymous memory.")
    filecache: FilecacheTable | None = _may("Start a process that fills the page cache.")
    console: ConsoleTable | None = _may("Start the loop that a person would watch.")
    dd: DdTable | None = _may("Write to the machine's disk.")
    self_check: SelfCheckTable | None = _may("Test the kernel itself.")
    group: GroupTable | None = _may("Put the hogs of later steps into a control group.")
    swappiness: Annotated[int, Field(ge=0, le=MAX_SWAPPINESS)] | None = _may(
        "Set vm.swappiness, 0 to 100."
    )
    stop: Annotated[str, one_of(STOPPABLE)] | None = _may("Kill the processes of a kind.")

    model_config = exactly_one(*_ACTIONS)

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        only_one(self, _ACTIONS, "a step")
        return self


class ScenarioTable(Table):
    """What happens in a guest, and when; the guest program reads it from its mailbox."""

    start_s: Seconds = Field(
        default=10.0, description="Seconds on the guest's own clock at which it starts."
    )
    duration_s: SomeSeconds = Field(description="Seconds of guest time that it lasts.")
    sample_ms: Annotated[float, Field(ge=1, le=60_000, allow_inf_nan=False)] = Field(
        default=100.0, description="Milliseconds between samples of meminfo, vmstat and zoneinfo."
    )
    log_records: Annotated[int, Field(ge=64, le=4_194_304)] | None = _may(
        "Records of 64 bytes for which the log has room; default: 262144, or 64 for each client."
    )
    step: Annotated[list[StepTable], Field(min_length=1)] = Field(
        description="What happens, in the order of time."
    )
