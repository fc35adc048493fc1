"""The ledger of memory and cores: what fits, what waits, and what a dead holder leaves."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from memnotify import host
from memnotify.errors import InputError
from memnotify.guest.machine import load_machine
from memnotify.model import Arch, Cell, KernelRequest
from memnotify.run import ledger as ledger_module
from memnotify.run.ledger import Ledger, Need, host_capacity, need
from memnotify.scenario import Scenario

TWO = Need(memory_mib=200, cores=2)


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
            both.wait()  # for another to have counted, too: it must not
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
from pathlib import Path
from memnotify.run.ledger import Ledger, Need, host_capacity
async def main():
    async with Ledger(Path(sys.argv[1]), capacity=Need(200, 2)).claim(Need(200, 2)):
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def claimed(folder: Path, *, seconds: float) -> bool:
    """Say whether something small can be claimed in a time."""

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
                # Each second one would fit beside the one before it has gone.
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
    """Hold the gate, as one who is stopped in it does; for some time at most."""
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
            with shut(tmp_path):  # who is stopped in the gate keeps everybody waiting
                waiter.send_signal(number)
            monkeypatch.setattr("memnotify.run.ledger._PASSED_OVER_S", 1.0)
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
                        ledger.claim(TWO, waiting=lambda name=name: told.append(name)),
                    ):
                        pass
        with shut(tmp_path), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), one.claim(TWO, waiting=lambda: told.append("gate")):
                pass

    asyncio.run(main())
    assert told == ["another", "gate"]


def test_what_can_never_fit_is_refused_with_the_figures(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, capacity=TWO)
    ledger.refuse_if_never("small", Need(200, 2))
    with pytest.raises(
        InputError, match="big needs 201 MiB of the host, which has 200 MiB"
    ) as told:
        ledger.refuse_if_never("big", Need(201, 1))
    assert "take a smaller memory_mib" in str(told.value)


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
    template = ledger_module.template_mib(16_384)
    # Measured: a template of this guest takes 277 MiB, one of 64 MiB with Linux 6.1 22 MiB.
    assert 277 < template < 400 and 22 < ledger_module.template_mib(64) < 32
    wanted = need(cell, cores=8)
    assert wanted == Need(memories + 2 * log + 1 + ledger_module.QEMU_MIB + template, 1)
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
