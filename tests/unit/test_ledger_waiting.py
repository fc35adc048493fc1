"""Guests that wait: for the gate, for each other, and for memory that other programs have."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from memnotify.errors import InfrastructureError
from memnotify.run.ledger import Ledger
from memnotify.run.need import Need

from tests.support.ledgers import HOLDER, TWO, claimed, claims, hold, places, shut, until

pytestmark = pytest.mark.usefixtures("host_with_room")


def test_a_shut_gate_blocks_no_loop(tmp_path: Path) -> None:
    async def main() -> None:
        one, two = (Ledger(tmp_path, capacity=TWO) for _ in range(2))
        with shut(tmp_path, seconds=20), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), one.claim(TWO):
                pass
        async with one.claim(Need(50, 1)):
            with shut(tmp_path, seconds=20), pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), two.claim(Need(50, 1)):
                    pass
        async with asyncio.timeout(5), two.claim(TWO):
            pass

    asyncio.run(main())
    assert not places(tmp_path)


def test_who_finds_the_gate_shut_comes_before_who_finds_it_open(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, capacity=TWO)
    got: list[str] = []

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            with shut(tmp_path):
                for name in "abc":
                    group.create_task(hold(ledger, TWO, 0, got, name))
                await asyncio.sleep(0)
            group.create_task(hold(ledger, Need(1, 1), 0, got, "d"))

    asyncio.run(main())
    assert got == list("abcd")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_who_waits_and_is_dead_or_stopped_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    held = Ledger(tmp_path, capacity=TWO)._try(Need(50, 1))
    assert held is not None
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)]) as waiter:
        try:
            until(lambda: waiter.poll() is not None or bool(places(tmp_path)))
            assert not claimed(tmp_path, seconds=0.3)
            with shut(tmp_path):  # a process stopped in the gate blocks everybody
                waiter.send_signal(number)
            monkeypatch.setattr("memnotify.run.claims._PASSED_OVER_S", 1.0)
            assert claimed(tmp_path, seconds=10)
        finally:
            waiter.kill()
    os.close(held)


def test_who_waits_for_others_for_long_is_told_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.ledger._LONG_S", 0.01)
    one, two = (Ledger(tmp_path, capacity=TWO) for _ in range(2))
    told: list[str] = []

    async def main() -> None:
        async with one.claim(TWO):
            for ledger, name in ((two, "another"), (one, "the same")):
                with pytest.raises(TimeoutError):
                    async with (
                        asyncio.timeout(0.3),
                        ledger.claim(TWO, waiting=partial(told.append, name)),
                    ):
                        pass
        with shut(tmp_path), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), one.claim(TWO, waiting=lambda: told.append("gate")):
                pass

    asyncio.run(main())
    assert told == ["another", "gate"]


class HostMemory:
    """The host's available memory, made up: each call takes one value, and the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *mib: int) -> None:
        self.mib = list(mib)
        monkeypatch.setattr("memnotify.host.available_mib", self.look)
        monkeypatch.setattr("memnotify.host.memory_mib", lambda: 1000)

    def look(self) -> int:
        return self.mib.pop(0) if len(self.mib) > 1 else self.mib[0]


def test_a_guest_waits_for_memory_that_other_programs_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = HostMemory(monkeypatch, 149)
    one, two = (Ledger(tmp_path, capacity=TWO) for _ in range(2))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), one.claim(Need(150, 1)):
                pass
        assert not claims(tmp_path)
        async with asyncio.timeout(5), two.claim(Need(149, 1)):
            pass
        available.mib = [149, 149, 149, 150]
        async with asyncio.timeout(5), one.claim(Need(150, 1)):
            assert available.mib == [150]
        available.mib = [0]
        async with asyncio.timeout(5), one.boot():  # takes no memory
            pass

    asyncio.run(main())


