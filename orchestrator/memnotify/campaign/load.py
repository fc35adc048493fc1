"""A campaign file that can be run: read, and refused here if anything in it cannot work.

Nothing is fetched or built for that. Every refusal is an InputError with file, line and key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from memnotify import toml
from memnotify.campaign.figures import read_comparison
from memnotify.campaign.scenario import balloon_kib, client_count, concrete
from memnotify.campaign.schema import (
    EXPECT_AXES,
    MAX_CLIENTS,
    CampaignTable,
    FilecacheTable,
    HogTable,
    ScenarioTable,
    StepTable,
    ns,
)
from memnotify.errors import InputError
from memnotify.guest.machine import load_machine
from memnotify.guest.mailbox import encode_scenario
from memnotify.kernel.base import Base, load_base
from memnotify.kernel.config import merge_fragments
from memnotify.kernel.fixes import usual_config
from memnotify.model import DiskBus, MachineProfile, SwapKind
from memnotify.scenario import CLIENT_KINDS, STARTING, ClientKind
from memnotify.scenario_rules import time_problem
from memnotify.series.quilt import NONE, load_series, revisions
from memnotify.series.registered import registered
from memnotify.series.revision import load_revision
from memnotify.text import known_names

SCENARIOS = "scenarios"
"""The folder beside a campaign with the scenarios that have no table in it."""

NODE_STEP_MIB = 8
"""A NUMA node that begins elsewhere than at a multiple of this is lost to Linux 2.6.24: tried."""

MIN_GUEST_MIB = 8
"""A balloon target below this is a slip of the unit: no kernel here can live in it."""

_RUNNING = tuple(op.name.lower() for op in STARTING)  # steps that start processes

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A table of a document, to name in refusals."""

    path: Path
    lines: toml.Lines
    key: toml.Key = ()

    def at(self, *key: str | int) -> Place:
        return Place(self.path, self.lines, (*self.key, *key))

    def refuse(self, why: str, *, hint: str | None = None) -> NoReturn:
        """Raise InputError that names this place."""
        key = self.lines.written(self.key)
        line = self.lines.nearest(key) or 1
        raise InputError(f"{toml.dotted(key)}: {why}", file=self.path, line=line, hint=hint)


