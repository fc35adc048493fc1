"""The ledger of memory and cores: what fits, what waits, and what a dead holder leaves."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from memnotify import host
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.machine import load_machine
from memnotify.host import available_mib
from memnotify.model import Arch, Cell, KernelRequest
from memnotify.run.ledger import Ledger
from memnotify.run.need import QEMU_MIB, Need, host_capacity, need, template_mib
from memnotify.scenario import Scenario

TWO = Need(memory_mib=200, cores=2)


@pytest.fixture(autouse=True)
def host_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep other programs on this host from influencing the tests."""
    monkeypatch.setattr("memnotify.host.available_mib", lambda: 10**6)


async def peak(ledger: Ledger, wanted: list[Need]) -> int:
    """Return how many of these claims were held at once."""
    held = most = 0

    async def one(need: Need) -> None:
        nonlocal held, most
        async with ledger.claim(need):
            held += 1
            most = max(most, held)
            await asyncio.sleep(0.02)
            held -= 1

    async with asyncio.TaskGroup() as group:
        for need in wanted:
            group.create_task(one(need))
    return most


@pytest.mark.parametrize(
    ("wanted", "at_once"),
    [(Need(50, 1), 2), (Need(150, 1), 1), (Need(50, 2), 1), (Need(0, 0), 5)],
    ids=["cores", "memory", "one takes all cores", "free"],
)
def test_what_runs_at_once(tmp_path: Path, wanted: Need, at_once: int) -> None:
    ledger = Ledger(tmp_path / "ledger", capacity=TWO)
    assert asyncio.run(peak(ledger, [wanted] * 5)) == at_once


def claims(folder: Path) -> list[Path]:
    return list(folder.glob("claim-*"))


def test_a_claim_that_cannot_be_written_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        with monkeypatch.context() as patched:
            patched.setattr("memnotify.run.ledger.os.write", full)
            with pytest.raises(OSError, match="No space"):
                async with Ledger(tmp_path, capacity=TWO).claim(TWO):
                    pass
        assert not claims(tmp_path)
        async with asyncio.timeout(5), Ledger(tmp_path, capacity=TWO).claim(TWO):
            pass

    asyncio.run(main())


@pytest.mark.parametrize("text", ["", "7", "[1]", "[1, 2, 3]"])
def test_a_claim_that_cannot_be_read_takes_everything(tmp_path: Path, text: str) -> None:
    async def main() -> None:
        one, two = (Ledger(tmp_path, capacity=TWO) for _ in range(2))
        async with one.claim(Need(50, 1)):
            (claim,) = claims(tmp_path)
            claim.write_text(text)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), two.claim(Need(50, 1)):
                    pass
        async with asyncio.timeout(5), two.claim(Need(50, 1)):
            pass

    asyncio.run(main())


def test_two_runs_share_it(tmp_path: Path) -> None:
    async def main() -> None:
        one, two = (Ledger(tmp_path, capacity=TWO) for _ in range(2))
        async with one.claim(Need(150, 1)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), two.claim(Need(100, 1)):
                    pass
            async with asyncio.timeout(5), two.claim(Need(50, 1)):
                pass
        async with asyncio.timeout(5), two.claim(Need(100, 1)):
            pass

    asyncio.run(main())


def test_two_runs_do_not_take_the_same_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Ledger._taken
    both = threading.Barrier(2, timeout=1)

    def count_and_wait(ledger: Ledger) -> Need:
        taken = count(ledger)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()  # for another one to count as well: it must not
        return taken

    monkeypatch.setattr(Ledger, "_taken", count_and_wait)
    with ThreadPoolExecutor() as pool:
        tries = [pool.submit(Ledger(tmp_path, capacity=TWO)._try, TWO) for _ in range(2)]
    claims = [fd for fd in (done.result() for done in tries) if fd is not None]
    for fd in claims:
        os.close(fd)
    assert len(claims) == 1


