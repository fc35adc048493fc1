"""Real guests that end in every way that a guest can end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memnotify.guest import mailbox, session, watchdog
from memnotify.guest.machine import load_machine
from memnotify.guest.privileges import qemu_user
from memnotify.guest.session import run_cell
from memnotify.guest.watchdog import Limits
from memnotify.model import Arch, Cell, CellResult, Finding, KernelRequest
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.scenario import (
    Balloon,
    ClientKind,
    Clients,
    FileCache,
    Hog,
    Op,
    Scenario,
    Step,
    Stop,
)

from tests.support.bases import modern

pytestmark = pytest.mark.guest

SECOND = 10**9
MIB = 1024  # KiB

Find = Callable[..., Path]


def make_cell(*steps: Step, machine: str = "pc", **changes: Any) -> Cell:
    defaults = {"start_s": 2, "duration_s": 5, "memory_mib": 64, "log_records": 20_000}
    options: dict[str, Any] = defaults | changes
    return Cell(
        request=KernelRequest(base=modern(), series="none", arch=Arch.X86_64),
        machine=load_machine(machine),
        memory_mib=options["memory_mib"],
        clients=1,
        scenario=Scenario(
            name="test",
            start_ns=options["start_s"] * SECOND,
            duration_ns=options["duration_s"] * SECOND,
            sample_ns=SECOND // 10,
            steps=steps,
        ),
        log_records=options["log_records"],
    )


def clients(count: int, kind: ClientKind = ClientKind.POLL, **fields: Any) -> Step:
    return Step(at_ns=0, action=Clients(kind=kind, count=count, **fields))


def balloon(*, at: int, mib: int, settle_ns: int = 2 * SECOND) -> Step:
    return Step(at_ns=at * SECOND, action=Balloon(target_kib=mib * MIB, settle_ns=settle_ns))


def hog(*, mib: int) -> Step:
    return Step(at_ns=SECOND, action=Hog(rate_kib_s=20 * MIB, ceiling_kib=mib * MIB))


def qemus() -> list[int]:
    """Return the child processes of this one that are not reaped."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children]


class Runner:
    """Runs cells, and checks after each whether anything was left behind."""

    def __init__(self, kernel: Path, initramfs: Path, folder: Path) -> None:
        self.kernel = kernel
        self.initramfs = initramfs
        self.folder = folder

    def __call__(
        self,
        cell: Cell,
        *,
        on_stage: Callable[[str], None] = lambda stage: None,
        limits: Limits | None = None,
    ) -> tuple[CellResult, RecordLog]:
        before = len(list(Path("/proc/self/fd").iterdir())), qemus()
        result = asyncio.run(
            run_cell(
                cell,
                kernel=self.kernel,
                initramfs=self.initramfs,
                folder=self.folder,
                on_stage=on_stage,
                limits=limits,
            )
        )
        assert (len(list(Path("/proc/self/fd").iterdir())), qemus()) == before
        assert {"records.parquet", "console.log", "qmp.jsonl"} <= {
            path.name for path in self.folder.iterdir()
        }
        log = read_records(self.folder / "records.parquet")
        assert (result.records, result.lost_records) == (len(log), log.lost)
        return result, log


@pytest.fixture
def run(kernel: Find, initramfs: Find, tmp_path: Path) -> Runner:
    return Runner(kernel("none"), initramfs(Arch.X86_64), tmp_path / "cell")


