"""Real guests that start from templates, and what is left if a process dies in the meantime."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InfrastructureError
from memnotify.guest import snapshots
from memnotify.guest.machine import load_machine
from memnotify.guest.qmp import Monitor
from memnotify.guest.template import Template
from memnotify.guest.templates import KIND, Templates
from memnotify.model import Arch, BootFiles, Cell, CellResult, Finding, KernelRequest
from memnotify.records.difference import first_difference
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.run.need import QEMU_MIB
from memnotify.scenario import Balloon, ClientKind, Clients, Hog, Scenario, Step
from memnotify.store import Store

from tests.support.bases import modern
from tests.support.guests import run_from, template_of
from tests.support.processes import alive

pytestmark = pytest.mark.guest

ROOT = Path(__file__).parents[2]
SECOND = 10**9
MIB = 1024  # KiB

CLIENTS = Step(at_ns=0, action=Clients(kind=ClientKind.POLL, count=20, spacing_ns=SECOND // 1000))
HOG = Step(at_ns=SECOND, action=Hog(rate_kib_s=6 * MIB, ceiling_kib=100 * MIB))
SMALL_HOG = Step(at_ns=SECOND, action=Hog(rate_kib_s=20 * MIB, ceiling_kib=20 * MIB))
SQUEEZE = Step(at_ns=4 * SECOND, action=Balloon(target_kib=56 * MIB, settle_ns=2 * SECOND))
RELEASE = Step(at_ns=8 * SECOND, action=Balloon(target_kib=64 * MIB, settle_ns=2 * SECOND))


def make_cell(*steps: Step, machine: str = "pc", series: str = "none", **changes: Any) -> Cell:
    cell = Cell(
        request=KernelRequest(base=modern(), series=series, arch=Arch.X86_64),
        machine=load_machine(machine),
        memory_mib=64,
        clients=20,
        scenario=Scenario(
            name="test",
            start_ns=10 * SECOND,
            duration_ns=(steps[-1].at_ns if steps else 0) + 3 * SECOND,
            sample_ns=SECOND // 10,
            steps=steps,
        ),
        log_records=20_000,
    )
    return dataclasses.replace(cell, **changes)


def qemus() -> list[int]:
    """Return the child processes of this one that are not reaped."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children]


class Bench:
    """Guests of one kernel, with templates in a separate store."""

    def __init__(self, kernel: Path, initramfs: Path, folder: Path) -> None:
        self.files = BootFiles(kernel=kernel, initramfs=initramfs)
        self.folder = folder
        self.templates = Templates(Store(folder / "store"))

    def template(self, cell: Cell) -> Template | None:
        return template_of(self.files, cell, self.templates)

    def run(self, cell: Cell, start: Template | None) -> tuple[CellResult, RecordLog]:
        folder = self.folder / "cell"
        result = run_from(start, self.files, cell, folder=folder)
        assert qemus() == []
        return result, read_records(folder / "records.parquet")

    def both(self, cell: Cell) -> RecordLog:
        """Run a cell cold, and from its template. Return the log, which is the same."""
        start = self.template(cell)
        assert start is not None
        cold, _ = self.run(cell, None)
        assert cold.outcome.ok, cold.outcome
        assert cold.template is None
        records = self.folder / "cell" / "records.parquet"
        kept = records.rename(self.folder / "cold.parquet")
        warm, log = self.run(cell, start)
        assert (warm.outcome, warm.template) == (cold.outcome, start.key)
        assert warm.start_seconds is not None and cold.start_seconds is not None
        assert warm.start_seconds < cold.start_seconds
        assert first_difference(kept, records) is None
        return log


@pytest.fixture
def bench(
    kernel: Callable[..., Path], initramfs: Callable[..., Path], tmp_path: Path
) -> Callable[[str], Bench]:
    return lambda series: Bench(kernel(series), initramfs(Arch.X86_64), tmp_path)


def test_restored_or_cold_under_pressure_and_with_a_balloon(bench: Callable[[str], Bench]) -> None:
    log = bench("v4").both(make_cell(CLIENTS, HOG, SQUEEZE, RELEASE, machine="pc-swap"))
    assert len(log.kind(Kind.WAKEUP)) >= 20
    assert log.kind(Kind.RECLAIM)["pswpout"][-1] > 1000
    assert set(log.kind(Kind.BALLOON)["phase"]) == {1, 2}


