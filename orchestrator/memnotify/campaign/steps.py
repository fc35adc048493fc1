"""Refuse steps of a scenario that cannot work or would have no effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from memnotify.campaign.place import Place
from memnotify.campaign.scenario import balloon_kib, ceiling_kib, client_count, concrete
from memnotify.campaign.scenario_schema import (
    ClientsTable,
    FilecacheTable,
    HogTable,
    ScenarioTable,
    StepTable,
    ns,
)
from memnotify.campaign.schema import CampaignTable, MatrixTable
from memnotify.campaign.seeds import SPACING_SPREAD
from memnotify.campaign.values import MAX_CLIENTS
from memnotify.errors import InputError
from memnotify.guest.mailbox import encode_scenario
from memnotify.kernel.base import Base
from memnotify.kernel.config import merge_fragments
from memnotify.kernel.fixes import usual_config
from memnotify.model import MachineProfile
from memnotify.scenario import CLIENT_KINDS, STARTING
from memnotify.scenario_rules import time_problem
from memnotify.series.quilt import NONE, load_series, revisions
from memnotify.series.revision import load_revision

MIN_GUEST_MIB = 8
"""A balloon target below this is a mistake in the unit: no kernel here runs in so little memory."""

_RUNNING = tuple(op.name.lower() for op in STARTING)  # steps that start processes

_MEMORY_GROUPS = ("CONFIG_MEMCG", "CONFIG_CGROUP_MEM_RES_CTLR", "CONFIG_CGROUP_MEM_CONT")
"""The names that this option has had, newest first."""

_RAMFS_IS_KEPT = (2, 6, 28)
"""Since this version, pages of ramfs are on the unevictable list."""


def options_of(base: Base, config: Sequence[Path], more: Sequence[str] = ()) -> set[str]:
    """Return the options that kernels of a base have built in; `more` are lines of a setting."""
    lines = merge_fragments([*usual_config(base), *config], more)
    return {line.symbol for line in lines if line.value == "y"}


def check_steps(
    place: Place,
    name: str,
    scenario: ScenarioTable,
    table: CampaignTable,
    machines: Sequence[MachineProfile],
    bases: Sequence[Base],
) -> None:
    """Raise InputError for the first step that cannot work or would have no effect.

    It is judged for the machines, bases, memories, series and clients of the campaign.
    """
    memories, series = table.matrix.memory_mib, table.matrix.series
    _check_times(place, scenario)
    _check_balloons(place, scenario, memories)
    _check_processes(place, scenario, machines)
    _check_sizes(place, scenario, memories, machines)
    _check_effects(place, scenario)
    _check_signals(place, scenario, series)
    for base in bases:
        _check_kernel_has(place, scenario, base, _may_have(base, table, machines))
    _check_size(place, name, scenario, clients=max(table.matrix.clients or [1]))
    _check_starts(place, scenario, table.matrix)


def _steps(place: Place, scenario: ScenarioTable) -> Iterator[tuple[Place, StepTable]]:
    for index, step in enumerate(scenario.step):
        yield place.at("step", index), step


def _check_times(place: Place, scenario: ScenarioTable) -> None:
    times = [ns(step.at_s) for step in scenario.step]
    if wrong := time_problem(times, ns(scenario.duration_s)):
        number, why = wrong
        place.at("step", number, "at_s").refuse(why)


def _check_balloons(place: Place, scenario: ScenarioTable, memories: list[int]) -> None:
    busy = 0.0
    for here, step in _steps(place, scenario):
        if step.balloon is None:
            continue
        if step.at_s < busy:
            why = f"the balloon step before may settle until {busy:g}"
            here.at("at_s").refuse(why, hint="reduce its settle_s")
        busy = step.at_s + step.balloon.settle_s
        if busy > scenario.duration_s:
            why = f"may settle until {busy:g}, after the end, duration_s = {scenario.duration_s:g}"
            here.at("balloon", "settle_s").refuse(why)
        target = here.at("balloon", "percent" if step.balloon.mib is None else "mib")
        for memory in memories:
            mib = balloon_kib(step.balloon, memory) / 1024
            leaves = f"leaves {mib:g} MiB to a guest of {memory} MiB"
            if mib > memory:
                target.refuse(f"{leaves} in matrix.memory_mib, more than it has")
            if mib < MIN_GUEST_MIB:
                target.refuse(f"{leaves}; no kernel runs in less than {MIN_GUEST_MIB}")


def _check_processes(
    place: Place, scenario: ScenarioTable, machines: Sequence[MachineProfile]
) -> None:
    running: set[str] = set()
    groups = 0
    for here, step in _steps(place, scenario):
        if step.stop is not None and step.stop not in running:
            what = "clients that are" if step.stop == "clients" else f"a {step.stop} that is"
            here.at("stop").refuse(f"no earlier step starts {what} still running")
        if step.self_check is not None and "self_check" in running:
            here.at("self_check").refuse("a scenario can have only one self-check")
        for machine in machines:
            _check_disk_use(here.at("filecache"), step.filecache, machine)
            _check_disk_size(here, step, machine)
            _check_node(here.at("hog", "node"), step.hog, machine)
        _check_group(here, step, groups)
        if step.group is not None:
            groups = step.group.version
        running |= {what for what in _RUNNING if getattr(step, what)}
        running.discard(step.stop or "")


def _check_disk_use(
    place: Place, filecache: FilecacheTable | None, machine: MachineProfile
) -> None:
    if filecache is None or filecache.file != "disk":
        return
    if not machine.disk_mib:
        why = f"machine {machine.name} has no disk to read"
        place.refuse(why, hint="use a machine with disk_mib")
    if filecache.touch_ms is not None and filecache.total_mib > machine.disk_mib:
        why = f"maps more than the {machine.disk_mib} MiB of the disk of machine {machine.name}"
        place.at("total_mib").refuse(why, hint="a disk is only read again without touch_ms")


def _check_disk_size(place: Place, step: StepTable, machine: MachineProfile) -> None:
    if step.dd is not None:
        place, mib, does = place.at("dd"), step.dd.block_mib * step.dd.count, "writes"
    elif step.clients is not None and step.clients.text_mib is not None:
        place, mib, does = place.at("clients", "text_mib"), step.clients.text_mib, "maps"
    else:
        return
    if mib > machine.disk_mib:
        why = f"{does} {mib:g} MiB, and the disk of machine {machine.name} has {machine.disk_mib}"
        place.refuse(why, hint="use a machine with disk_mib")


def _check_node(place: Place, hog: HogTable | None, machine: MachineProfile) -> None:
    if hog is None or hog.node is None or hog.node < machine.numa_nodes > 1:
        return
    last = machine.numa_nodes - 1
    has = f"nodes 0 to {last}" if last else "a single node"
    why = f"there is no node {hog.node}: machine {machine.name} has {has}"
    place.refuse(why, hint="use a machine with numa_nodes, or omit node")


def _group_of(clients: ClientsTable) -> int | None:
    """Return the version of control groups that has the file which clients watch, or None."""
    return CLIENT_KINDS[clients.client_kind].group


def _check_group(place: Place, step: StepTable, version: int) -> None:
    """Refuse a second group, and clients whose group is missing.

    `version` is that of the group that an earlier step has created; 0: none.
    """
    if step.group is not None and version:
        place.at("group").refuse("a scenario can have only one group")
    if step.clients is None:
        return
    kind, needed = step.clients.kind, _group_of(step.clients)
    if needed not in (None, version):
        hint = f"add an earlier step: group = {{ version = {needed} }}"
        place.at("clients", "kind").refuse(
            f"{kind} requires control groups of version {needed}", hint=hint
        )


def _check_signals(place: Place, scenario: ScenarioTable, series: list[str]) -> None:
    """Refuse clients that wait for SIGIO if no series of the campaign sends it.

    If one does, the others (such as `none`) are there for comparison.
    """
    for here, step in _steps(place, scenario):
        if step.clients is None or any(map(_may_signal, series)):
            continue
        key = "fasync" if step.clients.fasync else "kind"
        if step.clients.fasync or step.clients.kind == "fasync":
            senders = ", ".join(name for name in revisions() if _may_signal(name))
            here.at("clients", key).refuse(
                f"fasync: no kernel of {', '.join(series)} sends SIGIO",
                hint=f"add one of {senders}",
            )


def _may_signal(series: str) -> bool:
    """Return whether kernels of a series may send SIGIO; without promises, that is unknown."""
    if series == NONE:
        return False
    revision = load_revision(series)
    return revision is None or revision.fasync is not None


def _check_sizes(
    place: Place,
    scenario: ScenarioTable,
    memories: list[int],
    machines: Sequence[MachineProfile],
) -> None:
    """Refuse sizes that do not fit in a guest of the campaign, or that round to 0 in one."""
    for here, step in _steps(place, scenario):
        for memory in memories:
            if step.dd is not None and step.dd.block_mib > memory:
                why = f"a buffer of {step.dd.block_mib:g} MiB in a guest of {memory} MiB"
                here.at("dd", "block_mib").refuse(why, hint="use smaller buffers, and more of them")
            if step.hog is not None and not ceiling_kib(step.hog, memory):
                why = f"less than a page of a guest of {memory} MiB"
                here.at("hog", "ceiling_percent").refuse(why)
            for machine in machines:
                room = memory + machine.swap_mib
                if step.self_check is not None and step.self_check.memory_mib > room:
                    here.at("self_check", "memory_mib").refuse(
                        f"fills {step.self_check.memory_mib:g} MiB, and a guest of {memory} MiB on "
                        f"machine {machine.name} has {room} with its swap"
                    )


def _check_effects(place: Place, scenario: ScenarioTable) -> None:
    """Refuse a control group that no later step uses or watches."""
    steps = list(_steps(place, scenario))
    for number, (here, step) in enumerate(steps):
        later = [other for _, other in steps[number + 1 :]]
        used = any(
            other.hog is not None or (other.clients is not None and _group_of(other.clients))
            for other in later
        )
        if step.group is not None and not used:
            here.at("group").refuse(
                "has no effect: no later step starts a hog, or clients that watch groups"
            )


def _check_starts(place: Place, scenario: ScenarioTable, matrix: MatrixTable) -> None:
    """Refuse clients of which some would never start: the end, or a stop, comes before.

    With seeds, the longest time between two clients that any seed may give counts.
    """
    seeded = matrix.seed > 0 or matrix.repeat > 1
    stretch = 1 + SPACING_SPREAD if seeded else 1.0
    steps = list(_steps(place, scenario))
    for number, (here, step) in enumerate(steps):
        if step.clients is None:
            continue
        matrix_count = max(matrix.clients or [0])
        count = matrix_count if step.clients.count == "matrix" else step.clients.count
        end_s, end = scenario.duration_s, f"the end, duration_s = {scenario.duration_s:g}"
        for _, later in steps[number + 1 :]:
            if later.stop == "clients":
                end_s, end = later.at_s, f"they are stopped, at_s = {later.at_s:g}"
                break
        room, spacing = ns(end_s) - ns(step.at_s), ns(step.clients.spacing_ms / 1_000 * stretch)
        if spacing and (count - 1) * spacing >= room:
            some = f" (and up to {stretch:g} times that with seeds)" if seeded else ""
            here.at("clients").refuse(
                f"of {count} clients, {step.clients.spacing_ms:g} ms apart{some}, only "
                f"{-(-room // spacing)} would start before {end}",
                hint="reduce count or spacing_ms, or extend duration_s",
            )


def _may_have(base: Base, table: CampaignTable, machines: Sequence[MachineProfile]) -> set[str]:
    """Return the options that all kernels of a base have, and those that some are given."""
    configs = [
        base.config(arch, machine.variant) for arch in table.kernel.arch for machine in machines
    ]
    common = set.intersection(*(options_of(base, config) for config in configs))
    own = [load_series(name, base.name).config for name in table.matrix.series]
    given = [line for setting in table.setting.values() for line in setting.config]
    return common | options_of(base, [config for config in own if config is not None], given)


def _check_kernel_has(
    place: Place,
    scenario: ScenarioTable,
    base: Base,
    has: set[str],
) -> None:
    """Refuse steps that need something which kernels of a base lack; `has` are their options.

    That is pressure stall information, memory control groups, or reclaimable pages of ramfs.
    """
    pattern = base.table.version.replace("\\", "")
    release = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", pattern)
    version = tuple(int(part or 0) for part in release.groups()) if release else ()
    for here, step in _steps(place, scenario):
        kind = (step.clients.kind or "") if step.clients is not None else ""
        if kind == "psi" and "CONFIG_PSI" not in has:
            why = f"kernels of {base.name} have no /proc/pressure/memory"
            here.at("clients", "kind").refuse(why, hint=f"CONFIG_PSI is not set for {base.name}")
        if step.group is not None and has.isdisjoint(_MEMORY_GROUPS):
            why = f"kernels of {base.name} have no control groups of memory"
            here.at("group").refuse(why, hint=f"{_MEMORY_GROUPS[0]} is not set for {base.name}")
        sparse = step.filecache is not None and step.filecache.file == "sparse"
        if sparse and version >= _RAMFS_IS_KEPT:
            here.at("filecache", "file").refuse(
                f"{base.name} never reclaims pages of ramfs, like every kernel since 2.6.28",
                hint="use a machine with a disk, or an older base",
            )


def _check_size(place: Place, name: str, scenario: ScenarioTable, *, clients: int) -> None:
    steps, count = place.at("step"), client_count(scenario, clients)
    if count > MAX_CLIENTS:
        steps.refuse(f"{count} clients in one cell, more than {MAX_CLIENTS}")
    try:
        encode_scenario(concrete(name, scenario, memory_mib=MIN_GUEST_MIB, clients=clients))
    except InputError as error:
        steps.refuse(error.message, hint=error.hint)
