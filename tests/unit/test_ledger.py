"""The ledger of memory and cores: what fits, what waits, and what a dead holder leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from memnotify.errors import InputError
from memnotify.run.ledger import Ledger
from memnotify.run.need import Need

from tests.support.ledgers import HOLDER, TWO, claimed, claims, hold, places

pytestmark = pytest.mark.usefixtures("host_with_room")


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


@pytest.mark.parametrize("whose", ["ours", "of another run"])
def test_who_waits_for_its_own_guests_hardly_ever_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    """Each look takes time from the guests, and ours say themselves that they are done."""
    waits: list[float] = []
    began = asyncio.Event()
    real = asyncio.timeout

    def timeout(seconds: float) -> asyncio.Timeout:
        waits.append(seconds)
        began.set()
        return real(seconds)

    async def main() -> None:
        ledger, other = (Ledger(tmp_path, capacity=TWO) for _ in range(2))
        holder = ledger if whose == "ours" else other
        async with holder.claim(Need(50, 1)), ledger.claim(Need(50, 1)) as release:
            waiting = asyncio.create_task(hold(ledger, Need(50, 1), 0, [], "it"))
            monkeypatch.setattr("memnotify.run.ledger.asyncio.timeout", timeout)
            await began.wait()
            release()
            await waiting
        assert set(waits) == ({1.0} if whose == "ours" else {0.1})

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


def test_the_death_of_a_holder_frees_its_claim(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert not claimed(tmp_path, seconds=0.2)
        holder.send_signal(signal.SIGKILL)
    assert claimed(tmp_path, seconds=5)


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


def test_what_can_never_fit_is_refused_with_the_figures(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, capacity=TWO)
    ledger.refuse_if_never("small", Need(200, 2))
    with pytest.raises(
        InputError, match="big needs 201 MiB of the host, which has 200 MiB"
    ) as told:
        ledger.refuse_if_never("big", Need(201, 1))
    assert "use a smaller memory_mib" in str(told.value)


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
