"""The wire format of a scenario: what the host puts into the mailbox of a guest that is booted.

The agent checks the same again (images/guest/scenario.c), because a wrong scenario is a mistake of
the host's; here a mistake has a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from memnotify.errors import InputError
from memnotify.model import ClientArg, ClientKind, File, Habit, Level, Op, Scenario, Step
from memnotify.records.layout import (
    MAGIC,
    MAILBOX_SIZE,
    MAX_NODES,
    MAX_PROCESSES,
    MAX_READ,
    SCENARIO_HEADER,
    STEP,
)

_FILLERS = (ClientKind.ALLOCATE, ClientKind.CIRCULAR)
_HABITS = {
    ClientKind.POLL: Habit.FASYNC,
    ClientKind.RELEASE: Habit.OPEN_FIRST,
    ClientKind.EXIT: Habit.OPEN_FIRST | Habit.FASYNC,
    ClientKind.ALLOCATE: Habit.LEAVE,
    ClientKind.CIRCULAR: Habit.FROM_THE_START | Habit.MEMINFO,
}


def _check_clients(args: tuple[int, ...]) -> str | None:
    args += (0,) * (len(ClientArg) - len(args))
    kind, count, cache, given = args[: ClientArg.SPACING]
    if kind not in list(ClientKind):
        return f"{kind} is no kind of client"
    if not 1 <= count <= MAX_PROCESSES:
        return f"{count} clients; 1 to {MAX_PROCESSES} can be started"
    if kind == ClientKind.RELEASE and not (
        cache % 4 == 0 and given % 4 == 0 and 0 < given <= cache
    ):
        return f"a cache of {cache} KiB of which {given} are given back; both are whole 4 KiB pages"
    if args[ClientArg.READ] > MAX_READ:
        return f"{args[ClientArg.READ]} bytes to read at a time; at most {MAX_READ}"
    if strange := args[ClientArg.HABITS] & ~_HABITS.get(ClientKind(kind), Habit(0)):
        return f"clients of that kind have no habit {strange}"
    if kind in _FILLERS:
        return _check_filling(args)
    if (kind == ClientKind.PEEK) != bool(args[ClientArg.PAUSE]):
        return "clients that only look sleep between two looks, and no others do"
    if args[ClientArg.RATE] or args[ClientArg.STEP]:
        return "a rate is what clients that allocate have, and only those"
    return _check_watch(kind, cache, given)


def _check_filling(args: tuple[int, ...]) -> str | None:
    rate, step, pause = args[ClientArg.RATE : ClientArg.PAUSE + 1]
    if bool(rate) == bool(step):
        return "clients that allocate have a rate or steps"
    if bool(step) != bool(pause) or step % 4:
        return "steps are whole 4 KiB pages, and a pause comes after each"
    sizes = (rate or step, args[ClientArg.CACHE])
    if not all(0 < size < 2**32 for size in sizes):
        return "rate and size must be above 0 and below 4 TiB"
    return None


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


def _check_time(args: tuple[int, ...]) -> str | None:
    return None if args[0] > 0 else "it has to sleep between rounds"


def _check_swappiness(args: tuple[int, ...]) -> str | None:
    return None if args[0] <= 100 else f"{args[0]} is no swappiness; it is 0 to 100"


def _check_group(args: tuple[int, ...]) -> str | None:
    return None if args[0] in (1, 2) else f"there are no control groups of version {args[0]}"


_STARTED = (Op.CLIENTS, Op.HOG, Op.FILECACHE, Op.CONSOLE, Op.DD)
"""Steps that start processes, which a later step can stop."""


def _check_stop(args: tuple[int, ...]) -> str | None:
    ok = args[0] in _STARTED
    return None if ok else f"{args[0]} is no operation that has processes"


_CHECKS: Mapping[Op, tuple[Sequence[int], Callable[[tuple[int, ...]], str | None]]] = {
    Op.CLIENTS: (range(5, len(ClientArg) + 1), _check_clients),
    Op.BALLOON: ((2,), _check_balloon),
    Op.HOG: ((2, 3), _check_hog),
    Op.FILECACHE: ((2, 4), _check_filecache),
    Op.STOP: ((1,), _check_stop),
    Op.SELF_CHECK: ((1,), _check_memory),
    Op.GROUP: ((2,), _check_group),
    Op.CONSOLE: ((1,), _check_time),
    Op.DD: ((2,), _check_rate),
    Op.SWAPPINESS: ((1,), _check_swappiness),
}
"""How many arguments a step may have, and what else has to be true of them."""


def _check_step(step: Step) -> str | None:
    counts, check = _CHECKS[step.op]
    if len(step.args) not in counts:
        expected = " or ".join(map(str, counts if len(counts) < 3 else ()))
        expected = expected or f"{counts[0]} to {counts[-1]}"
        return f"{len(step.args)} arguments, {expected} expected"
    if not all(0 <= arg < 2**64 for arg in (step.at_ns, *step.args)):
        return "a number does not fit into 64 bits"
    if not 0 <= step.place <= MAX_PROCESSES:
        return f"{step.place} is no place of a process"
    return check(step.args)


def processes_of(scenario: Scenario) -> int:
    """Return how many processes a scenario starts."""
    return sum(
        step.args[1] if step.op is Op.CLIENTS else step.op in (*_STARTED, Op.SELF_CHECK)
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
