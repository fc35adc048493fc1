"""From a scenario's table to the scenario of one cell, with every parameter filled in."""

from __future__ import annotations

from memnotify.campaign.schema import (
    BalloonTable,
    ClientsTable,
    FilecacheTable,
    HogTable,
    ScenarioTable,
    StepTable,
)
from memnotify.model import ClientKind, File, Habit, Level, Op, Scenario, Step

NS = 1_000_000_000
MS = 1_000_000
US_PER_MS = 1_000
KIB = 1024


def client_count(scenario: ScenarioTable, clients: int | None) -> int:
    """Return how many clients a guest has in all; `clients` is the matrix's number."""
    counts = [step.clients.count for step in scenario.step if step.clients is not None]
    return sum((clients or 0) if count == "matrix" else count for count in counts)


def balloon_kib(table: BalloonTable, memory_mib: int) -> int:
    """Return a target, the memory left to the guest, in whole pages of 4 KiB."""
    return _kib(table.mib if table.mib is not None else memory_mib * (table.percent or 0) / 100)


def concrete(
    name: str, scenario: ScenarioTable, *, memory_mib: int, clients: int | None
) -> Scenario:
    """Return the scenario of one cell."""
    return Scenario(
        name=name,
        start_ns=round(scenario.start_s * NS),
        duration_ns=round(scenario.duration_s * NS),
        sample_ns=round(scenario.sample_ms * MS),
        steps=tuple(_step(step, memory_mib, clients) for step in scenario.step),
    )


def _step(step: StepTable, memory_mib: int, clients: int | None) -> Step:
    op, args = _action(step, memory_mib, clients or 0)
    return Step(at_ns=round(step.at_s * NS), op=op, args=args)


def _action(step: StepTable, memory_mib: int, clients: int) -> tuple[Op, tuple[int, ...]]:
    if step.clients is not None:
        group = step.clients
        return Op.CLIENTS, (
            ClientKind[group.kind.upper()],
            clients if group.count == "matrix" else group.count,
            *_details(group),
            round(group.spacing_ms * MS),
            *_habits(group),
        )
    if step.balloon is not None:
        return Op.BALLOON, (
            balloon_kib(step.balloon, memory_mib),
            round(step.balloon.settle_s * NS),
        )
    if step.hog is not None:
        return Op.HOG, _hog(step.hog, memory_mib)
    if step.filecache is not None:
        return Op.FILECACHE, _filecache(step.filecache)
    if step.console is not None:
        return Op.CONSOLE, (round(step.console.every_s * NS),)
    if step.dd is not None:
        return Op.DD, (_kib(step.dd.block_mib), step.dd.count)
    if step.self_check is not None:
        return Op.SELF_CHECK, (_kib(step.self_check.memory_mib),)
    if step.swappiness is not None:
        return Op.SWAPPINESS, (step.swappiness,)
    if step.group is not None:
        return Op.GROUP, (step.group.version, _kib(step.group.limit_mib))
    assert step.stop is not None  # the schema lets no other step through
    return Op.STOP, (Op[step.stop.upper()],)


def _details(group: ClientsTable) -> tuple[int, int]:
    if group.kind == "psi":
        times = (group.stall_ms or 0, group.window_ms or 0)
        return round(times[0] * US_PER_MS), round(times[1] * US_PER_MS)
    if group.level is not None:
        return Level[group.level.upper()], 0
    return _kib(group.cache_mib), _kib(group.give_back_mib)


def _filecache(table: FilecacheTable) -> tuple[int, ...]:
    args = (_kib(table.rate_mib_s), _kib(table.total_mib))
    if table.file == "disk" and table.touch_ms is None:
        return args
    return *args, File[table.file.upper()], round((table.touch_ms or 0) * MS)


def _habits(group: ClientsTable) -> tuple[int, ...]:
    """Return the numbers from ClientArg.RATE on, without zeros at the end."""
    habits = Habit(0)
    for name in ("open_first", "from_the_start", "meminfo", "leave", "fasync"):
        habits |= Habit[name.upper()] if getattr(group, name) else Habit(0)
    args = [
        round((group.rate_mib_s or 0) * KIB),
        _kib(group.step_mib),
        round((group.pause_ms or group.every_ms or 0) * MS),
        round((group.give_back_after_ms or 0) * MS),
        int(habits),
        group.read_bytes or 0,
        _kib(group.text_mib),
    ]
    while args and not args[-1]:
        args.pop()
    return tuple(args)


def _hog(hog: HogTable, memory_mib: int) -> tuple[int, ...]:
    args = (_kib(hog.rate_mib_s), ceiling_kib(hog, memory_mib))
    return args if hog.node is None else (*args, hog.node + 1)


def ceiling_kib(hog: HogTable, memory_mib: int) -> int:
    """Return how much a hog fills at most, in whole pages of 4 KiB."""
    if hog.ceiling_mib is not None:
        return _kib(hog.ceiling_mib)
    return _kib(memory_mib * (hog.ceiling_percent or 0) / 100)


def _kib(mib: float | None) -> int:
    # Whole pages, as the guest counts.
    return int((mib or 0) * KIB) // 4 * 4