@dataclass(frozen=True)
class Campaign:
    """A checked campaign: its text as given, its tables, and what its names stand for."""

    path: Path
    text: bytes
    table: CampaignTable
    scenarios: dict[str, ScenarioTable]
    machines: dict[str, MachineProfile]


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign file.

    A scenario that has no table in the file is looked for in `scenarios/NAME.toml` beside it.
    Raises InputError for the first thing that is wrong.
    """
    value, lines = toml.read(path)
    table = toml.check(CampaignTable, value, path=path, lines=lines)
    place = Place(path, lines)
    machines = {
        name: _named(place.at("matrix", "machine", index), load_machine, name)
        for index, name in enumerate(table.matrix.machine)
    }
    table = _bases_of_originals(place, table)
    _check_kernels(place, table, machines)
    _check_nodes(place.at("matrix", "memory_mib"), table, machines)
    scenarios: dict[str, ScenarioTable] = {}
    for index, name in enumerate(table.matrix.scenario):
        there, scenario = _scenario(place.at("matrix", "scenario", index), table, name)
        scenarios[name] = scenario
        _check_times(there, scenario)
        _check_balloons(there, scenario, table.matrix.memory_mib)
        _check_processes(there, scenario, machines)
        _check_signals(there, scenario, table.matrix.series)
        _check_size(there, name, scenario, clients=max(table.matrix.clients or [1]))
    _check_clients_axis(place.at("matrix"), table, scenarios)
    _check_expectations(place, table, scenarios)
    return Campaign(path, path.read_bytes(), table, scenarios, machines)


def _check_expectations(
    place: Place, table: CampaignTable, scenarios: dict[str, ScenarioTable]
) -> None:
    matrix = table.matrix
    known = {axis: getattr(matrix, axis, None) for axis in EXPECT_AXES}
    known |= {"base": table.kernel.base, "arch": table.kernel.arch}
    known["clients"] = [
        client_count(scenario, clients)
        for scenario in scenarios.values()
        for clients in matrix.clients or [0]
    ]
    for index, expect in enumerate(table.expect):
        for axis in EXPECT_AXES:
            for value in getattr(expect, axis) or []:
                if value not in (known[axis] or ()):
                    there = map(str, dict.fromkeys(known[axis] or ()))
                    place.at("expect", index, axis).refuse(
                        f"no cell has {value}", hint=known_names(str(value), there)
                    )
        for number, text in enumerate(expect.what):
            for figure, word in read_comparison(text).words:
                names = [str(name) for name in known.get(figure) or (word,)]
                if word not in names:
                    place.at("expect", index, "what", number).refuse(
                        f"{text!r}: no cell has {figure} {word!r}", hint=known_names(word, names)
                    )


def _named(place: Place, find: Callable[[str], T], name: str) -> T:
    """Look up what a name in the campaign stands for, and blame the campaign if there is none."""
    try:
        return find(name)
    except InputError as error:
        if error.file is not None:
            raise  # what it stands for is broken itself
        place.refuse(error.message, hint=error.hint)


def _bases_of_originals(place: Place, table: CampaignTable) -> CampaignTable:
    """Leave out the bases that an original, which the user has registered, was not imported for."""
    known = registered()
    bases = table.kernel.base
    left = bases
    for index, name in enumerate(table.matrix.series):
        if name in known:
            left = [base for base in left if base in known[name]]
            if not left:
                place.at("matrix", "series", index).refuse(
                    f"{name} was imported for {', '.join(known[name])}, and not for "
                    f"{' or '.join(bases)}",
                    hint="name such a base, or register it with --base for another",
                )
    return table.model_copy(update={"kernel": table.kernel.model_copy(update={"base": left})})


def _check_kernels(place: Place, table: CampaignTable, machines: dict[str, MachineProfile]) -> None:
    for index, name in enumerate(table.kernel.base):
        base = _named(place.at("kernel", "base", index), load_base, name)
        _check_base(place, table, base, machines)


def _check_nodes(place: Place, table: CampaignTable, machines: dict[str, MachineProfile]) -> None:
    for machine in machines.values():
        step = NODE_STEP_MIB * machine.numa_nodes
        for index, memory in enumerate(table.matrix.memory_mib):
            if machine.numa_nodes > 1 and memory % step:
                fitting = (memory // step * step, (memory // step + 1) * step)
                place.at(index).refuse(
                    f"{memory} MiB in the {machine.numa_nodes} nodes of machine {machine.name}: "
                    f"each has to be a multiple of {NODE_STEP_MIB} MiB",
                    hint=f"take {' or '.join(str(some) for some in fitting if some)}",
                )


def _check_base(
    place: Place, table: CampaignTable, base: Base, machines: dict[str, MachineProfile]
) -> None:
    for index, name in enumerate(table.matrix.series):
        find = partial(load_series, base=base.name)
        _named(place.at("matrix", "series", index), find, name)
    for index, arch in enumerate(table.kernel.arch):
        here = place.at("kernel", "arch", index)
        if arch not in base.arches:
            here.refuse(f"{base.name} is built for {', '.join(base.arches)} only")
        for number, machine in enumerate(machines.values()):
            if arch not in machine.arches:
                here.refuse(f"machine {machine.name} runs {', '.join(machine.arches)} only")
            config = _named(here, partial(base.config, arch), machine.variant)
            _check_disks(place.at("matrix", "machine", number), base, machine, config)


def _check_disks(place: Place, base: Base, machine: MachineProfile, config: Sequence[Path]) -> None:
    virtio = {"swap": machine.swap is SwapKind.VIRTIO}
    virtio["disk"] = machine.disk_mib > 0 and machine.disk_bus is DiskBus.VIRTIO
    lines = merge_fragments([*usual_config(base), *config])
    has = {line.symbol for line in lines if line.value == "y"}
    if any(virtio.values()) and not has >= {"CONFIG_VIRTIO_PCI", "CONFIG_VIRTIO_BLK"}:
        what = " and ".join(name for name, is_virtio in virtio.items() if is_virtio)
        why = f"{base.name} has no driver for the virtio {what} of machine {machine.name}"
        place.refuse(why, hint="take a machine with slram or IDE")


def _scenario(place: Place, table: CampaignTable, name: str) -> tuple[Place, ScenarioTable]:
    """Return a scenario's table, and where it is."""
    if name in table.scenario:
        return Place(place.path, place.lines, ("scenario", name)), table.scenario[name]
    file = place.path.parent / SCENARIOS / f"{name}.toml"
    if not file.is_file():
        known = sorted({*table.scenario, *(path.stem for path in file.parent.glob("*.toml"))})
        place.refuse(f"no [scenario.{name}] here, and no {file}", hint=known_names(name, known))
    value, lines = toml.read(file)
    return Place(file, lines), toml.check(ScenarioTable, value, path=file, lines=lines)


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
            here.at("at_s").refuse(why, hint="shorten its settle_s")
        busy = step.at_s + step.balloon.settle_s
        if busy > scenario.duration_s:
            why = f"may settle until {busy:g}, after the end, duration_s = {scenario.duration_s:g}"
            here.at("balloon", "settle_s").refuse(why)
        target = here.at("balloon", "percent" if step.balloon.mib is None else "mib")
        for memory in memories:
            mib = balloon_kib(step.balloon, memory) / 1024
            leaves = f"leaves {mib:g} MiB to the guest of {memory} MiB"
            if mib > memory:
                target.refuse(f"{leaves} in matrix.memory_mib, more than it has")
            if mib < MIN_GUEST_MIB:
                target.refuse(f"{leaves}; no kernel lives in less than {MIN_GUEST_MIB}")


