"""When the host gives up on a guest."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from memnotify.errors import InfrastructureError
from memnotify.guest import watchdog as module
from memnotify.guest.machine import load_machine
from memnotify.guest.rendezvous import End
from memnotify.guest.watchdog import CpuClock, Limits, log_ends_ns, watch
from memnotify.model import Arch, Cell, Finding, KernelRequest
from memnotify.scenario import ClientKind, Clients, Scenario, Step

SECOND = 10**9
SCENARIO = Scenario(
    name="short", start_ns=10 * SECOND, duration_ns=400 * SECOND, sample_ns=1, steps=()
)
CELL = Cell(
    request=KernelRequest(base="6.1", series="none", arch=Arch.X86_64),
    machine=load_machine("pc"),
    memory_mib=0,
    clients=0,
    scenario=SCENARIO,
)
REGISTERS = "CPU#0\r\nRIP=ffffffff81000000 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"


class FakeQemu:
    """Region, monitor and CPU clock of a guest whose state is a function of the number of looks."""

    def __init__(
        self,
        *,
        progress: Callable[[int], int] = lambda look: 0,
        cpu: Callable[[int], float] = lambda look: 0.0,
        newest: Callable[[int], int] = lambda look: 0,
        beats: Callable[[int], int] = lambda look: 0,
        ended: Callable[[int], int] = lambda look: 0,
    ) -> None:
        self._progress, self._cpu, self._newest, self._beats = progress, cpu, newest, beats
        self._ended = ended
        self.looks = 0
        self.commands: list[str] = []

    def progress(self) -> tuple[int, int, int, int]:
        return self._progress(self.looks), 0, 0, self.beats()

    def beats(self) -> int:
        return self._beats(self.looks)

    def newest_ns(self) -> int:
        return self._newest(self.looks) * SECOND

    def ended_ns(self) -> int:
        return self._ended(self.looks) * SECOND

    def read(self) -> float:
        self.looks += 1
        return self._cpu(self.looks)

    async def execute(self, command: str, **arguments: Any) -> Any:
        self.commands.append(command)
        return REGISTERS if command == "human-monitor-command" else {}


class Enough(Exception):
    """The guest has been watched for as long as the test wants."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PERIOD_SECONDS", 0.001)


def give_up(
    fake: FakeQemu, limits: Limits, *, patience: float = 5, cell: Cell = CELL
) -> End | None:
    """Return the end, or None if the watch goes on."""

    async def main() -> End | None:
        try:
            async with asyncio.timeout(patience):
                return await watch(
                    region=fake,  # type: ignore[arg-type]
                    cpu=fake,  # type: ignore[arg-type]
                    monitor=fake,  # type: ignore[arg-type]
                    cell=cell,
                    limits=limits,
                )
        except TimeoutError:
            return None

    return asyncio.run(main())


def test_cpu_time_without_progress_is_a_hang_with_evidence() -> None:
    fake = FakeQemu(cpu=lambda look: look * 0.5)
    end = give_up(fake, Limits(hang_cpu_seconds=60))
    assert end is not None and end.finding is Finding.HANG
    assert fake.looks in (121, 122)
    assert "RIP=ffffffff81000000" in end.detail and "HLT=1" in end.detail
    assert fake.commands == ["stop", "query-cpus-fast", "human-monitor-command"]


def test_progress_starts_the_count_anew() -> None:
    def progress(look: int) -> int:
        if look > 300:
            raise Enough
        return look // 100

    fake = FakeQemu(cpu=lambda look: look * 0.5, progress=progress)
    with pytest.raises(Enough):
        give_up(fake, Limits(hang_cpu_seconds=60))


def test_a_busy_host_does_not_make_a_guest_hang() -> None:
    # The guest gets hardly any CPU, but only its own time counts.
    fake = FakeQemu(cpu=lambda look: look * 0.01)
    assert give_up(fake, Limits(idle_wall_seconds=0.05), patience=0.5) is None


def test_a_qemu_that_takes_no_cpu_at_all_is_given_up_by_the_wall_clock() -> None:
    end = give_up(FakeQemu(), Limits(idle_wall_seconds=0.05))
    assert end is not None and end.finding is Finding.HANG


