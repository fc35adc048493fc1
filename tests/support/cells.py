"""Cells that are in no campaign."""

from __future__ import annotations

import dataclasses
from typing import Any

from memnotify.guest.machine import load_machine
from memnotify.model import Arch, Cell, KernelRequest, MachineProfile
from memnotify.scenario import Scenario


def make_cell(machine: str | MachineProfile = "pc", **changes: Any) -> Cell:
    scenario = Scenario(name="idle", start_ns=0, duration_ns=10**9, sample_ns=10**8, steps=())
    cell = Cell(
        request=KernelRequest(base="6.1", series="none", arch=Arch.X86_64),
        machine=load_machine(machine) if isinstance(machine, str) else machine,
        memory_mib=64,
        clients=1,
        scenario=scenario,
    )
    return dataclasses.replace(cell, **changes)
