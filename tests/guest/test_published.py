"""The published experiments for today's kernel (2.6.24: docs/explanation/reproduction.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.check.experiment import Figures, figures
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.model import Arch, BootFiles, Cell, Finding, KernelRequest, Outcome
from memnotify.records.parquet import read_records
from memnotify.scenario import ClientKind, Clients, FileCache, Habit, Hog, Scenario, Step

from tests.support.bases import modern
from tests.support.squeezed import MIB, SECOND

pytestmark = pytest.mark.guest

MS = SECOND // 1000

Run = Callable[[Cell], tuple[Outcome, Figures]]


@pytest.fixture
def run(kernel: Callable[..., Path], initramfs: Callable[..., Path], tmp_path: Path) -> Run:
    def run(cell: Cell) -> tuple[Outcome, Figures]:
        bzimage = kernel(cell.request.series, cell.request.arch, cell.request.base)
        folder = tmp_path / cell.request.series
        folder.mkdir()
        image = initramfs(cell.request.arch)
        result = asyncio.run(
            run_cell(cell, files=BootFiles(kernel=bzimage, initramfs=image), folder=folder)
        )
        assert result.lost_records == 0
        return result.outcome, figures(read_records(folder / "records.parquet"))

    return run


def test_d_the_cache_drains_and_the_oom_killer_comes(run: Run) -> None:
    # Different from the campaign: a present-day kernel neither reclaims ramfs nor has another HZ.
    habits = Habit.FROM_THE_START | Habit.MEMINFO
    ring = Clients(
        kind=ClientKind.CIRCULAR,
        count=1,
        cache_kib=1000 * MIB,
        give_back_kib=911 * 4,
        step_kib=40,
        pause_ns=5 * MS,
        give_back_after_ns=100 * MS,
        habits=habits,
        text_kib=376,
    )
    steps = (
        Step(at_ns=0, action=FileCache(rate_kib_s=64 * MIB, total_kib=128 * MIB)),
        Step(at_ns=4 * SECOND, action=ring),
    )
    outcome, found = run(on("pc-disk", "v6", clients=1, memory_mib=128, steps=steps))
    assert outcome.finding is Finding.OOM_KILL
    assert found.oom_kills == 1
    assert found.least_cache_mib is not None
    assert found.least_cache_mib <= 4
    if modern() != "6.1":
        return  # 6.12 tells earlier, and more often (patches/mem_notify/v6/6.12/README.md)
    # Unlike 2.6.24: without swap, 6.1 only turns to anonymous pages when no cache is left.
    assert found.wakeups <= 1
    if found.wakeups:  # the OOM kill may come before anyone is woken
        assert found.cache_mib_at_first_wakeup is not None
        assert found.cache_mib_at_first_wakeup <= 4


def on(
    machine: str,
    series: str,
    *,
    clients: int,
    memory_mib: int,
    steps: tuple[Step, ...],
    base: str = "",
) -> Cell:
    return Cell(
        request=KernelRequest(base=base or modern(), series=series, arch=Arch.X86_64),
        machine=load_machine(machine),
        memory_mib=memory_mib,
        clients=clients,
        scenario=Scenario(
            name="small",
            start_ns=10 * SECOND,
            duration_ns=(40 if machine == "pc-disk" else 12) * SECOND,
            sample_ns=SECOND // 10,
            steps=steps,
        ),
        log_records=30_000,
    )


def test_c_what_allocates_says_how_many_steps_it_had_finished(run: Run) -> None:
    # Nothing else would stop it from allocating more than fits: 150 MiB, with 64 and 128 of swap.
    steps = Clients(
        kind=ClientKind.ALLOCATE,
        count=1,
        cache_kib=150 * MIB,
        step_kib=10 * MIB,
        pause_ns=SECOND,
        habits=Habit.LEAVE,
    )
    grow = Step(at_ns=0, action=steps)
    outcome, found = run(on("pc-swap", "v4", clients=1, memory_mib=64, steps=(grow,)))
    assert outcome.ok
    assert found.told_at_mib is not None
    assert found.told_at_mib % 10 == 0
    assert 30 <= found.told_at_mib <= 60
    assert (found.swap_grew_mib or 0) <= 10


def herd(series: str) -> Cell:
    """Return 40 processes of 1 MiB that leave when woken, and a hog that needs their memory."""
    told = Clients(kind=ClientKind.EXIT, count=40, cache_kib=MIB, spacing_ns=SECOND // 100)
    steps = (
        Step(at_ns=0, action=told),
        Step(at_ns=2 * SECOND, action=Hog(rate_kib_s=4 * MIB, ceiling_kib=40 * MIB)),
    )
    return on("pc-swap", series, clients=40, memory_mib=80, steps=steps, base="6.1")


# Not on 6.12, which turns it round: v3 tells 20 of them and v4 tells 8
# (docs/explanation/reproduction.md).
def test_a_v3_tells_few_and_swaps_more_than_v4_which_tells_more(run: Run) -> None:
    found = {}
    for series in ("v3", "v4"):
        outcome, found[series] = run(herd(series))
        assert outcome.ok
    swapped = {series: figure.swap_grew_mib or 0 for series, figure in found.items()}
    assert swapped["v3"] >= 10
    # A few free pages decide whether v4 swaps 0.25 MiB or 11 to 19
    # (docs/explanation/reproduction.md); with every seed it has been 5.7 MiB less than v3, or more.
    assert swapped["v4"] < swapped["v3"] - 3
    # The first to leave free memory, so for v3's other clients the sum is no longer low.
    assert 1 <= found["v3"].clients_woken < found["v4"].clients_woken <= 40
