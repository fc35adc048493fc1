"""The machines of 2008, running Linux 2.6.24. Their v4 checks are in test_v4.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.model import BootFiles, Cell, KernelRequest
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.scenario import Balloon, Scenario, Step

pytestmark = pytest.mark.guest

SECOND = 10**9
MIB = 1024  # KiB

Boot = Callable[[str, int], RecordLog]


@pytest.fixture
def boot(kernel: Callable[..., Path], initramfs: Callable[..., Path], tmp_path: Path) -> Boot:
    """Return a function (machine, memory in MiB) that boots 2.6.24 and moves the balloon."""

    def run(name: str, memory_mib: int) -> RecordLog:
        machine = load_machine(name)
        (arch,) = machine.arches
        low = memory_mib * 3 // 4 * MIB
        cell = Cell(
            request=KernelRequest(base="2.6.24", series="none", arch=arch, variant=machine.variant),
            machine=machine,
            memory_mib=memory_mib,
            clients=0,
            scenario=Scenario(
                name="boot",
                start_ns=2 * SECOND,
                duration_ns=5 * SECOND,
                sample_ns=SECOND // 10,
                steps=(
                    Step(at_ns=0, action=Balloon(target_kib=low, settle_ns=2 * SECOND)),
                    Step(
                        at_ns=3 * SECOND,
                        action=Balloon(target_kib=memory_mib * MIB, settle_ns=SECOND),
                    ),
                ),
            ),
            log_records=20_000,
        )
        bzimage = kernel("none", arch, "2.6.24", machine.variant)
        done = run_cell(
            cell, files=BootFiles(kernel=bzimage, initramfs=initramfs(arch)), folder=tmp_path
        )
        result = asyncio.run(done)
        assert result.outcome.ok, result.outcome
        assert result.versions["kernel"] == "2.6.24"
        assert [move.actual_kib for move in result.balloon] == [low, memory_mib * MIB]
        log = read_records(tmp_path / "records.parquet")
        totals = log.kind(Kind.MEMINFO)["total"]
        assert totals.max() - totals.min() == memory_mib * MIB - low
        return log

    return run


def zones(log: RecordLog) -> set[tuple[int, str]]:
    return {(int(zone["node"]), zone["name"].decode()) for zone in log.kind(Kind.ZONE)}


def test_high_memory(boot: Boot) -> None:
    log = boot("x86-32-swap", 1024)
    assert zones(log) == {(0, "DMA"), (0, "Normal"), (0, "HighMem")}
    (started,) = log.kind(Kind.BOOT)
    assert started["total_kib"] > 1000 * MIB
    assert started["swap_kib"] > 500 * MIB


def test_no_high_memory(boot: Boot) -> None:
    log = boot("x86-32-nohighmem", 1024)
    assert zones(log) == {(0, "DMA"), (0, "Normal")}
    (started,) = log.kind(Kind.BOOT)
    assert 850 * MIB < started["total_kib"] < 896 * MIB
    assert started["swap_kib"] == 0


def test_hyper_threading(boot: Boot) -> None:
    (started,) = boot("pentium4-ht", 512).kind(Kind.BOOT)
    assert started["cpus"] == 2


def test_two_nodes(boot: Boot) -> None:
    log = boot("x86-64-numa", 512)
    assert {node for node, _ in zones(log)} == {0, 1}
    (started,) = log.kind(Kind.BOOT)
    assert started["cpus"] == 4