def test_it_does_not_matter_when_a_guest_is_stopped_that_ends_its_processes(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell(clients(100))
    # The log ends so long before the scenario that the guest is stopped in its teardown, or has
    # finished it before anybody looks.
    early = Limits(teardown_guest_seconds=-0.999)
    logs, ended = [], []
    for period in (0.001, 10.0):
        monkeypatch.setattr(watchdog, "_PERIOD_SECONDS", period)
        result, log = run(cell, limits=early)
        assert result.outcome.ok
        logs.append((run.folder / "records.parquet").read_bytes())
        ended.append(log.end_ns)
    whole = run(cell)[1]
    assert logs[0] == logs[1]
    assert ended[0] < whole.end_ns - 0.9 * SECOND
    kept = whole.records[: len(log)]
    assert kept.tobytes() == log.records.tobytes()


def test_the_guest_refuses_a_step_at_the_very_end_as_the_host_does(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = make_cell(balloon(at=3, mib=60))

    def encode(scenario: Scenario) -> bytes:
        """Make the scenario end at its step, which no encoder does by itself."""
        data = bytearray(mailbox.encode_scenario(scenario))
        (header,) = np.frombuffer(data, mailbox.SCENARIO_HEADER, 1)
        header["duration_ns"] = 3 * SECOND
        return bytes(header.tobytes()) + bytes(data[mailbox.SCENARIO_HEADER.itemsize :])

    monkeypatch.setattr(session, "encode_scenario", encode)
    outcome = run(cell)[0].outcome
    assert outcome.finding is Finding.AGENT
    assert "order of steps" in outcome.detail


def test_a_squeezed_guest_gives_its_whole_log(run: Runner) -> None:
    stages: list[str] = []
    seen: dict[str, str] = {}

    def on_stage(stage: str) -> None:
        stages.append(stage)
        if stage == "run":
            (pid,) = qemus()
            text = Path(f"/proc/{pid}/status").read_text()
            for line in text.splitlines():
                name, value = line.split(":\t", 1)
                seen[name] = value

    cell = make_cell(clients(3), balloon(at=1, mib=56), balloon(at=3, mib=64), machine="pc-swap")
    result, log = run(cell, on_stage=on_stage)
    assert result.outcome.ok, result.outcome
    account = qemu_user().account
    uid = os.geteuid() if account is None else account.pw_uid
    assert seen["Uid"].split() == [str(uid)] * 4
    assert (result.qemu_uid, seen["NoNewPrivs"], seen["Seccomp"]) == (uid, "1", "2")
    assert account is None or (seen["Groups"].strip(), int(seen["CapEff"], 16)) == ("", 0)
    assert stages == ["boot", "run", "balloon 56.0 MiB", "run", "balloon 64.0 MiB", "run"]
    assert result.guest_ns == log.end_ns >= 7 * SECOND
    assert len(log.kind(Kind.CLIENT)) == 3
    assert log.kind(Kind.BOOT)["swap_kib"][0] > 120 * MIB
    assert log.torn == 0
    assert [move.target_kib for move in result.balloon] == [56 * MIB, 64 * MIB]
    for move in result.balloon:
        assert move.actual_kib == move.target_kib
        assert move.settled_ns is not None and move.settled_ns > move.requested_ns
        assert move.query_seconds is not None and 0 < move.query_seconds < 60
    # The guest's view of the balloon matches what the host did.
    totals = log.kind(Kind.MEMINFO)["total"]
    assert totals.max() - totals.min() == 8 * MIB
    assert result.versions["kernel"].startswith(f"{modern()}.")
    assert result.qemu_cpu_seconds > 0
    transcript = [json.loads(line) for line in (run.folder / "qmp.jsonl").read_text().splitlines()]
    assert {"in", "out"} == {entry["direction"] for entry in transcript}
    assert all(entry["seconds"] >= 0 for entry in transcript)


def test_clients_that_give_back_or_leave_and_what_presses_and_is_stopped(
    run: Runner, kernel: Find
) -> None:
    run.kernel = kernel("v4")
    cell = make_cell(
        clients(3, ClientKind.RELEASE, cache_kib=1024, give_back_kib=256),
        clients(2, ClientKind.EXIT),
        Step(at_ns=SECOND, action=Hog(rate_kib_s=3 * MIB, ceiling_kib=140 * MIB)),
        Step(at_ns=SECOND, action=FileCache(rate_kib_s=MIB, total_kib=4 * MIB)),
        balloon(at=5, mib=54),
        Step(at_ns=26 * SECOND, action=Stop(what=Op.HOG)),
        machine="pc-swap-disk",
        start_s=10,  # before that, v4 wakes nobody
        duration_s=28,
    )
    result, log = run(cell)
    assert result.outcome.ok, result.outcome
    kinds, who = log.records["kind"], log.records["client"]
    released, exits = log.kind(Kind.RELEASE), log.kind(Kind.EXIT)

    for client in range(3):
        mine = kinds[(who == client) & np.isin(kinds, (Kind.WAKEUP, Kind.RELEASE))]
        gifts = released[released["client"] == client]
        assert len(gifts) >= 2
        assert mine.tolist() == [Kind.WAKEUP, Kind.RELEASE] * len(gifts)
        assert set(gifts["given_kib"]) == {256}
        assert gifts["left_kib"].tolist() == [1024 - 256 * (n + 1) for n in range(len(gifts))]

    for client in (3, 4):
        assert np.count_nonzero((who == client) & (kinds == Kind.WAKEUP)) == 1
        (left,) = exits[exits["client"] == client]
        assert (left["code"], left["signal"], left["sent_by_agent"]) == (0, 0, 0)

    read = log.kind(Kind.FILECACHE)
    assert set(read["errno"]) == {0}
    assert 0 < read["read_kib"][0] < read["read_kib"][-1] == 4 * MIB
    (reader,) = exits[exits["op"] == Op.FILECACHE]
    assert (reader["code"], reader["signal"]) == (0, 0)

    (hog,) = exits[exits["op"] == Op.HOG]
    assert (hog["signal"], hog["sent_by_agent"]) == (signal.SIGKILL, 1)
    assert hog["time_ns"] >= (10 + 26) * SECOND
    assert not log.kind(Kind.RECLAIM)["oom_kill"].any()


def test_a_log_that_overflows_says_so(run: Runner) -> None:
    result, log = run(make_cell(log_records=50))
    assert result.outcome.ok, result.outcome
    assert len(log) == 50
    assert result.lost_records > 100
    assert log.torn == 0


@pytest.mark.parametrize("log_records", [5_000, 200_000, 2_000_000, 5_000_000])
def test_slram_swaps_to_its_own_memory_whatever_the_size_of_the_log(
    run: Runner, log_records: int
) -> None:
    cell = make_cell(hog(mib=80), machine="pc-swap", log_records=log_records)
    result, log = run(cell)
    assert result.outcome.ok, result.outcome
    (boot,) = log.kind(Kind.BOOT)
    assert boot["swap_kib"] == 128 * MIB - 4
    assert log.kind(Kind.RECLAIM)["pswpout"][-1] > 1000
    assert log.torn == 0


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
    run.initramfs = run.folder.parent / "empty.cpio"
    run.initramfs.write_bytes(b"")
    result, log = run(make_cell())
    assert result.outcome.finding is Finding.PANIC, result.outcome
    assert result.outcome.detail.startswith("Kernel panic - not syncing")
    assert len(log) == 0


def bare_metal(folder: Path, code: str) -> Path:
    """Return a multiboot image of 32-bit code, which QEMU starts with interrupts off."""
    magic, flags, base = 0x1BADB002, 0x10000, 0x100000
    size = 32 + len(bytes.fromhex(code))
    header = (magic, flags, -(magic + flags) % 2**32, base, base, base + size, 0, base + 32)
    path = folder / "bare"
    words = b"".join(word.to_bytes(4, "little") for word in header)
    path.write_bytes((words + bytes.fromhex(code)).ljust(8192, b"\0"))
    return path


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
    run.kernel = bare_metal(run.folder.parent, code)
    result, log = run(make_cell(), limits=limits)
    assert result.outcome.finding is Finding.HANG, result.outcome
    assert "EIP=0010" in result.outcome.detail
    assert len(log) == 0


def test_a_guest_that_resets_itself_is_a_reboot(run: Runner) -> None:
    # lidt with a limit of 0 (from the zeros after the code), then int3: a triple fault.
    run.kernel = bare_metal(run.folder.parent, "0f011d 40001000 cc")
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
    run.kernel = run.folder.parent / "none"
    run.kernel.write_bytes(b"no kernel")
    result, _ = run(make_cell())
    assert result.outcome.infrastructure == "qemu-died"
    assert "linux kernel too old to load a ram disk" in result.outcome.detail


def test_a_cancelled_run_leaves_no_qemu(run: Runner) -> None:
    async def main() -> None:
        running = asyncio.Event()
        task = asyncio.create_task(
            run_cell(
                make_cell(duration_s=3600),
                kernel=run.kernel,
                initramfs=run.initramfs,
                folder=run.folder,
                on_stage=lambda stage: running.set(),
            )
        )
        await running.wait()
        assert len(qemus()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert qemus() == []

    asyncio.run(main())
