"""Real guests that are held at a finding, and then go on."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess

import pytest
from memnotify.guest.held import Held, Holder
from memnotify.guest.session import run_cell
from memnotify.guest.view import Watcher
from memnotify.guest.watchdog import Limits
from memnotify.model import Finding
from memnotify.records.log import RecordLog

from tests.support.sessions import Runner, balloon, bare_metal, clients, hog, make_cell, qemus

pytestmark = pytest.mark.guest


class Looker:
    """Holds a guest for longer than the watchdog would wait, and notes what it saw."""

    def __init__(self, *gdb: str, seconds: float = 0.0) -> None:
        self.seen: list[Held] = []
        self.said = ""
        self.running: list[bool] = []
        self._gdb = gdb
        self._seconds = seconds

    async def hold(self, held: Held) -> None:
        self.seen.append(held)
        assert held.gdb is not None and not held.gdb.is_used
        if self._gdb:
            orders = (f"target remote {held.gdb.path}", *self._gdb)
            words = [word for order in orders for word in ("-ex", order)]
            done = await asyncio.to_thread(
                subprocess.run,
                ["gdb", "-q", "-nx", "-batch", *words],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            self.said += done.stdout
        for _ in range(2):
            await asyncio.sleep(max(self._seconds, 0.7))
            state = await held.monitor.execute("query-status")
            self.running.append(state["running"])

    @property
    def holder(self) -> Holder:
        return Holder(hold=self.hold)


def test_a_guest_that_is_held_wrote_the_same_records_and_goes_on(run: Runner) -> None:
    cell = make_cell(clients(3), balloon(at=0, mib=60), hog(mib=200))
    usual, plain = run(cell)
    looker = Looker("stepi", "stepi", "x/i $pc", seconds=1.5)
    limits = Limits(hang_cpu_seconds=60, idle_wall_seconds=2)
    result, log = run(cell, holder=looker.holder, limits=limits)
    assert result.outcome.finding is Finding.OOM_KILL
    (held,) = looker.seen
    assert held.reasons[0].startswith("oom-kill: ")  # of the log or, if it is earlier, the console
    assert not held.ended and 0 < held.record < len(log) - 1
    assert "=> 0x" in looker.said
    assert looker.running == [False] * 2  # though gdb has detached
    # Afterwards, time stamps may differ by some hundred nanoseconds.
    before = slice(held.record)
    assert log.records[before].tobytes() == plain.records[before].tobytes()
    assert result.held and result.guest_ns == pytest.approx(usual.guest_ns, rel=0.01)


def test_a_panic_is_looked_at_where_it_is(run: Runner) -> None:
    cell = make_cell(balloon(at=0, mib=60), hog(mib=200))
    machine = dataclasses.replace(cell.machine, kernel_args=("sysctl.vm.panic_on_oom=2",))
    looker = Looker("x/i $pc")
    result, _ = run(dataclasses.replace(cell, machine=machine), holder=looker.holder)
    assert result.outcome.finding is Finding.PANIC
    # If the console has it first, the guest is held before QEMU has said that it ended.
    assert looker.seen
    assert any("panic: Kernel panic" in reason for held in looker.seen for reason in held.reasons)
    assert "=> 0xffffffff8" in looker.said
    assert result.wall_seconds < 60


def test_a_hang_is_looked_at_where_it_is(run: Runner) -> None:
    run.files = dataclasses.replace(
        run.files,
        kernel=bare_metal(run.folder.parent, "fa ebfe"),  # cli; 1: jmp 1b
    )
    looker = Looker("x/i $pc")
    result, _ = run(make_cell(), limits=Limits(hang_cpu_seconds=1.5), holder=looker.holder)
    assert result.outcome.finding is Finding.HANG
    (held,) = looker.seen
    assert held.ended and held.reasons[0].startswith("hang: no record")
    assert "=> 0x100021:\tjmp" in looker.said


def test_a_guest_without_findings_is_held_only_for_what_else_its_log_has(run: Runner) -> None:
    looker = Looker()
    asked: list[int] = []

    def nothing(log: RecordLog) -> list[str]:
        asked.append(len(log))
        return []

    _, log = run(make_cell(clients(1)), holder=Holder(hold=looker.hold, more=nothing))
    assert (looker.seen, asked) == ([], [len(log)])
    odd = Holder(hold=looker.hold, more=lambda log: ["odd"])
    result, log = run(make_cell(clients(1)), holder=odd)
    (held,) = looker.seen
    assert (held.ended, held.reasons, held.record) == (True, ("odd",), len(log) - 1)
    assert not result.held  # its records were written already


def test_a_run_that_is_ended_while_a_guest_is_held_leaves_no_qemu(run: Runner) -> None:
    async def main() -> None:
        is_held = asyncio.Event()

        async def hold(held: Held) -> None:
            is_held.set()
            await asyncio.Event().wait()

        watcher = Watcher(holder=Holder(hold=hold))
        cell = make_cell(hog(mib=200), duration_s=3600)
        task = asyncio.create_task(
            run_cell(cell, files=run.files, folder=run.folder, watcher=watcher)
        )
        await is_held.wait()
        assert len(qemus()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert qemus() == []

    asyncio.run(main())
