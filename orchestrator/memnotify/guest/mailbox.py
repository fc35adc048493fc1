"""The wire format of a scenario: what the host writes to the mailbox of a booted guest.

It mirrors `struct mn_scenario` and `struct mn_step` of images/guest/record.h; a test compares every
offset. There, and in the JSON of plans and manifests, an action is a row of numbers: those files
were written so before actions had types. Only this module knows the order of the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import reduce
from operator import or_
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from memnotify.records.layout import MAGIC, MAILBOX_SIZE
from memnotify.scenario import (
    CLIENT_KINDS,
    Action,
    Balloon,
    ClientKind,
    Clients,
    Console,
    Dd,
    File,
    FileCache,
    Group,
    Habit,
    Hog,
    Level,
    Op,
    Scenario,
    SelfCheck,
    Step,
    Stop,
    Swappiness,
)
from memnotify.scenario_rules import check_scenario, refusal

E = TypeVar("E", bound=IntEnum)

ARGS = 14
"""How many numbers a step can hold."""

STEP = np.dtype([("at_ns", "<u8"), ("op", "<u4"), ("place", "<u4"), ("arg", "<u8", ARGS)])
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
MAX_STEPS = (MAILBOX_SIZE - SCENARIO_HEADER.itemsize) // STEP.itemsize


class ClientArg(IntEnum):
    """The position of each number of a CLIENTS step: the values of `enum mn_client_arg`."""

    KIND = 0
    COUNT = 1
    CACHE = 2
    GIVE = 3
    SPACING = 4
    RATE = 5
    STEP = 6
    PAUSE = 7
    DELAY = 8
    HABITS = 9
    READ = 10
    TEXT = 11
    PROGRAM = 12


_CLIENT_FIELDS: Mapping[ClientArg, tuple[str, ...]] = {
    ClientArg.KIND: ("kind",),
    ClientArg.COUNT: ("count",),
    ClientArg.CACHE: ("cache_kib", "stall_us", "level"),
    ClientArg.GIVE: ("give_back_kib", "window_us"),
    ClientArg.SPACING: ("spacing_ns",),
    ClientArg.RATE: ("rate_kib_s",),
    ClientArg.STEP: ("step_kib",),
    ClientArg.PAUSE: ("pause_ns", "every_ns"),
    ClientArg.DELAY: ("give_back_after_ns",),
    ClientArg.HABITS: ("habits",),
    ClientArg.READ: ("read_bytes",),
    ClientArg.TEXT: ("text_kib",),
    ClientArg.PROGRAM: ("program",),
}
"""The fields of Clients by number. Fields that no kind of client combines may share a number."""

_ALL_HABITS = int(reduce(or_, Habit))
_CLIENT_NUMBERS = range(ClientArg.RATE, len(ClientArg) + 1)
_NUMBERS: Mapping[Op, Sequence[int]] = {
    Op.CLIENTS: _CLIENT_NUMBERS,
    Op.BALLOON: (2,),
    Op.HOG: (2, 3),
    Op.FILECACHE: (2, 4),
    Op.STOP: (1,),
    Op.SELF_CHECK: (1,),
    Op.GROUP: (2,),
    Op.CONSOLE: (1,),
    Op.DD: (2,),
    Op.SWAPPINESS: (1,),
}
"""How many numbers an action may have; missing ones are 0."""


def _numbers(action: Action) -> tuple[int, ...]:
    match action:
        case Clients():
            return _client_numbers(action)
        case Balloon():
            return action.target_kib, action.settle_ns
        case Hog():
            node = () if action.node is None else (action.node + 1,)
            return action.rate_kib_s, action.ceiling_kib, *node
        case FileCache(file=File.DISK, touch_ns=0):
            return action.rate_kib_s, action.total_kib
        case FileCache():
            return action.rate_kib_s, action.total_kib, int(action.file), action.touch_ns
        case Stop():
            return (int(action.what),)
        case SelfCheck():
            return (action.memory_kib,)
        case Group():
            return action.version, action.limit_kib
        case Console():
            return (action.every_ns,)
        case Dd():
            return action.block_kib, action.count
        case Swappiness():
            return (action.value,)


def _client_numbers(clients: Clients) -> tuple[int, ...]:
    numbers = [
        int(next((value for field in fields if (value := getattr(clients, field))), 0))
        for fields in _CLIENT_FIELDS.values()
    ]
    while len(numbers) > _CLIENT_NUMBERS[0] and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _action(op: int, numbers: Sequence[int]) -> Action:
    """Return the action that a row of numbers describes. Raises ValueError if there is none."""
    counts = _NUMBERS[_named(Op, op, "operation")]
    if len(numbers) not in counts:
        few = " or ".join(map(str, counts))
        expected = few if len(counts) < 3 else f"{counts[0]} to {counts[-1]}"
        raise ValueError(f"{len(numbers)} arguments, {expected} expected")
    a, b, c, d = (*numbers, 0, 0, 0)[:4]
    match op:
        case Op.CLIENTS:
            return _clients(numbers)
        case Op.BALLOON:
            return Balloon(target_kib=a, settle_ns=b)
        case Op.HOG:
            return Hog(rate_kib_s=a, ceiling_kib=b, node=c - 1 if c else None)
        case Op.FILECACHE:
            file = _named(File, c, "kind of file")
            return FileCache(rate_kib_s=a, total_kib=b, file=file, touch_ns=d)
        case Op.STOP:
            return Stop(what=_named(Op, a, "operation that starts processes"))
        case Op.SELF_CHECK:
            return SelfCheck(memory_kib=a)
        case Op.GROUP:
            return Group(version=a, limit_kib=b)
        case Op.CONSOLE:
            return Console(every_ns=a)
        case Op.DD:
            return Dd(block_kib=a, count=b)
        case _:
            return Swappiness(value=a)


def _clients(numbers: Sequence[int]) -> Clients:
    kind = _named(ClientKind, numbers[ClientArg.KIND], "kind of client")
    fields: dict[str, Any] = {}
    for (arg, names), number in zip(_CLIENT_FIELDS.items(), numbers, strict=False):
        known = [name for name in names if name in CLIENT_KINDS[kind].fields]
        if number or arg == ClientArg.COUNT:
            fields[(known or names)[0]] = number
    fields["kind"] = kind
    fields["habits"] = habits = Habit(fields.get("habits", 0))
    if strange := int(habits) & ~_ALL_HABITS:
        raise ValueError(f"{strange} is not a known habit")
    if "level" in fields:
        fields["level"] = _named(Level, fields["level"], "level of pressure")
    return Clients(**fields)


def _named(kind: type[E], value: int, what: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{value} is not a valid {what}") from None


def encode_scenario(scenario: Scenario) -> bytes:
    """Return the bytes for MAILBOX_OFFSET: `struct mn_scenario` and its steps.

    Raises InputError if the agent would not accept the scenario.
    """
    check_scenario(scenario)
    if len(scenario.steps) > MAX_STEPS:
        text = f"{len(scenario.steps)} steps, but the mailbox holds {MAX_STEPS}"
        raise refusal(scenario, text)
    header = np.zeros(1, SCENARIO_HEADER)
    header["magic"] = MAGIC
    header["start_ns"] = scenario.start_ns
    header["duration_ns"] = scenario.duration_ns
    header["sample_ns"] = scenario.sample_ns
    header["nr_steps"] = len(scenario.steps)
    steps = np.zeros(len(scenario.steps), STEP)
    for index, step in enumerate(scenario.steps):
        numbers = _numbers(step.action)
        if not all(0 <= number < 2**64 for number in (step.at_ns, *numbers)):
            raise refusal(scenario, "a number does not fit in 64 bits", index)
        row = steps[index]
        row["at_ns"] = step.at_ns
        row["op"] = step.op
        row["place"] = step.place
        row["arg"][: len(numbers)] = numbers
    return header.tobytes() + steps.tobytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class _StepRow:
    at_ns: int
    op: int
    args: tuple[int, ...] = ()
    place: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScenarioRow:
    name: str
    start_ns: int
    duration_ns: int
    sample_ns: int
    steps: tuple[_StepRow, ...]


_STEP_ROW = TypeAdapter(_StepRow)
_SCENARIO_ROW = TypeAdapter(_ScenarioRow)


def scenario_to_json(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario as it appears in the JSON of a plan and a manifest.

    A cell's id is a digest of this, so it must never change.
    """
    return {
        "name": scenario.name,
        "start_ns": scenario.start_ns,
        "duration_ns": scenario.duration_ns,
        "sample_ns": scenario.sample_ns,
        "steps": [step_to_json(step) for step in scenario.steps],
    }


def scenario_from_json(value: Any) -> Scenario:
    """Return the scenario that `scenario_to_json` wrote. Raises ValueError."""
    row = _SCENARIO_ROW.validate_python(value)
    return Scenario(
        name=row.name,
        start_ns=row.start_ns,
        duration_ns=row.duration_ns,
        sample_ns=row.sample_ns,
        steps=tuple(map(_step, row.steps)),
    )


def step_to_json(step: Step) -> dict[str, Any]:
    """Return one step of `scenario_to_json`."""
    numbers = list(_numbers(step.action))
    return {"at_ns": step.at_ns, "op": int(step.op), "args": numbers, "place": step.place}


def step_from_json(value: Any) -> Step:
    """Return the step that `step_to_json` wrote. Raises ValueError."""
    return _step(_STEP_ROW.validate_python(value))


def _step(row: _StepRow) -> Step:
    return Step(at_ns=row.at_ns, action=_action(row.op, row.args), place=row.place)
