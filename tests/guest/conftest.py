"""Fixtures that run a guest under pressure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.guest.watchdog import Limits
from memnotify.model import Arch, Cell, CellResult, KernelRequest
from memnotify.records.clients import notified
from memnotify.records.log import ints
from memnotify.records.parquet import read_records
from memnotify.scenario import Op, Scenario
from memnotify.series.quilt import MEM_NOTIFY

from tests.support.squeezed import Ending, Guest, Runner


@pytest.fixture(scope="session")
def ending(
    kernel: Callable[..., Path],
    initramfs: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Ending:
    def run(
        series: str,
        scenario: Scenario,
        *,
        base: str,
        arch: Arch,
        memory_mib: int = 64,
        machine: str = "pc-swap",
        root: Path = MEM_NOTIFY,
        limits: Limits | None = None,
    ) -> tuple[CellResult, Path]:
        cell = Cell(
            request=KernelRequest(base=base, series=series, arch=arch),
            machine=load_machine(machine),
            memory_mib=memory_mib,
            clients=sum(step.processes for step in scenario.steps if step.op == Op.CLIENTS),
            scenario=scenario,
            log_records=60_000,
        )
        folder = tmp_path_factory.mktemp(series)
        bzimage = kernel(series, arch, base, root=root)
        done = run_cell(
            cell, kernel=bzimage, initramfs=initramfs(arch), folder=folder, limits=limits
        )
        return asyncio.run(done), folder

    return run


@pytest.fixture(scope="session")
def squeezed(ending: Ending) -> Runner:
    def run(
        series: str,
        scenario: Scenario,
        *,
        base: str,
        arch: Arch,
        memory_mib: int = 64,
        machine: str = "pc-swap",
        root: Path = MEM_NOTIFY,
    ) -> Guest:
        result, folder = ending(
            series,
            scenario,
            base=base,
            arch=arch,
            memory_mib=memory_mib,
            machine=machine,
            root=root,
        )
        assert result.outcome.ok, result.outcome
        assert result.lost_records == 0
        log = read_records(folder / "records.parquet")
        woken = notified(log)
        return Guest(base, log, ints(woken["time_ns"]), ints(woken["client"]))

    return run
