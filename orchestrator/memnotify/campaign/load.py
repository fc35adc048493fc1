"""Read a campaign file, and refuse it if anything in it cannot work.

Nothing is fetched or built. Every refusal is an InputError with file, line and key.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from memnotify import toml
from memnotify.campaign.figures import read_comparison
from memnotify.campaign.own_clients import programs_of
from memnotify.campaign.own_series import with_own_series
from memnotify.campaign.place import Place
from memnotify.campaign.scenario import client_count
from memnotify.campaign.scenario_schema import ScenarioTable
from memnotify.campaign.schema import EXPECT_AXES, MAX_CELLS, CampaignTable
from memnotify.campaign.steps import check_steps, options_of
from memnotify.errors import InputError
from memnotify.files import read_bytes
from memnotify.guest.machine import load_machine
from memnotify.kernel.base import Base, load_base
from memnotify.model import DiskBus, MachineProfile, SwapKind
from memnotify.scenario import Program
from memnotify.series.own import means
from memnotify.series.quilt import load_series
from memnotify.series.registered import registered
from memnotify.text import known_names, shown

SCENARIOS = "scenarios"
"""The folder next to a campaign with the scenarios that it does not define itself."""

NODE_STEP_MIB = 8
"""Linux 2.6.24 ignores a NUMA node that does not start at a multiple of this (tested)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Campaign:
    """A checked campaign: its text, its tables, and the scenarios and machines that it names.

    `programs` has, by scenario, the programs of the user's own that clients run.
    """

    path: Path
    text: bytes
    table: CampaignTable
    scenarios: dict[str, ScenarioTable]
    machines: dict[str, MachineProfile]
    programs: dict[str, tuple[Program, ...]] = field(default_factory=dict)


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign file.

    A scenario that has no table in the file is looked for in `scenarios/NAME.toml` beside it.
    Raises InputError for the first error.
    """
    value, lines = toml.read(path)
    table = toml.check(CampaignTable, value, path=path, lines=lines)
    place = Place(path, lines)
    _check_cells(place.at("matrix"), table)
    _check_settings(place, table)
    table = with_own_series(place, table)
    machines = {
        name: _named(place.at("matrix", "machine", index), load_machine, name)
        for index, name in enumerate(table.matrix.machine)
    }
    table = _bases_of_originals(place, table)
    bases = _check_kernels(place, table, machines)
    _check_nodes(place.at("matrix", "memory_mib"), table, machines)
    scenarios: dict[str, ScenarioTable] = {}
    programs: dict[str, tuple[Program, ...]] = {}
    for index, name in enumerate(table.matrix.scenario):
        there, scenario = _scenario(place.at("matrix", "scenario", index), table, name)
        scenarios[name] = scenario
        check_steps(there, name, scenario, table, list(machines.values()), bases)
        programs[name] = programs_of(
            there, scenario, table.kernel.arch, memory_mib=min(table.matrix.memory_mib)
        )
    _check_clients_axis(place.at("matrix"), table, scenarios)
    _check_expectations(place, table, scenarios)
    return Campaign(path, read_bytes(path), table, scenarios, machines, programs)


def _check_cells(place: Place, table: CampaignTable) -> None:
    """Refuse more cells than anybody runs, before anything is done for each of them."""
    matrix = table.matrix
    counts = {
        "series": len(matrix.series),
        "setting": len(matrix.setting or [""]),
        "arch": len(table.kernel.arch),
        "machine": len(matrix.machine),
        "scenario": len(matrix.scenario),
        "memory_mib": len(matrix.memory_mib),
        "clients": len(matrix.clients or [0]),
        "repeat": matrix.repeat,
    }
    cells = math.prod(counts.values())
    if cells > MAX_CELLS:
        factors = " * ".join(f"{count} {axis}" for axis, count in counts.items() if count > 1)
        place.refuse(f"{cells} cells ({factors}); a campaign has at most {MAX_CELLS}")


def _check_settings(place: Place, table: CampaignTable) -> None:
    """Refuse names without a table, tables without a cell, and settings that are the same."""
    named = table.matrix.setting or []
    for index, name in enumerate(named):
        here = place.at("matrix", "setting", index)
        if name not in table.setting:
            hint = known_names(name, table.setting) if table.setting else f"add [setting.{name}]"
            here.refuse(f"there is no [setting.{name}]", hint=hint)
        same = [other for other in named[:index] if table.setting[other] == table.setting[name]]
        if same:
            here.refuse(f"{name} sets the same as {same[0]}, so cells would be identical")
    for name in table.setting:
        if name not in named:
            hint = f'setting = ["{name}"] in [matrix] uses it'
            place.at("setting", name).refuse("no cell has this setting", hint=hint)


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
                if not any(_meant(value, each) for each in known[axis] or ()):
                    there = map(str, dict.fromkeys(known[axis] or ()))
                    place.at("expect", index, axis).refuse(
                        f"no cell has {value}", hint=known_names(str(value), there)
                    )
        for number, text in enumerate(expect.what):
            for figure, word in read_comparison(text).words:
                names = [str(name) for name in known.get(figure) or (word,)]
                if word not in names:
                    place.at("expect", index, "what", number).refuse(
                        f"{shown(text)}: no cell has {figure} {shown(word)}",
                        hint=known_names(word, names),
                    )


def _meant(value: Any, known: Any) -> bool:
    """Return whether an expectation selects a value; series of the user's have names of copies."""
    return bool(value == known) or (isinstance(value, str) and means(value, str(known)))