_HOLDER = """
import asyncio, sys
from functools import partial
from pathlib import Path
from memnotify.run.ledger import Ledger
from memnotify.run.need import Need, host_capacity
async def main():
    async with Ledger(Path(sys.argv[1]), capacity=Need(200, 2)).claim(Need(200, 2)):
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def claimed(folder: Path, *, seconds: float) -> bool:
    """Return whether something small can be claimed within `seconds`."""

    async def main() -> None:
        async with asyncio.timeout(seconds), Ledger(folder, capacity=TWO).claim(Need(1, 1)):
            pass

    try:
        asyncio.run(main())
    except TimeoutError:
        return False
    return True


def test_the_death_of_a_holder_frees_its_claim(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert not claimed(tmp_path, seconds=0.2)
        holder.send_signal(signal.SIGKILL)
    assert claimed(tmp_path, seconds=5)


async def hold(ledger: Ledger, wanted: Need, seconds: float, got: list[str], name: str) -> None:
    async with ledger.claim(wanted):
        got.append(name)
        await asyncio.sleep(seconds)


def places(folder: Path) -> list[Path]:
    return list(folder.glob("place-*"))


def test_who_wants_all_is_not_kept_out_by_a_run_of_small_ones(tmp_path: Path) -> None:
    one, two = (Ledger(tmp_path, capacity=TWO) for _ in range(2))
    got: list[str] = []

    async def run_of_small_ones() -> None:
        """Hold two of them nearly always, the second one before the first one ends."""
        async with asyncio.TaskGroup() as group:
            for _ in range(25):
                group.create_task(hold(one, Need(50, 1), 0.2, got, "small"))
                await asyncio.sleep(0.1)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(run_of_small_ones())
            await asyncio.sleep(0.25)
            group.create_task(hold(two, Need(50, 2), 0, got, "large"))

    asyncio.run(main())
    # Those that were there before it, and one that may have come just before it was in the queue.
    assert got.index("large") <= 5
    assert not places(tmp_path)


def test_who_waits_gets_it_in_the_order_of_coming(tmp_path: Path) -> None:
    got: list[str] = []

    async def main() -> None:
        async with asyncio.TaskGroup() as group, Ledger(tmp_path, capacity=TWO).claim(TWO):
            for name in "abcdef":
                ledger = Ledger(tmp_path, capacity=TWO)
                # Every second one would fit before the one ahead of it has gone.
                wanted = Need(200, 2) if name in "ace" else Need(1, 1)
                group.create_task(hold(ledger, wanted, 0.01, got, name))
                await asyncio.sleep(0)

    asyncio.run(main())
    assert got == list("abcdef")
    assert not places(tmp_path)


def test_who_gives_up_leaves_the_queue(tmp_path: Path) -> None:
    async def main() -> None:
        first, second, third = (Ledger(tmp_path, capacity=TWO) for _ in range(3))
        async with first.claim(Need(50, 1)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), second.claim(TWO):
                    pass
            assert not places(tmp_path)
            async with asyncio.timeout(5), third.claim(Need(50, 1)):
                pass

    asyncio.run(main())


def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("not within half a minute")


@contextlib.contextmanager
def shut(folder: Path, *, seconds: float = 60) -> Iterator[None]:
    """Hold the gate as a process does that is stopped inside; for `seconds` at most."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        opens = threading.Timer(seconds, fcntl.flock, [gate, fcntl.LOCK_UN])
        opens.start()
        try:
            yield
        finally:
            opens.cancel()
            opens.join()


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
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)]) as waiter:
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
        with subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)]) as waiter:
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


def test_what_can_never_fit_is_refused_with_the_figures(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, capacity=TWO)
    ledger.refuse_if_never("small", Need(200, 2))
    with pytest.raises(
        InputError, match="big needs 201 MiB of the host, which has 200 MiB"
    ) as told:
        ledger.refuse_if_never("big", Need(201, 1))
    assert "use a smaller memory_mib" in str(told.value)


def test_a_cell_needs_ram_swap_disk_twice_its_log_qemu_and_a_template() -> None:
    cell = Cell(
        request=KernelRequest(base="2.6.24", series="v4", arch=Arch.X86_64),
        machine=load_machine("x86-64-numa-16g"),
        memory_mib=16_384,
        clients=12_500,
        scenario=Scenario(name="s", start_ns=0, duration_ns=1, sample_ns=1, steps=()),
        log_records=1 << 20,
    )
    memories, log = 16_384 + 2_048 + 1_024, 64
    template = template_mib(16_384)
    # Measured: a template of this guest takes 277 MiB, one of 64 MiB with Linux 6.1 22 MiB.
    assert 277 < template < 400 and 22 < template_mib(64) < 32
    wanted = need(cell, cores=8)
    assert wanted == Need(memories + 2 * log + 1 + QEMU_MIB + template, 1)
    # A host of 24 GiB has enough for it.
    assert wanted.memory_mib < 24_000 - 24_000 // 10
    without = dataclasses.replace(cell.machine, disk_mib=0)
    assert need(dataclasses.replace(cell, machine=without), cores=8).memory_mib == (
        wanted.memory_mib - 1_024
    )


