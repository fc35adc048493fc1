"""The rules for the steps of a scenario, each stated once.

Messages use the names of keys for a campaign file, and the names of fields for a scenario that a
program has built. The guest program itself checks the most important of these rules
(images/guest/scenario_check.c). The limits here are those of the guest program; a test compares
them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence

from memnotify.errors import InputError
from memnotify.scenario import (
    CLIENT_KINDS,
    STOPPABLE,
    Action,
    Balloon,
    ClientKind,
    Clients,
    Console,
    Dd,
    FileCache,
    Group,
    Habit,
    Hog,
    Scenario,
    SelfCheck,
    Step,
    Stop,
    Swappiness,
)
from memnotify.units import NS_PER_S

MAX_PROCESSES = 16_000
"""Processes that one scenario may start; the size of the agent's table (images/guest/agent.h)."""

MAX_NODES = 63
"""NUMA nodes that a process may be bound to."""

MAX_READ = 64
"""Bytes that a client reads from the device at a time (images/guest/agent.h)."""

MAX_SWAPPINESS = 100
"""The limit before Linux 5.8, used for all bases."""

GROUP_VERSIONS = (1, 2)

Name = Callable[[str], str]
"""Returns the name of an action's field as messages show it."""

_COMMON = ("kind", "count", "spacing_ns", "habits")
_PAGES = ("cache_kib", "give_back_kib", "step_kib", "text_kib")
_SIZES = (*_PAGES, "rate_kib_s")
PAGE_KIB = 4
_TOO_LARGE = 2**32  # KiB
_RATE_AND_SIZE = "rate and size must be above 0 and below 4 TiB"


def habit_names(habits: Habit) -> list[str]:
    """Return the keys that a campaign uses for these habits."""
    return [habit.name.lower() for habit in Habit if habit in habits and habit.name]


def detail_problem(kind: ClientKind, given: Collection[str], name: Name = str) -> str | None:
    """Return what is wrong with the set of fields and habits of a kind of client, or None.

    `given` has the fields of Clients, except those that all clients have, and names of habits.
    """
    traits, quoted = CLIENT_KINDS[kind], f'kind = "{kind.name.lower()}"'
    known = {*traits.fields, *habit_names(traits.habits)}
    if wrong := sorted(name(field) for field in given if field not in known):
        return f"{' and '.join(wrong)}: not for {quoted}"
    if not set(given).issuperset(traits.needs):
        return f"{quoted} needs {' and '.join(map(name, traits.needs))}"
    return None


def clients_problem(clients: Clients, name: Name = str) -> str | None:
    """Return what is wrong with the values of clients with the right fields, or None."""
    if not 1 <= clients.count <= MAX_PROCESSES:
        return f"{clients.count} clients; must be 1 to {MAX_PROCESSES}"
    if clients.read_bytes > MAX_READ:
        return f"reads of {clients.read_bytes} bytes; must be at most {MAX_READ}"
    for field in _SIZES:
        size = getattr(clients, field)
        if size >= _TOO_LARGE:
            return f"{name(field)} is {size} KiB; {_RATE_AND_SIZE}"
        if field in _PAGES and size % PAGE_KIB:
            return f"{name(field)} is {size} KiB, not a multiple of the 4 KiB page size"
    if Habit.OPEN_FIRST in clients.habits and not clients.cache_kib:
        return f"open_first has no effect without {name('cache_kib')}"
    if clients.give_back_kib > clients.cache_kib:
        sizes = f"{clients.give_back_kib} KiB of {clients.cache_kib} KiB would be given back"
        return f"{name('give_back_kib')} is more than {name('cache_kib')}: {sizes}"
    if clients.stall_us > clients.window_us:
        return f"{name('stall_us')} is more than {name('window_us')}"
    return _pace_problem(clients, name) if CLIENT_KINDS[clients.kind].allocates else None


def _pace_problem(clients: Clients, name: Name) -> str | None:
    rate, step, pause = map(name, ("rate_kib_s", "step_kib", "pause_ns"))
    if bool(clients.rate_kib_s) == bool(clients.step_kib):
        has = f"has {rate} and {step}" if clients.step_kib else "has none"
        which = f"needs exactly one of {rate}, {step}; this one {has}"
        return f'clients that allocate have a rate or steps: kind = "{_word(clients)}" {which}'
    if clients.step_kib and not clients.pause_ns:
        return f"{step} needs {pause}: there is a pause after each step"
    if clients.pause_ns and not clients.step_kib:
        return f"{pause} can only be used with {step}, not with {rate}"
    return None