def test_nobody_waits_for_ever_for_memory_that_no_guest_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.ledger.PATIENCE_S", 0.3)
    HostMemory(monkeypatch, 40)
    ledger, other = (Ledger(tmp_path, capacity=TWO) for _ in range(2))
    tries: list[float] = []

    async def attempt() -> InfrastructureError:
        began = time.monotonic()
        with pytest.raises(InfrastructureError) as told:
            async with asyncio.timeout(20), ledger.claim(Need(150, 1)):
                pass
        tries.append(time.monotonic() - began)
        return told.value

    async def main() -> None:
        # What the other guest releases when it ends is not enough.
        async with other.claim(Need(30, 1)):
            error = await attempt()
        assert error.kind == "host-memory"
        assert "needs up to 150 MiB" in str(error)
        assert "40 of 1000 MiB are available, guests hold 30" in str(error)
        assert not places(tmp_path)
        await attempt()
        async with ledger.claim(Need(40, 1)):  # there was progress, so the time starts again
            pass
        await attempt()

    asyncio.run(main())
    assert tries[0] >= 0.3 and tries[2] >= 0.3
    assert tries[1] < 0.3, "it waited as long once more"


def test_memory_that_a_guest_will_give_back_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.ledger.PATIENCE_S", 0.1)
    available = HostMemory(monkeypatch, 60)
    ledger, other = (Ledger(tmp_path, capacity=Need(400, 4)) for _ in range(2))

    async def main() -> None:
        async with other.claim(Need(60, 1)):
            available.mib = [100]
            waits = asyncio.create_task(hold(ledger, Need(150, 1), 0, [], "it"))
            await asyncio.sleep(0.5)
            assert not waits.done()
            available.mib = [160]
        async with asyncio.timeout(20):
            await waits

    asyncio.run(main())


def test_who_waits_hears_for_what_and_who_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    available = HostMemory(monkeypatch, 900)
    one, two = (Ledger(tmp_path, capacity=TWO) for _ in range(2))

    def look_behind_another() -> str:
        with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)]) as waiter:
            try:
                until(lambda: any(place.read_text() for place in places(tmp_path)))
                return two.obstacle(Need(10, 1))
            finally:
                waiter.kill()

    async def main() -> None:
        async with one.claim(Need(150, 1)):
            memory, cores = (two.obstacle(wanted) for wanted in (Need(60, 1), Need(0, 2)))
            available.mib = [20]
            host_memory = two.obstacle(Need(50, 1))
            (claim,) = claims(tmp_path)
            os.utime(claim, (0, 0))
            long_ago = two.obstacle(Need(50, 1))
            claim.write_text("7")
            unreadable = two.obstacle(Need(50, 1))
            claim.write_text("[20, 1]")
            available.mib = [900]
            behind = await asyncio.to_thread(look_behind_another)
        assert memory.startswith(
            "other runs, for memory: it takes up to 60 MiB, and of the 200 MiB for guests 50 are "
            f"free; pid {os.getpid()} ("
        )
        assert " has 150 MiB and 1 core since " in memory
        assert cores.startswith("other runs, for 2 cores: of 2 cores 1 are free; pid ")
        assert host_memory.startswith(
            "memory of the host: it takes up to 50 MiB, and 20 of 1000 MiB are available; "
            "guests and other programs have the rest; pid "
        )
        assert re.search(r"since \d\d:\d\d$", host_memory)
        assert "since 1970-01-01 " in long_ago or "since 1969-12-31 " in long_ago
        assert f"pid {os.getpid()}" in unreadable and "an unreadable claim" in unreadable
        assert behind.startswith("other runs: 1 guest came before it; pid ")

    asyncio.run(main())


def test_who_waits_for_memory_of_the_host_is_told_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.ledger._LONG_S", 0.01)
    monkeypatch.setattr("memnotify.run.ledger._REMIND_S", 0.1)
    available = HostMemory(monkeypatch, 200)
    ledger = Ledger(tmp_path, capacity=TWO)
    told: list[str] = []

    async def main() -> None:
        async with ledger.claim(Need(10, 0)):  # a guest of its own is running
            available.mib = [20]
            with pytest.raises(TimeoutError):
                async with (
                    asyncio.timeout(0.55),
                    ledger.claim(Need(50, 1), waiting=lambda: told.append("again")),
                ):
                    pass

    asyncio.run(main())
    assert 2 <= len(told) <= 6
