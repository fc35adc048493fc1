"""Expand a campaign to its cells, and give each cell its name and its digest."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any

from memnotify.campaign.load import Campaign
from memnotify.campaign.row import PlanRow
from memnotify.campaign.scenario import client_count, concrete
from memnotify.campaign.schema import SettingTable, default_log_records
from memnotify.campaign.seeds import varied
from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.guest import probe, qemu
from memnotify.guest.mailbox import scenario_to_json
from memnotify.image.build import INITRAMFS
from memnotify.model import Accel, BootFiles, Cell, Clock, KernelRequest, MachineProfile
from memnotify.store import Artifact

ID_DIGITS = 16


def plan_cells(
    campaign: Campaign,
    *,
    base: str | None = None,
    accel: Accel = Accel.AUTO,
    clock: Clock = Clock.VIRTUAL,
    source: str | None = None,
    cc: str | None = None,
) -> tuple[Cell, ...]:
    """Return the cells of a campaign in the order in which its axes are written.

    `base` is one of the campaign's, by default the first. `source` overrides its kernel source,
    `cc` its compiler. Raises InputError for KVM with virtual time: only TCG can count instructions.
    """
    if clock is Clock.VIRTUAL:
        if accel is Accel.KVM:
            raise InputError(
                "--accel kvm does not support virtual time", hint="add --clock real, or use tcg"
            )
        accel = Accel.TCG
    table, matrix = campaign.table, campaign.table.matrix
    counts: list[int | None] = [None] if matrix.clients is None else [*matrix.clients]
    cells = []
    for series, setting, arch, machine, name, memory, clients, repeat in itertools.product(
        matrix.series,
        matrix.setting or [""],
        table.kernel.arch,
        matrix.machine,
        matrix.scenario,
        matrix.memory_mib,
        counts,
        range(matrix.repeat),
    ):
        scenario, profile = campaign.scenarios[name], campaign.machines[machine]
        sets = table.setting.get(setting, SettingTable())
        seed = matrix.seed + repeat
        count = client_count(scenario, clients)
        cells.append(
            Cell(
                request=KernelRequest(
                    base=base or table.kernel.base[0],
                    series=series,
                    arch=arch,
                    variant=profile.variant,
                    options=tuple(sets.config),
                    source=source,
                    cc=cc,
                ),
                machine=dataclasses.replace(
                    profile, kernel_args=(*profile.kernel_args, *sets.boot)
                ),
                memory_mib=memory,
                clients=count,
                scenario=varied(
                    concrete(name, scenario, memory_mib=memory, clients=clients),
                    seed,
                    cpus=profile.smp,
                ),
                setting=setting,
                repeat=repeat + 1,
                seed=seed,
                accel=accel,
                clock=clock,
                log_records=scenario.log_records or default_log_records(count),
                programs=campaign.programs.get(name, ()),
            )
        )
    return tuple(cells)


def cell_name(cell: Cell) -> str:
    """Return the readable name of a cell: `6.1-v4-x86_64-pc-swap-64M-squeeze-200c-r1`.

    With a setting, that follows the series.
    """
    request = cell.request
    return "-".join(
        (
            request.base,
            request.series,
            *([cell.setting] if cell.setting else []),
            request.arch,
            cell.machine.name,
            f"{cell.memory_mib}M",
            cell.scenario.name,
            f"{cell.clients}c",
            f"r{cell.repeat}",
        )
    )


def cell_inputs(cell: Cell) -> dict[str, Any]:
    """Return everything that a cell's results depend on, as a JSON value.

    The locations of the kernel's source and of programs, and the kernel's options, are left out:
    keys and digests cover them. A cell without programs or without a setting has the id that it
    would have if there were none, and so has a program that is to end with status 0.
    """
    # Not dataclasses.asdict(cell), which copies each step only to have the scenario replaced.
    inputs = {field.name: getattr(cell, field.name) for field in dataclasses.fields(cell)}
    programs = [dataclasses.asdict(program) for program in inputs.pop("programs")]
    for program in programs:
        del program["path"]
        if not program["expect_status"]:
            del program["expect_status"]
    if not cell.setting:
        del inputs["setting"]
    request = cell.request
    return inputs | {
        "request": {"base": request.base, "series": request.series, "arch": request.arch},
        "machine": _machine(cell.machine),
        "scenario": scenario_to_json(cell.scenario),
        **({"programs": programs} if programs else {}),
    }


@functools.cache
def _machine(machine: MachineProfile) -> dict[str, Any]:
    return dataclasses.asdict(machine)


def boot_files(kernel: Artifact, image: Artifact) -> BootFiles:
    """Return the files that a guest of this kernel and this image boots from."""
    return BootFiles(kernel=kernel.file("bzImage"), initramfs=image.file(INITRAMFS))


def bind(cell: Cell, kernel: Artifact, image: Artifact) -> Cell:
    """Return a planned cell with the digests of everything that it depends on.

    Raises InfrastructureError if there is no QEMU.
    """
    accel = probe.choose(cell.accel, cell.clock)
    return dataclasses.replace(
        cell,
        accel=accel,
        kernel=kernel.key,
        image=image.key,
        hardware=qemu.hardware_digest(cell, accel),
    )


def cell_id(cell: Cell) -> str:
    """Return the digest of a cell whose kernel, image and hardware are bound."""
    if not (cell.kernel and cell.image and cell.hardware):
        raise ValueError(f"{cell_name(cell)} is only planned")
    return digest_value(cell_inputs(cell))[:ID_DIGITS]


def plan_rows(cells: Sequence[Cell]) -> list[PlanRow]:
    """Return the content of plan.json."""
    return [
        PlanRow(
            id=cell_id(cell),
            name=cell_name(cell),
            source=cell.request.source,
            inputs=cell_inputs(cell),
        )
        for cell in cells
    ]
