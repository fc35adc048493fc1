"""Seeds in real guests: another seed is another run with the same promises, and the CPU matters.

test_repeatability.py shows that the same scenario gives the same bits.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memnotify.campaign.seeds import varied
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.model import Arch, BootFiles, Cell, KernelRequest
from memnotify.records.clients import notified
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog, ints
from memnotify.records.parquet import read_records
from memnotify.scenario import ClientKind, Clients, Hog, Scenario, Step

from tests.support.bases import modern

pytestmark = pytest.mark.guest

S = 10**9
SCENARIO = Scenario(
    name="seeds",
    start_ns=11 * S,
    duration_ns=20 * S,
    sample_ns=S // 10,
    steps=(
        Step(at_ns=0, action=Clients(kind=ClientKind.POLL, count=4, spacing_ns=S // 1000)),
        Step(at_ns=S, action=Hog(rate_kib_s=6 * 1024, ceiling_kib=96 * 1024)),
    ),
)
Run = Callable[..., RecordLog]


@pytest.fixture
def run(kernel: Callable[..., Path], initramfs: Callable[..., Path], tmp_path: Path) -> Run:
    def run(scenario: Scenario, *, cpus: int) -> RecordLog:
        cell = Cell(
            request=KernelRequest(base=modern(), series="v4", arch=Arch.X86_64),
            machine=dataclasses.replace(load_machine("pc-swap"), smp=cpus),
            memory_mib=64,
            clients=4,
            scenario=scenario,
            log_records=20_000,
        )
        done = run_cell(
            cell, files=BootFiles(kernel=kernel("v4"), initramfs=initramfs()), folder=tmp_path
        )
        result = asyncio.run(done)
        assert result.outcome.ok, result.outcome
        return read_records(tmp_path / "records.parquet")

    return run


def test_another_seed_is_another_run_of_the_same_promises(run: Run) -> None:
    found = [notified(run(varied(SCENARIO, seed, cpus=1), cpus=1)) for seed in (1, 2)]
    assert found[0]["time_ns"][0] != found[1]["time_ns"][0]
    for woken in found:
        assert set(woken["client"].tolist()) == {0, 1, 2, 3}
        for client in range(4):
            times = ints(woken["time_ns"])[woken["client"] == client]
            assert (np.diff(times) >= 10 * S).all()


def test_processes_start_where_they_are_told_to(run: Run) -> None:
    clients = dataclasses.replace(SCENARIO.steps[0], place=2)
    log = run(dataclasses.replace(SCENARIO, duration_ns=S, steps=(clients,)), cpus=2)
    rows = log.kind(Kind.CLIENT)
    assert rows["cpu"][np.argsort(rows["client"])].tolist() == [1, 0, 1, 0]
    assert (log.kind(Kind.EXIT)["cpu_ns"] > 0).all()
