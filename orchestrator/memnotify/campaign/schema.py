"""The tables of a campaign file: names, types and ranges; campaigns/README.md explains them.

Errors that involve more than one table (a balloon above the RAM of one cell, a step after the end)
are found by `memnotify.campaign.load`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from memnotify.axes import POINT
from memnotify.campaign.figures import read_comparison
from memnotify.model import Arch
from memnotify.scenario import STOPPABLE, ClientKind, Clients, Habit, Level
from memnotify.scenario_rules import (
    GROUP_VERSIONS,
    MAX_PROCESSES,
    MAX_READ,
    MAX_SWAPPINESS,
    clients_problem,
    detail_problem,
)
from memnotify.series.own import SERIES_WORD, SERIES_WORDS
from memnotify.text import shortened
from memnotify.toml import Table, one_of, spelled
from memnotify.units import NS_PER_MS, NS_PER_S

MAX_CLIENTS = MAX_PROCESSES
"""Per cell. Clients are processes: a guest of 64 MiB has room for about 2,000."""

MAX_CELLS = 100_000
"""Per campaign: more is a mistake, and planning them takes minutes."""

DEFAULT_SETTLE_S = 5.0
_LOG_RECORDS, _LOG_RECORDS_EACH = 262_144, 64

Name = Annotated[
    str,
    spelled(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "a name: at most 64 letters, digits, dots, _ and -, starting with a letter or digit",
    ),
]


_SeriesName = Annotated[str, spelled(SERIES_WORD, SERIES_WORDS)]


def _least(least: float, words: str) -> AfterValidator:
    """Return a validator of numbers that are 0, or do not round to 0 in a guest."""

    def check(value: float) -> float:
        if 0 < value < least:
            raise ValueError(f"{value:g} is less than {words}")
        return value

    return AfterValidator(check)


_MS, _US = _least(0.001, "a millisecond, 0.001"), _least(0.001, "a microsecond, 0.001")
_PAGE = _least(1 / 256, "a page of 4 KiB, 0.00390625")

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), _MS]
SomeSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False), _MS]
Mib = Annotated[float, Field(gt=0, le=1_048_576, allow_inf_nan=False), _PAGE]
Millis = Annotated[float, Field(ge=0, le=60_000, allow_inf_nan=False), _US]
SomeMillis = Annotated[float, Field(gt=0, le=60_000, allow_inf_nan=False), _US]
Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
# TOML has no enumerations, so a string is accepted here although the tables are strict.
ArchName = Annotated[Arch, Field(strict=False)]


def default_log_records(clients: int) -> int:
    """Return how many records a log has room for if the scenario does not set that."""
    return max(_LOG_RECORDS, clients * _LOG_RECORDS_EACH)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _different(values: list[Any]) -> list[Any]:
    twice = sorted(str(value) for value, times in Counter(values).items() if times > 1)
    if twice:
        raise ValueError(
            f"{shortened(', '.join(twice))} is listed twice, so cells would be identical"
        )
    return values


T = TypeVar("T")
# A single value may be written without brackets.
Values = Annotated[
    list[T], Field(min_length=1), BeforeValidator(_listed), AfterValidator(_different)
]


def _one_of(table: Table, names: tuple[str, ...], what: str) -> str:
    given = [name for name in names if getattr(table, name) is not None]
    if len(given) != 1:
        has = f"has {' and '.join(given)}" if given else "has none"
        raise ValueError(f"{what} needs exactly one of {', '.join(names)}; this one {has}")
    return given[0]


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
    }
)
"""For each key that only some kinds of clients have: its field of Clients, and the conversion."""

_KEYS = {field: key for key, (field, _) in _CLIENT_KEYS.items()}
_HABITS = {str(habit.name).lower(): habit for habit in Habit}


def _key_of(field: str) -> str:
    return _KEYS.get(field, field)


class ClientsTable(Table):
    """Clients that watch /dev/mem_notify or one of its successors; sizes are per client."""

    kind: Annotated[str, one_of(ClientKind)]
    count: Literal["matrix"] | Annotated[int, Field(ge=1, le=MAX_CLIENTS)]
    cache_mib: Mib | None = None
    give_back_mib: Mib | None = None
    rate_mib_s: Mib | None = None
    give_back_after_ms: Millis | None = None
    stall_ms: Annotated[SomeMillis, Field(le=10_000)] | None = None
    window_ms: Annotated[float, Field(ge=500, le=10_000, allow_inf_nan=False)] | None = None
    level: Annotated[str, one_of(Level)] | None = None
    # Instead of a rate: allocate step_mib at once, then sleep for pause_ms, and repeat.
    step_mib: Mib | None = None
    pause_ms: SomeMillis | None = None
    open_first: bool | None = None
    read_bytes: Annotated[int, Field(ge=1, le=MAX_READ)] | None = None
    from_the_start: bool | None = None
    meminfo: bool | None = None
    leave: bool | None = None
    fasync: bool | None = None
    every_ms: SomeMillis | None = None
    text_mib: Mib | None = None
    spacing_ms: Millis = 1.0

    @model_validator(mode="after")
    def _allowed(self) -> Self:
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
            kind=ClientKind[self.kind.upper()],
            count=count,
            spacing_ns=_ms(self.spacing_ms),
            habits=habits,
            **dict(self._fields()),
        )

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

    percent: Percent | None = None
    mib: Mib | None = None
    settle_s: SomeSeconds = DEFAULT_SETTLE_S

    @model_validator(mode="after")
    def _target(self) -> Self:
        _one_of(self, ("percent", "mib"), "a balloon")
        return self


class HogTable(Table):
    """A process that fills anonymous memory at a rate, up to a ceiling, and holds it.

    `node`: the NUMA node, counted from 0, that all of its memory must come from.
    """

    rate_mib_s: Mib
    ceiling_mib: Mib | None = None
    # Of RAM; with swap there is room for more than 100 %.
    ceiling_percent: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] | None = None
    node: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _ceiling(self) -> Self:
        _one_of(self, ("ceiling_mib", "ceiling_percent"), "a hog")
        return self


class FilecacheTable(Table):
    """A process that reads a file through the page cache: the machine's disk, or a sparse file."""

    rate_mib_s: Mib
    total_mib: Mib
    file: Literal["disk", "sparse"] = "disk"
    # Afterwards it maps the file, and touches every page of it at this interval.
    touch_ms: Annotated[float, Field(ge=1, le=3_600_000, allow_inf_nan=False)] | None = None


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

    every_s: SomeSeconds = 1.0


