"""Turn a scenario's table into the scenario of one cell, with every parameter filled in."""

from __future__ import annotations

import dataclasses

from memnotify.campaign.scenario_schema import (
    BalloonTable,
    HogTable,
    Run,
    ScenarioTable,
    StepTable,
    kib,
    ns,
)
from memnotify.scenario import (
    Action,
    Balloon,
    Clients,
    Console,
    Dd,
    File,
    FileCache,
    Group,
    Hog,
    Op,
    Scenario,
    SelfCheck,
    Step,
    Stop,
    Swappiness,
)
from memnotify.units import NS_PER_MS


def client_count(scenario: ScenarioTable, clients: int | None) -> int:
    """Return the total number of clients in a guest; `clients` is the number from the matrix."""
    counts = [step.clients.count for step in scenario.step if step.clients is not None]
    return sum((clients or 0) if count == "matrix" else count for count in counts)


def runs_of(scenario: ScenarioTable) -> list[Run]:
    """Return the programs of the user's own that clients run; a step counts them from 1."""
    runs = [step.clients.run for step in scenario.step if step.clients is not None]
    return list(dict.fromkeys(run for run in runs if run is not None))


def balloon_kib(table: BalloonTable, memory_mib: int) -> int:
    """Return a balloon target, the memory left to the guest, in KiB (whole pages of 4 KiB)."""
    return kib(table.mib if table.mib is not None else memory_mib * (table.percent or 0) / 100)


def concrete(
    name: str, scenario: ScenarioTable, *, memory_mib: int, clients: int | None
) -> Scenario:
    """Return the scenario of one cell."""
    return Scenario(
        name=name,
        start_ns=ns(scenario.start_s),
        duration_ns=ns(scenario.duration_s),
        sample_ns=round(scenario.sample_ms * NS_PER_MS),
        steps=tuple(
            Step(at_ns=ns(step.at_s), action=_numbered(step, scenario, memory_mib, clients or 0))
            for step in scenario.step
        ),
    )


def _numbered(step: StepTable, scenario: ScenarioTable, memory_mib: int, clients: int) -> Action:
    action = _action(step, memory_mib, clients)
    run = None if step.clients is None else step.clients.run
    if run is None or not isinstance(action, Clients):
        return action
    return dataclasses.replace(action, program=1 + runs_of(scenario).index(run))


def _action(step: StepTable, memory_mib: int, clients: int) -> Action:
    if step.clients is not None:
        count = step.clients.count
        return step.clients.clients(clients if count == "matrix" else count)
    if step.balloon is not None:
        target = balloon_kib(step.balloon, memory_mib)
        return Balloon(target_kib=target, settle_ns=ns(step.balloon.settle_s))
    if step.hog is not None:
        return Hog(
            rate_kib_s=kib(step.hog.rate_mib_s),
            ceiling_kib=ceiling_kib(step.hog, memory_mib),
            node=step.hog.node,
        )
    if step.filecache is not None:
        return FileCache(
            rate_kib_s=kib(step.filecache.rate_mib_s),
            total_kib=kib(step.filecache.total_mib),
            file=File[step.filecache.file.upper()],
            touch_ns=round((step.filecache.touch_ms or 0) * NS_PER_MS),
        )
    if step.console is not None:
        return Console(every_ns=ns(step.console.every_s))
    if step.dd is not None:
        return Dd(block_kib=kib(step.dd.block_mib), count=step.dd.count)
    if step.self_check is not None:
        return SelfCheck(memory_kib=kib(step.self_check.memory_mib))
    if step.swappiness is not None:
        return Swappiness(value=step.swappiness)
    if step.group is not None:
        return Group(version=step.group.version, limit_kib=kib(step.group.limit_mib or 0))
    assert step.stop is not None  # the schema allows no other step
    return Stop(what=Op[step.stop.upper()])


def ceiling_kib(hog: HogTable, memory_mib: int) -> int:
    """Return how much a hog fills at most, in KiB (whole pages of 4 KiB)."""
    if hog.ceiling_mib is not None:
        return kib(hog.ceiling_mib)
    return kib(memory_mib * (hog.ceiling_percent or 0) / 100)
