"""Fixtures that run a guest under pressure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import pytest
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.guest.watchdog import Limits
from memnotify.model import Arch, BootFiles, Cell, CellResult, KernelRequest
from memnotify.records.clients import notified
from memnotify.records.log import ints
from memnotify.records.parquet import read_records
from memnotify.scenario import Op, Scenario
from memnotify.series.quilt import MEM_NOTIFY

from tests.support.sessions import Find
from tests.support.sessions import Runner as SessionRunner
from tests.support.squeezed import Ending, Guest, Host, Runner


@pytest.fixture
def run(kernel: Find, initramfs: Find, tmp_path: Path) -> SessionRunner:
    """Runs cells on the kernel without a series."""
    files = BootFiles(kernel=kernel("none"), initramfs=initramfs(Arch.X86_64))
    return SessionRunner(files, tmp_path / "cell")


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
        limits: Limits | None = None,
        **host: Unpack[Host],
    ) -> tuple[CellResult, Path]:
        base, arch = host["base"], host["arch"]
        cell = Cell(
            request=KernelRequest(base=base, series=series, arch=arch),
            machine=load_machine(host.get("machine", "pc-swap")),
            memory_mib=host.get("memory_mib", 64),
            clients=sum(step.processes for step in scenario.steps if step.op == Op.CLIENTS),
            scenario=scenario,
            log_records=60_000,
        )
        folder = tmp_path_factory.mktemp(series)
        bzimage = kernel(series, arch, base, root=host.get("root", MEM_NOTIFY))
        done = run_cell(
            cell,
            files=BootFiles(kernel=bzimage, initramfs=initramfs(arch)),
            folder=folder,
            limits=limits,
        )
        return asyncio.run(done), folder

    return run


@pytest.fixture(scope="session")
def squeezed(ending: Ending) -> Runner:
    def run(series: str, scenario: Scenario, **host: Unpack[Host]) -> Guest:
        result, folder = ending(series, scenario, **host)
        assert result.outcome.ok, result.outcome
        assert result.lost_records == 0
        log = read_records(folder / "records.parquet")
        woken = notified(log)
        return Guest(host["base"], log, ints(woken["time_ns"]), ints(woken["client"]))

    return run