class DdTable(Table):
    """dd if=/dev/zero of=DISK: a buffer, written `count` times to the machine's disk."""

    block_mib: Mib
    count: Annotated[int, Field(ge=1, le=1_000_000)]


class SelfCheckTable(Table):
    """Self-tests of the kernel. `memory_mib`: how much the swap test fills."""

    memory_mib: Mib


class GroupTable(Table):
    """A control group for the hogs of later steps, with an optional limit on their memory."""

    version: Annotated[int, Field(ge=min(GROUP_VERSIONS), le=max(GROUP_VERSIONS))]
    limit_mib: Mib | None = None


class StepTable(Table):
    """One action, `at_s` seconds after the scenario's start."""

    at_s: Seconds
    clients: ClientsTable | None = None
    balloon: BalloonTable | None = None
    hog: HogTable | None = None
    filecache: FilecacheTable | None = None
    console: ConsoleTable | None = None
    dd: DdTable | None = None
    self_check: SelfCheckTable | None = None
    group: GroupTable | None = None
    swappiness: Annotated[int, Field(ge=0, le=MAX_SWAPPINESS)] | None = None
    stop: Annotated[str, one_of(STOPPABLE)] | None = None

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        _one_of(self, _ACTIONS, "a step")
        return self


class ScenarioTable(Table):
    """What happens in a guest. `start_s` is the guest's own clock at the start."""

    start_s: Seconds = 10.0
    duration_s: SomeSeconds
    sample_ms: Annotated[float, Field(ge=1, le=60_000, allow_inf_nan=False)] = 100.0
    log_records: Annotated[int, Field(ge=64, le=4_194_304)] | None = None
    step: Annotated[list[StepTable], Field(min_length=1)]


class KernelTable(Table):
    """What the kernels of a campaign have in common.

    If there are several bases, the first one on which all kernels of the campaign can be built is
    used.
    """

    base: Values[Name]
    arch: Values[ArchName] = Field(default_factory=lambda: [Arch.X86_64])


class MatrixTable(Table):
    """The axes: every combination is a cell.

    `clients` is for scenarios with count = "matrix" in a client step. Repeats differ in the seed:
    `seed`, `seed` + 1, ... `memnotify.campaign.seeds` states what it changes; 0 changes nothing.
    `series` may also name folders, ranges of git and mails (series/own.py).
    """

    series: Values[_SeriesName]
    memory_mib: Values[Annotated[int, Field(ge=16, le=1_048_576)]]
    clients: Values[Annotated[int, Field(ge=1, le=MAX_CLIENTS)]] | None = None
    machine: Values[Name]
    scenario: Values[Name]
    repeat: Annotated[int, Field(ge=1, le=1_000)] = 1
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


def _comparison(text: str) -> str:
    read_comparison(text)
    return text


class ExpectTable(Table):
    """An expectation of the cells that the axes here select; an omitted axis selects all.

    `clients` is the number in a guest. `says` is for people; `what` is an expression
    (check/expression.py). It must hold in all cells, or with `some` in at least one.
    """

    says: str
    what: Values[Annotated[str, AfterValidator(_comparison)]]
    some: bool = False
    series: Values[_SeriesName] | None = None
    arch: Values[ArchName] | None = None
    machine: Values[Name] | None = None
    memory_mib: Values[int] | None = None
    scenario: Values[Name] | None = None
    clients: Values[int] | None = None


EXPECT_AXES = tuple(axis for axis in POINT if axis in ExpectTable.model_fields)
"""The axes by which expectations select cells."""


class CampaignTable(Table):
    """A whole campaign file."""

    name: Name
    kernel: KernelTable
    matrix: MatrixTable
    scenario: dict[Name, ScenarioTable] = Field(default_factory=dict)
    expect: list[ExpectTable] = Field(default_factory=list)