def _word(clients: Clients) -> str:
    return clients.kind.name.lower()


def _given(clients: Clients) -> set[str]:
    fields = (field.name for field in dataclasses.fields(clients))
    given = {field for field in fields if field not in _COMMON and getattr(clients, field)}
    return given | set(habit_names(clients.habits))


def _sizes_problem(*sizes: int) -> str | None:
    return None if all(0 < size < _TOO_LARGE for size in sizes) else _RATE_AND_SIZE


def action_problem(action: Action) -> str | None:
    """Return what is wrong with an action, or None."""
    match action:
        case Clients():
            return detail_problem(action.kind, _given(action)) or clients_problem(action)
        case Balloon(target_kib=target):
            whole = target > 0 and target % PAGE_KIB == 0
            return None if whole else f"{target} KiB is not a whole number of pages"
        case Hog(node=node) if node is not None and not 0 <= node < MAX_NODES:
            return f"there is no node {node}; a guest can have at most {MAX_NODES}"
        case Hog():
            return _sizes_problem(action.rate_kib_s, action.ceiling_kib)
        case FileCache():
            return _sizes_problem(action.rate_kib_s, action.total_kib)
        case Dd():
            return _sizes_problem(action.block_kib, action.count)
        case SelfCheck():
            low = not 0 < action.memory_kib < _TOO_LARGE
            return "memory must be above 0 and below 4 TiB" if low else None
        case Console():
            return None if action.every_ns > 0 else "it must sleep between rounds"
        case Swappiness(value=value):
            allowed = f"must be 0 to {MAX_SWAPPINESS}"
            return (
                None if value <= MAX_SWAPPINESS else f"{value} is not a valid swappiness; {allowed}"
            )
        case Group(version=version):
            known = version in GROUP_VERSIONS
            return None if known else f"there is no version {version} of control groups"
        case Stop(what=what):
            return (
                None if what in STOPPABLE else f"{what} is not an operation that starts processes"
            )


def step_problem(step: Step) -> str | None:
    """Return what is wrong with a step by itself, or None."""
    if not 0 <= step.place <= MAX_PROCESSES:
        return f"{step.place} is not the number of a process"
    return action_problem(step.action)


def time_problem(times_ns: Sequence[int], duration_ns: int) -> tuple[int, str] | None:
    """Return the number of the first step with a wrong time, and why; None if all are right.

    A step at the very end is wrong: it would begin when the guest is being stopped.
    """
    before = 0
    for number, at in enumerate(times_ns):
        seconds = f"{at / NS_PER_S:g}"
        if at < before:
            why = f"comes after {before / NS_PER_S:g} in the file; sort the steps by time"
            return number, f"{seconds} {why}"
        if at >= duration_ns:
            end = f"duration_s = {duration_ns / NS_PER_S:g}"
            return (
                number,
                f"{seconds} is not before the end, {end}; every step must begin before the end",
            )
        before = at
    return None


def _whole_problem(scenario: Scenario) -> str | None:
    if wrong := time_problem([step.at_ns for step in scenario.steps], scenario.duration_ns):
        number, why = wrong
        return f"step {number}: {why}"
    if not 0 < scenario.sample_ns < 2**63 or not 0 < scenario.duration_ns < 2**63:
        return "duration and sample interval must be above 0"
    if not 0 <= scenario.start_ns < 2**63:
        return "the start must not be below 0"
    if scenario.processes > MAX_PROCESSES:
        return f"{scenario.processes} processes; the agent can start at most {MAX_PROCESSES}"
    return None


def check_scenario(scenario: Scenario) -> None:
    """Raise InputError for a scenario that the guest program does not accept."""
    for number, step in enumerate(scenario.steps):
        if problem := step_problem(step):
            raise refusal(scenario, problem, number)
    if problem := _whole_problem(scenario):
        raise refusal(scenario, problem)


def refusal(scenario: Scenario, problem: str, number: int | None = None) -> InputError:
    """Return the error that names a scenario and one of its steps."""
    where = f"scenario {scenario.name}: "
    if number is not None:
        where += f"step {number} ({scenario.steps[number].op.name.lower()}): "
    return InputError(where + problem)