def _check_processes(
    place: Place, scenario: ScenarioTable, machines: dict[str, MachineProfile]
) -> None:
    running: set[str] = set()
    groups = 0
    for here, step in _steps(place, scenario):
        if step.stop is not None and step.stop not in running:
            here.at("stop").refuse(f"no step before starts a {step.stop}")
        if step.self_check is not None and "self_check" in running:
            here.at("self_check").refuse("a scenario has room for one self-check")
        for machine in machines.values():
            _check_disk_use(here.at("filecache"), step.filecache, machine)
            _check_disk_size(here, step, machine)
            _check_node(here.at("hog", "node"), step.hog, machine)
        _check_group(here, step, groups)
        if step.group is not None:
            groups = step.group.version
        running |= {what for what in _RUNNING if getattr(step, what)}


def _check_disk_use(
    place: Place, filecache: FilecacheTable | None, machine: MachineProfile
) -> None:
    if filecache is None or filecache.file != "disk":
        return
    if not machine.disk_mib:
        why = f"machine {machine.name} has no disk to read"
        place.refuse(why, hint="take a machine with disk_mib")
    if filecache.touch_ms is not None and filecache.total_mib > machine.disk_mib:
        why = f"maps more than the {machine.disk_mib} MiB of the disk of machine {machine.name}"
        place.at("total_mib").refuse(why, hint="only without touch_ms is a disk read again")


def _check_disk_size(place: Place, step: StepTable, machine: MachineProfile) -> None:
    if step.dd is not None:
        place, mib, does = place.at("dd"), step.dd.block_mib * step.dd.count, "writes"
    elif step.clients is not None and step.clients.text_mib is not None:
        place, mib, does = place.at("clients", "text_mib"), step.clients.text_mib, "maps"
    else:
        return
    if mib > machine.disk_mib:
        why = f"{does} {mib:g} MiB, and the disk of machine {machine.name} has {machine.disk_mib}"
        place.refuse(why, hint="take a machine with disk_mib")


def _check_node(place: Place, hog: HogTable | None, machine: MachineProfile) -> None:
    if hog is None or hog.node is None or hog.node < machine.numa_nodes > 1:
        return
    last = machine.numa_nodes - 1
    has = f"nodes 0 to {last}" if last else "a single node"
    why = f"there is no node {hog.node} to choose: machine {machine.name} has {has}"
    place.refuse(why, hint="take a machine with numa_nodes, or leave node out")


def _check_group(place: Place, step: StepTable, version: int) -> None:
    """`version` is that of the control groups that a step before has made; 0: none."""
    if step.group is not None and version:
        place.at("group").refuse("a scenario has room for one group")
    if step.clients is None:
        return
    kind = step.clients.kind
    needed = CLIENT_KINDS[ClientKind[kind.upper()]].group
    if needed not in (None, version):
        hint = f"put a step before: group = {{ version = {needed} }}"
        place.at("clients", "kind").refuse(
            f"{kind} is in control groups of version {needed}", hint=hint
        )


def _check_signals(place: Place, scenario: ScenarioTable, series: list[str]) -> None:
    """Refuse clients that wait for SIGIO where no series sends one; beside one that does, `none`
    and the others are what it is compared with."""
    for here, step in _steps(place, scenario):
        signalled = step.clients is not None and step.clients.kind == "fasync"
        if signalled and not any(map(_may_signal, series)):
            senders = ", ".join(name for name in revisions() if _may_signal(name))
            here.at("clients", "kind").refuse(
                f"fasync: no kernel of {', '.join(series)} sends SIGIO",
                hint=f"add one of {senders}",
            )


def _may_signal(series: str) -> bool:
    """Tell whether a kernel of a series sends SIGIO; of one without promises nobody knows."""
    if series == NONE:
        return False
    revision = load_revision(series)
    return revision is None or revision.fasync is not None


def _check_size(place: Place, name: str, scenario: ScenarioTable, *, clients: int) -> None:
    steps, count = place.at("step"), client_count(scenario, clients)
    if count > MAX_CLIENTS:
        steps.refuse(f"{count} clients in one cell, more than {MAX_CLIENTS}")
    try:
        encode_scenario(concrete(name, scenario, memory_mib=MIN_GUEST_MIB, clients=clients))
    except InputError as error:
        steps.refuse(error.message, hint=error.hint)


def _check_clients_axis(
    place: Place, table: CampaignTable, scenarios: dict[str, ScenarioTable]
) -> None:
    for name, scenario in scenarios.items():
        asks = any(step.clients and step.clients.count == "matrix" for step in scenario.step)
        if asks and table.matrix.clients is None:
            why = f'no clients, but scenario {name} has count = "matrix"'
            place.refuse(why, hint="add for example clients = [1, 32, 200]")
        if not asks and table.matrix.clients is not None:
            why = f'no step of scenario {name} has count = "matrix", so its cells would be the same'
            place.at("clients").refuse(why)
