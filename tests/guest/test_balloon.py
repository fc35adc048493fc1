"""The balloon of 2.6.24, our own driver, compared with upstream's in 2.6.25 and in 6.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.model import Arch, BootFiles, Cell, CellResult, Finding, KernelRequest
from memnotify.records.layout import BalloonPhase, Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.scenario import Balloon, Hog, Op, Scenario, Step, Stop

from tests.support.bases import modern

pytestmark = pytest.mark.guest

SECOND = 10**9
MIB = 1024  # KiB
RAM = 64 * MIB
START = 3  # s of guest time

Run = Callable[..., tuple[CellResult, RecordLog]]


def balloon(at_s: float, kib: int, *, settle_s: float) -> Step:
    return Step(
        at_ns=round(at_s * SECOND),
        action=Balloon(target_kib=kib, settle_ns=round(settle_s * SECOND)),
    )


@pytest.fixture
def run(kernel: Callable[..., Path], initramfs: Callable[..., Path], tmp_path: Path) -> Run:
    """Return a function (base, arch, steps, duration in s, seconds between samples)."""

    def run_steps(
        base: str, arch: Arch, steps: list[Step], *, duration_s: float, sample_s: float
    ) -> tuple[CellResult, RecordLog]:
        cell = Cell(
            request=KernelRequest(base=base, series="none", arch=arch),
            machine=load_machine("pc"),
            memory_mib=RAM // MIB,
            clients=0,
            scenario=Scenario(
                name="balloon",
                start_ns=START * SECOND,
                duration_ns=round(duration_s * SECOND),
                sample_ns=round(sample_s * SECOND),
                steps=tuple(steps),
            ),
            log_records=20_000,
        )
        bzimage = kernel("none", arch, base)
        folder = tmp_path / f"{base}-{arch}"
        done = run_cell(
            cell, files=BootFiles(kernel=bzimage, initramfs=initramfs(arch)), folder=folder
        )
        return asyncio.run(done), read_records(folder / "records.parquet")

    return run_steps


def memory(log: RecordLog, at_s: float) -> tuple[int, int]:
    """Return MemTotal and MemFree, in KiB, of the first sample at that time of the scenario."""
    samples = log.kind(Kind.MEMINFO)
    sample = samples[samples["time_ns"] >= (START + at_s) * SECOND][0]
    return int(sample["total"]), int(sample["free"])


@pytest.mark.parametrize("arch", Arch)
@pytest.mark.parametrize("base", ["2.6.24", "2.6.25"])
def test_no_page_is_lost_on_the_way_down_and_up(run: Run, base: str, arch: Arch) -> None:
    cycles = 25  # QEMU reports a move once a second at most, so each takes two seconds
    steps = []
    for at in range(1, cycles + 1):
        steps += [
            balloon(at, 40 * MIB, settle_s=0.4),
            balloon(at + 0.5, RAM, settle_s=0.4),
        ]
    result, log = run(base, arch, steps, duration_s=cycles + 2, sample_s=0.25)
    assert result.outcome.ok, result.outcome
    assert [move.actual_kib for move in result.balloon] == [40 * MIB, RAM] * cycles
    full, _ = memory(log, 0.5)
    # What the first moves need for themselves is not given back, but it is not lost repeatedly.
    _, free = memory(log, 2.75)
    for at in range(1, cycles + 1):
        assert memory(log, at + 0.25)[0] == full - 24 * MIB
        assert memory(log, at + 0.75)[0] == full
        assert abs(memory(log, at + 0.75)[1] - free) <= 4 * 4
    assert memory(log, cycles + 1.5)[0] == full


@pytest.mark.parametrize("arch", Arch)
def test_a_target_below_what_the_guest_can_give_is_tried_for_without_a_kill(
    run: Run, arch: Arch, tmp_path: Path
) -> None:
    """Without swap, 30 MiB of anonymous memory stay where they are until their owner ends."""
    steps = [
        Step(at_ns=SECOND, action=Hog(rate_kib_s=40 * MIB, ceiling_kib=30 * MIB)),
        balloon(4, 16 * MIB, settle_s=4),
        Step(at_ns=10 * SECOND, action=Stop(what=Op.HOG)),
        balloon(14, RAM, settle_s=2),
    ]
    result, log = run("2.6.24", arch, steps, duration_s=17, sample_s=0.25)
    # No OOM kill, which would be the more serious finding.
    assert result.outcome.finding is Finding.BALLOON, result.outcome
    full, _ = memory(log, 0.5)
    stuck, _ = memory(log, 7)
    told = (tmp_path / f"2.6.24-{arch}/qmp.jsonl").read_text()
    assert f'"actual": {(RAM - (full - stuck)) * 1024}}}' in told
    assert full - 48 * MIB < stuck < full - 20 * MIB
    assert log.kind(Kind.RECLAIM)["oom_kill"].max() == 0
    # Nobody asked again, but now there is memory.
    assert memory(log, 12)[0] == full - 48 * MIB
    assert [move.actual_kib for move in result.balloon] == [16 * MIB, RAM]
    assert memory(log, 16.5)[0] == full


def test_the_same_targets_give_the_same_trajectory_on_both_kernels(run: Run) -> None:
    targets = (56, 48, 40, 33.5, 52, 64)
    steps = [balloon(3 * n + 1, round(mib * MIB), settle_s=1.5) for n, mib in enumerate(targets)]
    given = []
    for base, arch in (("2.6.24", Arch.I386), ("2.6.24", Arch.X86_64), (modern(), Arch.X86_64)):
        result, log = run(base, arch, steps, duration_s=20, sample_s=0.25)
        assert result.outcome.ok, result.outcome
        phases = log.kind(Kind.BALLOON)["phase"].tolist()
        assert phases == [BalloonPhase.REQUESTED, BalloonPhase.REACHED] * len(targets)
        full, _ = memory(log, 0.5)
        given.append([full - memory(log, 3 * n + 3)[0] for n in range(len(targets))])
    i386, x86_64, new = np.array(given)
    assert abs(i386 - new).max() <= 4
    assert abs(x86_64 - new).max() <= 4
    assert abs(new - [RAM - round(mib * MIB) for mib in targets]).max() <= 4


@pytest.mark.parametrize("arch", Arch)
def test_ours_goes_up_and_down_as_upstreams_of_the_next_release(run: Run, arch: Arch) -> None:
    """2.6.25's driver, with one changed line, is the reference for the one that 2.6.24 lacks.

    The memory that each takes away is compared all along, at the same times of the scenario, and
    the time that each needs to get there.
    """
    targets = (56, 40, 48, 33.5, 60, 36, 52, 64)
    steps = [balloon(2 * n + 1, round(mib * MIB), settle_s=1) for n, mib in enumerate(targets)]
    taken, needed, told = [], [], []
    for base in ("2.6.24", "2.6.25"):
        result, log = run(base, arch, steps, duration_s=18, sample_s=0.05)
        assert result.outcome.ok, (base, result.outcome)
        samples = log.kind(Kind.MEMINFO)
        samples = samples[samples["time_ns"] >= START * SECOND]
        taken.append(int(samples["total"][0]) - samples["total"].astype(int))
        moves = log.kind(Kind.BALLOON)
        reached = moves[moves["phase"] == BalloonPhase.REACHED]
        assert len(reached) == len(targets), base
        needed.append(reached["elapsed_ns"].astype(int))
        told.append([move.actual_kib for move in result.balloon])
    ours, upstreams = taken
    assert len(ours) == len(upstreams)
    assert set(ours.tolist()) >= {RAM - round(mib * MIB) for mib in targets}
    # Samples are 50 ms apart and a move takes about 20 ms, so each shows both at their targets.
    assert ours.tolist() == upstreams.tolist()
    assert told[0] == told[1] == [round(mib * MIB) for mib in targets]
    # MemTotal is read every 10 ms, so a small difference may be seen one reading later.
    assert abs(needed[0] - needed[1]).max() < 15_000_000  # ns
