"""The same cell gives the same log bit for bit, however it starts and however busy the host is."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memnotify.guest.machine import load_machine
from memnotify.guest.templates import Templates
from memnotify.model import Arch, BootFiles, Cell, KernelRequest
from memnotify.records.difference import first_difference
from memnotify.records.layout import Kind
from memnotify.records.parquet import read_records
from memnotify.scenario import Balloon, ClientKind, Clients, FileCache, Hog, Scenario, Step
from memnotify.store import Store

from tests.support.bases import modern
from tests.support.guests import run_from, template_of

pytestmark = pytest.mark.guest

SECOND = 10**9
MIB = 1024  # KiB

PRESSURE = (
    Step(at_ns=0, action=Clients(kind=ClientKind.POLL, count=150)),
    Step(at_ns=SECOND, action=Hog(rate_kib_s=5 * MIB, ceiling_kib=96 * MIB)),
    Step(at_ns=SECOND, action=FileCache(rate_kib_s=4 * MIB, total_kib=512 * MIB)),
)
BALLOON = tuple(
    Step(at_ns=at * SECOND, action=Balloon(target_kib=mib * MIB, settle_ns=3 * SECOND))
    for at, mib in ((4, 54), (8, 46), (12, 64))
)


@pytest.fixture
def busy_host() -> Iterator[None]:
    load = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in os.sched_getaffinity(0)
    ]
    yield
    for process in load:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("cpus", "steps"), [(1, PRESSURE + BALLOON), (2, PRESSURE)], ids=["balloon", "two-cpus"]
)
@pytest.mark.usefixtures("busy_host")
def test_booted_and_restored_on_a_busy_host_it_gives_the_same_bits(
    cpus: int,
    steps: tuple[Step, ...],
    kernel: Callable[..., Path],
    initramfs: Callable[..., Path],
    tmp_path: Path,
) -> None:
    # With the kernel's boot messages, to detect a console that makes the guest wait.
    machine = dataclasses.replace(
        load_machine("pc-swap-disk"), smp=cpus, kernel_args=("loglevel=7",)
    )
    cell = Cell(
        request=KernelRequest(base=modern(), series="v4", arch=Arch.X86_64),
        machine=machine,
        memory_mib=64,
        clients=150,
        scenario=Scenario(
            name="pressure",
            start_ns=10 * SECOND,
            duration_ns=16 * SECOND,
            sample_ns=SECOND // 10,
            steps=tuple(sorted(steps, key=lambda step: step.at_ns)),
        ),
        log_records=20_000,
    )
    boots = BootFiles(kernel=kernel("v4"), initramfs=initramfs(Arch.X86_64))
    start = template_of(boots, cell, Templates(Store(tmp_path / "store")))
    assert start is not None
    files = []
    for name, template in (("booted", None), ("restored", start)):
        folder = tmp_path / name
        result = run_from(template, boots, cell, folder=folder)
        assert result.outcome.ok, result.outcome
        files.append(folder / "records.parquet")
    log = read_records(files[0])
    assert len(log.kind(Kind.WAKEUP)) >= 100
    assert log.kind(Kind.RECLAIM)["pswpout"][-1] > 1000
    assert log.kind(Kind.BOOT)["cpus"][0] == cpus
    assert first_difference(*files) is None