def fake_host(root: Path, group: str, files: dict[str, str]) -> dict[str, Path]:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal:       8388608 kB\nMemFree: 1 kB\n")
    (root / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        (root / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "cgroup" / name).write_text(text)
    return {"proc": root / "proc", "cgroups": root / "cgroup"}


def test_host_without_limits(tmp_path: Path) -> None:
    assert host.memory_mib(**fake_host(tmp_path, "0::/\n", {})) == 8192


def test_host_within_the_narrowest_group(tmp_path: Path) -> None:
    files = {
        "a/memory.max": f"{1 << 30}\n",
        "a/b/memory.max": "max\n",
        "a/b/cpu.max": "150000 100000\n",
    }
    places = fake_host(tmp_path, "0::/a/b\n", files)
    assert host.memory_mib(**places) == 1024
    assert host.cores(**places) == 1


def test_host_within_groups_of_version_1(tmp_path: Path) -> None:
    files = {
        "memory/a/memory.limit_in_bytes": f"{1 << 29}\n",
        "cpu/a/cpu.cfs_quota_us": "-1\n",
        "cpu/a/cpu.cfs_period_us": "100000\n",
    }
    places = fake_host(tmp_path, "3:memory:/a\n2:cpu:/a\n", files)
    assert host.memory_mib(**places) == 512
    assert host.cores(**places) >= 1


def test_host_in_a_container_of_version_1(tmp_path: Path) -> None:
    # The container sees its own group as the root, under a path that only the host knows.
    files = {
        "memory/memory.limit_in_bytes": f"{1 << 30}\n",
        "cpu/cpu.cfs_quota_us": "250000\n",
        "cpu/cpu.cfs_period_us": "100000\n",
    }
    places = fake_host(tmp_path, "3:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n", files)
    assert host.memory_mib(**places) == 1024
    assert host.cores(**places) == min(2, len(os.sched_getaffinity(0)))


def test_what_guests_may_take_leaves_a_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "cores", lambda: 8)
    for has, may_take in ((2048, 1536), (20_480, 18_432)):
        monkeypatch.setattr(host, "memory_mib", lambda has=has: has)
        assert host_capacity() == Need(may_take, 8)


def test_boots_have_a_limit_of_their_own(tmp_path: Path) -> None:
    one, two = (Ledger(tmp_path, capacity=Need(10**6, 64), boots=1) for _ in range(2))

    async def main() -> None:
        async with one.claim(Need(50, 1)), one.boot() as has_booted:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), two.boot():
                    pass
            async with asyncio.timeout(5), two.claim(Need(50, 1)):
                pass
            has_booted()
            async with asyncio.timeout(5), two.boot():
                pass
        async with asyncio.timeout(5), one.boot():
            pass

    asyncio.run(main())


@pytest.mark.parametrize("most", ["max", str(1 << 29)])
def test_memory_that_is_available_within_groups(tmp_path: Path, most: str) -> None:
    files = {
        "a/memory.max": f"{most}\n",
        "a/memory.current": f"{400 << 20}\n",
        "a/memory.stat": f"anon 1\ninactive_file {100 << 20}\nactive_file 7\n",
        "a/b/memory.max": "max\n",
        "a/b/memory.current": "9\n",
    }
    places = fake_host(tmp_path, "0::/a/b\n", files)
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: 8388608 kB\nMemAvailable: {900 << 10} kB\n")
    assert available_mib(**places) == (900 if most == "max" else 512 - 400 + 100)


def test_memory_that_is_available_within_groups_of_version_1(tmp_path: Path) -> None:
    files = {
        "memory/a/memory.limit_in_bytes": f"{1 << 29}\n",
        "memory/a/memory.usage_in_bytes": f"{600 << 20}\n",
        "memory/a/memory.stat": f"inactive_file 5\ntotal_inactive_file {90 << 20}\n",
    }
    places = fake_host(tmp_path, "3:memory:/a\n", files)
    (tmp_path / "proc/meminfo").write_text(f"MemAvailable: {900 << 10} kB\n")
    assert available_mib(**places) == 2