def test_a_guest_whose_init_is_stuck_at_its_end_is_given_up() -> None:
    # Its clients make progress: there is a new record each time.
    fake = FakeQemu(
        progress=lambda look: look, newest=lambda look: 10 * look, cpu=lambda look: look * 0.5
    )
    end = give_up(fake, Limits(overdue_guest_seconds=100, hang_cpu_seconds=60))
    assert end is not None and end.finding is Finding.HANG
    # Guest time alone would have been enough after 52 looks; CPU time takes 121.
    assert fake.looks in (121, 122)
    assert "s the guest has not ended its scenario of 410 s" in end.detail
    assert "no sign of init for 60 CPU seconds" in end.detail


def test_a_guest_that_is_slow_to_end_its_processes_is_let_go_on() -> None:
    def beats(look: int) -> int:
        if look > 1000:
            raise Enough
        return look // 100

    fake = FakeQemu(beats=beats, newest=lambda look: 10 * look, cpu=lambda look: look * 0.5)
    with pytest.raises(Enough):
        give_up(fake, Limits(overdue_guest_seconds=100, hang_cpu_seconds=60))


def test_processes_that_take_too_long_to_end_are_not_waited_for() -> None:
    fake = FakeQemu(
        progress=lambda look: look,
        newest=lambda look: 10 * look,
        ended=lambda look: 412 if look > 41 else 0,
    )
    end = give_up(fake, Limits(teardown_guest_seconds=30))
    assert end == End(
        detail="its processes had not all ended 30 s after the scenario; the log ends there"
    )
    # Not at 440 s: records up to 442 s are part of the log, and one more second is allowed.
    assert fake.looks == 45 and fake.commands == ["stop"]


def test_a_guest_that_says_too_early_that_it_is_over_is_not_believed() -> None:
    def newest(look: int) -> int:
        if look > 1000:
            raise Enough
        return 400

    fake = FakeQemu(progress=lambda look: look, newest=newest, ended=lambda look: 100)
    with pytest.raises(Enough):
        give_up(fake, Limits(teardown_guest_seconds=30))
    assert log_ends_ns(CELL, 409 * SECOND, Limits()) is None
    assert log_ends_ns(CELL, 410 * SECOND, Limits()) == 470 * SECOND


@pytest.mark.parametrize(
    ("clients", "sample_s", "memory_mib", "cpu_seconds"),
    [(1, 0, 0, 60), (12_000, 0, 0, 180), (1, 60, 0, 2460), (1, 0, 16_384, 540)],
)
def test_many_processes_rare_samples_and_much_memory_take_longer_to_be_dead(
    clients: int, sample_s: int, memory_mib: int, cpu_seconds: int
) -> None:
    scenario = dataclasses.replace(
        SCENARIO,
        sample_ns=sample_s * SECOND + 1,
        steps=(
            Step(
                at_ns=0,
                action=Clients(kind=ClientKind.EXIT, count=clients, cache_kib=1024, spacing_ns=1),
            ),
        ),
    )
    cell = dataclasses.replace(CELL, scenario=scenario, memory_mib=memory_mib)
    fake = FakeQemu(cpu=lambda look: look * 0.5)
    end = give_up(fake, Limits(hang_cpu_seconds=60), cell=cell, patience=60)
    assert end is not None and end.finding is Finding.HANG
    assert cpu_seconds <= fake.looks * 0.5 <= cpu_seconds + 2


def test_a_guest_that_runs_is_asked_nothing() -> None:
    fake = FakeQemu(progress=lambda look: look, cpu=lambda look: look)
    assert give_up(fake, Limits(), patience=0.2) is None
    assert fake.looks > 10 and fake.commands == []


def test_cpu_seconds_are_remembered_when_the_process_is_gone() -> None:
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as busy:
        clock = CpuClock(busy.pid)
        while clock.read() < 0.1:
            time.sleep(0.05)
        busy.kill()
        before = clock.read()
    assert clock.read() == before >= 0.1


class Silent(FakeQemu):
    async def execute(self, command: str, **arguments: Any) -> Any:
        raise InfrastructureError("qmp-timeout", "QEMU did not answer 'stop' within 20 s")


def test_a_guest_that_keeps_qemu_from_answering_hangs() -> None:
    end = give_up(Silent(cpu=lambda look: look * 0.5), Limits(hang_cpu_seconds=60))
    assert end is not None and end.finding is Finding.HANG
    assert end.detail.endswith("QEMU did not answer 'stop' within 20 s")


def test_a_qemu_that_does_nothing_and_does_not_answer_is_no_guest_that_hangs() -> None:
    with pytest.raises(InfrastructureError):
        give_up(Silent(), Limits(idle_wall_seconds=0.05))
