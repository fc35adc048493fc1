"""Real guests that end in every way that a guest can end."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import Callable

import pytest
from memnotify.guest.session import run_cell
from memnotify.guest.view import Watcher
from memnotify.guest.watchdog import Limits
from memnotify.model import Finding
from memnotify.records.layout import Kind

from tests.support.sessions import (
    MIB,
    Runner,
    balloon,
    bare_metal,
    clients,
    hog,
    make_cell,
    qemus,
)

pytestmark = pytest.mark.guest


def test_an_oom_kill_is_a_finding(run: Runner) -> None:
    result, log = run(make_cell(hog(mib=200)))
    assert result.outcome.finding is Finding.OOM_KILL, result.outcome
    assert log.kind(Kind.RECLAIM)["oom_kill"].max() >= 1
    assert len(log.kind(Kind.END)) == 1


def test_a_balloon_target_that_takes_too_long_is_a_finding(run: Runner) -> None:
    result, _ = run(make_cell(balloon(at=1, mib=40, settle_ns=1)))
    assert result.outcome.finding is Finding.BALLOON, result.outcome
    assert "step 0" in result.outcome.detail


def test_a_panic_in_the_scenario_is_told_from_a_rendezvous(run: Runner) -> None:
    cell = make_cell(balloon(at=0, mib=60), hog(mib=200))
    machine = dataclasses.replace(cell.machine, kernel_args=("sysctl.vm.panic_on_oom=2",))
    result, log = run(dataclasses.replace(cell, machine=machine))
    assert result.outcome.finding is Finding.PANIC, result.outcome
    assert "Out of memory" in result.outcome.detail
    assert len(result.balloon) == 1
    assert len(log.kind(Kind.END)) == 0
    assert "Call Trace" in (run.folder / "console.log").read_text()
    assert "GUEST_PANICKED" in (run.folder / "qmp.jsonl").read_text()


def test_a_guest_without_an_init_panics(run: Runner) -> None:
    empty = run.folder.parent / "empty.cpio"
    empty.write_bytes(b"")
    run.files = dataclasses.replace(run.files, initramfs=empty)
    result, log = run(make_cell())
    assert result.outcome.finding is Finding.PANIC, result.outcome
    assert result.outcome.detail.startswith("Kernel panic - not syncing")
    assert len(log) == 0


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("fa ebfe", Limits(hang_cpu_seconds=1.5)),  # cli; 1: jmp 1b
        ("fa f4 ebfd", Limits(hang_cpu_seconds=1.5, idle_wall_seconds=2)),  # cli; 1: hlt; jmp 1b
    ],
)
def test_a_guest_that_spins_or_sleeps_with_interrupts_off_hangs(
    run: Runner, code: str, limits: Limits
) -> None:
    run.files = dataclasses.replace(run.files, kernel=bare_metal(run.folder.parent, code))
    result, log = run(make_cell(), limits=limits)
    assert result.outcome.finding is Finding.HANG, result.outcome
    assert "EIP=0010" in result.outcome.detail
    assert len(log) == 0


def test_a_guest_that_resets_itself_is_a_reboot(run: Runner) -> None:
    # lidt with a limit of 0 (from the zeros after the code), then int3: a triple fault.
    run.files = dataclasses.replace(
        run.files, kernel=bare_metal(run.folder.parent, "0f011d 40001000 cc")
    )
    result, _ = run(make_cell())
    assert result.outcome.finding is Finding.REBOOT, result.outcome


def on(stage: str, act: Callable[[int], None]) -> Callable[[str], None]:
    """Return an `on_stage` that does something to QEMU at the first stage of that name."""
    left = [stage]

    def on_stage(name: str) -> None:
        if name in left:
            left.remove(name)
            (pid,) = qemus()
            act(pid)

    return on_stage


@pytest.mark.usefixtures("no_oom_killer")
def test_a_killed_qemu_is_an_infrastructure_failure_with_the_log_kept(run: Runner) -> None:
    cell = make_cell(clients(3), balloon(at=1, mib=60), balloon(at=3, mib=64))
    kill = on("balloon 64.0 MiB", lambda pid: os.kill(pid, signal.SIGKILL))
    result, log = run(cell, on_stage=kill)
    assert result.outcome.infrastructure == "qemu-died"
    assert "SIGKILL" in result.outcome.detail
    assert len(log.kind(Kind.CLIENT)) == 3
    assert len(log.kind(Kind.END)) == 0
    assert [move.target_kib for move in result.balloon] == [60 * MIB]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_qemu_that_is_told_to_end_is_no_finding(run: Runner, number: signal.Signals) -> None:
    cell = make_cell(clients(3), balloon(at=1, mib=60), duration_s=20)
    result, log = run(cell, on_stage=on("balloon 60.0 MiB", lambda pid: os.kill(pid, number)))
    # If QEMU 7.2 is just answering a query, it may hang instead of exiting.
    assert result.outcome.infrastructure in {"qemu-died", "qmp-timeout"}
    assert len(log.kind(Kind.CLIENT)) == 3


def test_a_qemu_that_does_not_answer_is_an_infrastructure_failure(run: Runner) -> None:
    cell = make_cell(clients(1), balloon(at=1, mib=60))
    stop = on("balloon 60.0 MiB", lambda pid: os.kill(pid, signal.SIGSTOP))
    result, log = run(cell, on_stage=stop, limits=Limits(qmp_seconds=2))
    assert result.outcome.infrastructure == "qmp-timeout", result.outcome
    assert len(log.kind(Kind.CLIENT)) == 1


def test_a_qemu_that_refuses_its_machine_says_why(run: Runner) -> None:
    none = run.folder.parent / "none"
    none.write_bytes(b"no kernel")
    run.files = dataclasses.replace(run.files, kernel=none)
    result, _ = run(make_cell())
    assert result.outcome.infrastructure == "qemu-died"
    assert "linux kernel too old to load a ram disk" in result.outcome.detail


def test_a_cancelled_run_leaves_no_qemu(run: Runner) -> None:
    async def main() -> None:
        running = asyncio.Event()
        task = asyncio.create_task(
            run_cell(
                make_cell(duration_s=3600),
                files=run.files,
                folder=run.folder,
                watcher=Watcher(on_stage=lambda stage: running.set()),
            )
        )
        await running.wait()
        assert len(qemus()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert qemus() == []

    asyncio.run(main())