def test_restored_or_cold_without_swap_from_memory_that_is_shared(
    bench: Callable[[str], Bench],
) -> None:
    log = bench("none").both(make_cell(CLIENTS, SMALL_HOG))
    assert len(log.kind(Kind.CLIENT)) == 20


def test_a_restored_guest_has_the_console_of_its_boot(bench: Callable[[str], Bench]) -> None:
    there, cell = bench("none"), make_cell()
    machine = dataclasses.replace(cell.machine, kernel_args=("ignore_loglevel",))
    cell = dataclasses.replace(cell, machine=machine, hardware="talkative")
    start = there.template(cell)
    result, _ = there.run(cell, start)
    assert result.outcome.ok, result.outcome
    assert result.template is not None
    console = (there.folder / "cell/console.log").read_text()
    assert f"Linux version {modern()}." in console
    assert "Run /init as init process" in console


def test_a_guest_that_is_never_ready_boots_and_is_a_finding(bench: Callable[[str], Bench]) -> None:
    there = bench("none")
    there.files = dataclasses.replace(there.files, initramfs=there.folder / "empty.cpio")
    there.files.initramfs.write_bytes(b"")
    cell = make_cell()
    start = there.template(cell)
    assert start is None
    assert list((there.folder / "store" / KIND).iterdir()) == []
    result, _ = there.run(cell, start)
    assert result.outcome.finding is Finding.PANIC


@pytest.mark.usefixtures("no_oom_killer")
def test_a_qemu_that_dies_while_it_saves_or_is_restored(
    bench: Callable[[str], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(monitor: Monitor, file: Path) -> None:
        (pid,) = qemus()
        os.kill(pid, signal.SIGKILL)
        await save(monitor, file)

    save = snapshots.save
    there, cell = bench("none"), make_cell()
    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "save", killed)
        with pytest.raises(InfrastructureError, match="SIGKILL") as caught:
            there.template(cell)
    assert caught.value.kind == "qemu-died"
    assert list((there.folder / "store" / KIND).iterdir()) == []

    start = there.template(cell)
    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "load", killed)
        result, _ = there.run(cell, start)
    assert result.outcome.infrastructure == "qemu-died"
    result, _ = there.run(cell, start)
    assert result.outcome.ok, result.outcome


# Stops where `argv[1]` says, prints which QEMU it has, and waits to be killed.
_ORCHESTRATOR = """
import asyncio, os, sys
from pathlib import Path
from memnotify.guest import snapshots
from tests.guest.test_template import Bench, make_cell, qemus

async def stops(monitor, file):
    print(*qemus(), flush=True)
    await asyncio.sleep(600)

setattr(snapshots, sys.argv[1], stops)
bench = Bench(*map(Path, sys.argv[2:]))
bench.run(make_cell(), bench.template(make_cell()))
"""


@pytest.mark.parametrize("command", ["save", "load"])
def test_nothing_is_left_of_an_orchestrator_that_is_killed(
    bench: Callable[[str], Bench], command: str
) -> None:
    there = bench("none")
    argv = [sys.executable, "-c", _ORCHESTRATOR, command]
    paths = (there.files.kernel, there.files.initramfs, there.folder)
    with subprocess.Popen([*argv, *paths], stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        (pid,) = map(int, child.stdout.readline().split())
        assert Path(f"/proc/{pid}").exists()
        child.kill()
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline, "QEMU has outlived the orchestrator"
        time.sleep(0.05)
    assert there.template(make_cell()) is not None
    assert len(list((there.folder / "store" / KIND).iterdir())) == 1
    left = {path.name for path in (there.folder / "cell").glob("*")}
    assert left <= {"console.log", "machine.cfg", "qemu.log", "qmp.jsonl"}


def test_a_full_guest_takes_its_memory_once_however_it_starts(
    bench: Callable[[str], Bench],
) -> None:
    there = bench("v4")
    hog = Step(at_ns=SECOND, action=Hog(rate_kib_s=100 * MIB, ceiling_kib=150 * MIB))
    cell = make_cell(hog, memory_mib=256)
    start = there.template(cell)
    assert start is not None
    cold, _ = there.run(cell, None)
    before = start.bytes
    warm, _ = there.run(cell, start)
    assert (cold.outcome.ok, warm.outcome.ok) == (True, True)
    assert 150 < warm.memory_mib <= 1.1 * cold.memory_mib
    assert warm.memory_mib < 256 + QEMU_MIB
    # Nor has the template grown.
    assert sum(os.fstat(fd).st_blocks * 512 for fd in start._files.values()) == before