def _named(place: Place, find: Callable[[str], T], name: str) -> T:
    """Look up a name in the campaign; an unknown name is an error of the campaign file."""
    try:
        return find(name)
    except InputError as error:
        if error.file is not None:
            raise  # the error is in the file that the name stands for
        place.refuse(error.message, hint=error.hint)


def _bases_of_originals(place: Place, table: CampaignTable) -> CampaignTable:
    """Leave out the bases for which a registered original of the matrix was not imported."""
    known = registered()
    bases = table.kernel.base
    left = bases
    for index, name in enumerate(table.matrix.series):
        if name in known:
            left = [base for base in left if base in known[name]]
            if not left:
                place.at("matrix", "series", index).refuse(
                    f"{name} was imported for {', '.join(known[name])}, not for "
                    f"{' or '.join(bases)}",
                    hint="use one of those bases, or register it for another with --base",
                )
    return table.model_copy(update={"kernel": table.kernel.model_copy(update={"base": left})})


def _check_kernels(
    place: Place, table: CampaignTable, machines: dict[str, MachineProfile]
) -> list[Base]:
    bases = []
    for index, name in enumerate(table.kernel.base):
        bases.append(_named(place.at("kernel", "base", index), load_base, name))
        _check_base(place, table, bases[-1], machines)
    return bases


def _check_nodes(place: Place, table: CampaignTable, machines: dict[str, MachineProfile]) -> None:
    for machine in machines.values():
        step = NODE_STEP_MIB * machine.numa_nodes
        for index, memory in enumerate(table.matrix.memory_mib):
            if machine.numa_nodes > 1 and memory % step:
                fitting = (memory // step * step, (memory // step + 1) * step)
                place.at(index).refuse(
                    f"{memory} MiB in the {machine.numa_nodes} nodes of machine {machine.name}: "
                    f"each node must be a multiple of {NODE_STEP_MIB} MiB",
                    hint=f"use {' or '.join(str(some) for some in fitting if some)}",
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
            here.refuse(f"{base.name} can only be built for {', '.join(base.arches)}")
        for number, machine in enumerate(machines.values()):
            if arch not in machine.arches:
                here.refuse(f"machine {machine.name} only runs {', '.join(machine.arches)}")
            config = _named(here, partial(base.config, arch), machine.variant)
            _check_disks(place.at("matrix", "machine", number), base, machine, config)


def _check_disks(place: Place, base: Base, machine: MachineProfile, config: Sequence[Path]) -> None:
    virtio = {"swap": machine.swap is SwapKind.VIRTIO}
    virtio["disk"] = machine.disk_mib > 0 and machine.disk_bus is DiskBus.VIRTIO
    has = options_of(base, config)
    if any(virtio.values()) and not {"CONFIG_VIRTIO_PCI", "CONFIG_VIRTIO_BLK"}.issubset(has):
        what = " and ".join(name for name, is_virtio in virtio.items() if is_virtio)
        why = f"{base.name} has no driver for the virtio {what} of machine {machine.name}"
        place.refuse(why, hint="use a machine with slram or IDE")


def _scenario(place: Place, table: CampaignTable, name: str) -> tuple[Place, ScenarioTable]:
    """Return a scenario's table and its place."""
    if name in table.scenario:
        return Place(place.path, place.lines, ("scenario", name)), table.scenario[name]
    file = place.path.parent / SCENARIOS / f"{name}.toml"
    if not file.is_file():
        known = sorted({*table.scenario, *(path.stem for path in file.parent.glob("*.toml"))})
        place.refuse(
            f"there is neither a [scenario.{name}] here nor a file {file}",
            hint=known_names(name, known),
        )
    value, lines = toml.read(file)
    return Place(file, lines), toml.check(ScenarioTable, value, path=file, lines=lines)


def _check_clients_axis(
    place: Place, table: CampaignTable, scenarios: dict[str, ScenarioTable]
) -> None:
    for name, scenario in scenarios.items():
        asks = any(step.clients and step.clients.count == "matrix" for step in scenario.step)
        if asks and table.matrix.clients is None:
            why = f'no clients, but scenario {name} has count = "matrix"'
            place.refuse(why, hint="add, for example, clients = [1, 32, 200]")
        if not asks and table.matrix.clients is not None:
            why = (
                f'no step of scenario {name} has count = "matrix", so its cells would be identical'
            )
            place.at("clients").refuse(why)
