"""The self-check in real guests: current kernels, and 2.6.24 built by a present-day compiler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.model import Arch, BootFiles, Cell, KernelRequest
from memnotify.records.layout import CheckResult, Kind
from memnotify.records.parquet import read_records
from memnotify.scenario import Scenario, SelfCheck, Step

pytestmark = pytest.mark.guest

SECOND = 10**9
MIB = 1024  # KiB


@pytest.mark.parametrize(
    ("base", "arch", "machine"),
    [
        ("6.1", Arch.X86_64, "pc-swap-disk"),
        ("6.12", Arch.X86_64, "pc-swap-disk"),
        ("2.6.24", Arch.I386, "pc-swap-ide"),
        ("2.6.24", Arch.X86_64, "pc-swap-ide"),
    ],
)
def test_a_kernel_is_sound(
    base: str,
    arch: Arch,
    machine: str,
    kernel: Callable[..., Path],
    initramfs: Callable[..., Path],
    tmp_path: Path,
) -> None:
    cell = Cell(
        request=KernelRequest(base=base, series="none", arch=arch),
        machine=load_machine(machine),
        memory_mib=48,
        clients=0,
        scenario=Scenario(
            name="self-check",
            start_ns=2 * SECOND,
            duration_ns=30 * SECOND,
            sample_ns=SECOND,
            steps=(Step(at_ns=0, action=SelfCheck(memory_kib=44 * MIB)),),
        ),
        log_records=2_000,
    )
    bzimage = kernel("none", arch, base)
    done = run_cell(
        cell, files=BootFiles(kernel=bzimage, initramfs=initramfs(arch)), folder=tmp_path
    )
    result = asyncio.run(done)
    assert result.outcome.ok, result.outcome
    log = read_records(tmp_path / "records.parquet")
    checks = log.kind(Kind.SELF_CHECK)
    assert checks["number"].tolist() == list(range(checks["count"][0]))
    # The machine has everything that the tests need.
    assert set(checks["result"]) == {CheckResult.PASSED}
    # All that was read back had really been written out.
    assert np.ptp(log.kind(Kind.RECLAIM)["pswpin"]) > 1_000
