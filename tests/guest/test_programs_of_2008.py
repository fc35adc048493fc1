"""What the programs of the published experiments did, by their records in a real guest."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.model import Arch, BootFiles, Cell, KernelRequest
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.scenario import ClientKind, Clients, Console, Dd, Habit, Scenario, Step

from tests.support.bases import modern
from tests.support.squeezed import MIB, SECOND

pytestmark = pytest.mark.guest

MS = SECOND // 1000
CLIENTS, CACHE_KIB = 3, 4 * MIB
BUFFER, BLOCKS = 2 * MIB, 4
STEP, PAUSE = 1 * MIB, 300 * MS
RING = 200 * MIB
GIVEN, TEXT, DELAY = 512, 400, 50 * MS

STEPS = (
    Step(at_ns=0, action=Console(every_ns=SECOND)),
    Step(
        at_ns=0,
        action=Clients(
            kind=ClientKind.EXIT,
            count=CLIENTS,
            cache_kib=CACHE_KIB,
            spacing_ns=MS,
            habits=Habit.OPEN_FIRST,
            read_bytes=4,
        ),
    ),
    Step(at_ns=4 * SECOND, action=Dd(block_kib=BUFFER, count=BLOCKS)),
    # Grows until it is woken, twice: one that leaves, and one that gives back and continues.
    Step(
        at_ns=6 * SECOND,
        action=Clients(
            kind=ClientKind.ALLOCATE,
            count=1,
            cache_kib=RING,
            step_kib=STEP,
            pause_ns=PAUSE,
            habits=Habit.LEAVE,
        ),
    ),
    Step(
        at_ns=30 * SECOND,
        action=Clients(
            kind=ClientKind.CIRCULAR,
            count=1,
            cache_kib=RING,
            give_back_kib=GIVEN,
            step_kib=64,
            pause_ns=20 * MS,
            give_back_after_ns=DELAY,
            habits=Habit.FROM_THE_START | Habit.MEMINFO,
            text_kib=TEXT,
        ),
    ),
)


@pytest.fixture(scope="module")
def log(
    kernel: Callable[..., Path],
    initramfs: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> RecordLog:
    """Return the log of one guest in which all of them run, one after another."""
    cell = Cell(
        request=KernelRequest(base=modern(), series="v4", arch=Arch.X86_64),
        machine=load_machine("pc-swap-disk"),
        memory_mib=80,
        clients=CLIENTS + 2,
        scenario=Scenario(
            name="programs",
            start_ns=12 * SECOND,
            duration_ns=60 * SECOND,
            sample_ns=SECOND // 10,
            steps=STEPS,
        ),
        log_records=60_000,
    )
    folder = tmp_path_factory.mktemp("programs")
    image = initramfs(Arch.X86_64)
    ran = run_cell(
        cell, files=BootFiles(kernel=kernel("v4", Arch.X86_64), initramfs=image), folder=folder
    )
    result = asyncio.run(ran)
    assert result.outcome.ok, result.outcome
    assert result.lost_records == 0
    return read_records(folder / "records.parquet")


def of(log: RecordLog, kind: Kind, client: int) -> np.ndarray:
    records = log.kind(kind)
    chosen: np.ndarray = records[records["client"] == client]
    return chosen


def test_the_device_is_open_before_the_cache_is_filled(log: RecordLog) -> None:
    """A page takes hundreds of instructions; from fork to open() without them is far less."""
    for client in range(CLIENTS):
        opened, polled = of(log, Kind.CLIENT, client), of(log, Kind.POLL, client)
        assert opened["errno"].tolist() == [0]
        assert polled["time_ns"][0] - opened["time_ns"][0] > CACHE_KIB // 4 * 500


def test_who_is_told_reads_and_leaves(log: RecordLog) -> None:
    told = [client for client in range(CLIENTS) if of(log, Kind.READ, client).size]
    assert told  # the one that grows takes all available memory
    for client in told:
        (read,) = of(log, Kind.READ, client)
        (left,) = of(log, Kind.EXIT, client)
        # v4 has no read(): KOSAKI's program printed -1 there.
        assert (int(read["result"].astype(np.int64)), int(read["errno"])) == (-1, errno.EINVAL)
        assert of(log, Kind.WAKEUP, client)["time_ns"][-1] <= read["time_ns"] <= left["time_ns"]
        assert (left["code"], left["signal"]) == (0, 0)


def test_the_console_starts_two_programs_a_second(log: RecordLog) -> None:
    rounds = log.kind(Kind.CONSOLE)
    assert not rounds["error"].any()
    assert 55 <= len(rounds) <= 60
    assert len(np.unique(rounds["pid"])) == 1  # of the logger; the programs have their own
    apart = np.diff(rounds["time_ns"].astype(np.int64))
    # It sleeps for a second after it is done, and so is a little later each time.
    assert apart.min() > SECOND
    assert np.median(apart) < 1.1 * SECOND
    assert (rounds["date_us"] > 50).all() and (rounds["vmstat_us"] > 50).all()


def test_what_the_console_shows_is_what_the_samples_have(log: RecordLog) -> None:
    samples = log.kind(Kind.MEMINFO)
    for row in log.kind(Kind.CONSOLE)[:3]:
        near = samples[np.searchsorted(samples["time_ns"], row["time_ns"])]
        for name in ("free", "cached", "active", "inactive"):
            assert abs(int(row[name]) - int(near[name])) < 2 * MIB, name
        assert row["swapped"] == near["swap_total"] - near["swap_free"] == 0
        # Not counting `vmstat` itself. 6.12 counts who has just gone to sleep (DELAY_DEQUEUE).
        assert row["runnable"] <= (0 if modern() == "6.1" else 1)


def test_dd_writes_all_of_it_and_leaves_it_in_the_page_cache(log: RecordLog) -> None:
    written = log.kind(Kind.WRITTEN)
    assert written["written_kib"].tolist() == [BUFFER * n for n in range(1, BLOCKS + 1)]
    assert not written["errno"].any()
    samples = log.kind(Kind.MEMINFO)
    before = samples[samples["time_ns"] < written["time_ns"][0]]["buffers"][-1]
    after = samples[samples["time_ns"] > written["time_ns"][-1]]["buffers"][0]
    assert abs(int(after) - int(before) - BUFFER * BLOCKS) <= MIB


def test_steps_are_written_at_once_and_then_it_sleeps(log: RecordLog) -> None:
    (told,) = of(log, Kind.HOG, CLIENTS)
    opened = of(log, Kind.CLIENT, CLIENTS)["time_ns"][0]
    assert told["finished_kib"] % STEP == 0
    assert told["finished_kib"] <= told["touched_kib"] <= told["finished_kib"] + STEP
    # The first step comes at once, and each pause begins when a step is done: this is the maximum.
    most = 1 + (int(told["time_ns"]) - int(opened)) // PAUSE
    assert most - 3 <= told["finished_kib"] // STEP <= most
    (left,) = of(log, Kind.EXIT, CLIENTS)
    assert (left["code"], left["sent_by_agent"]) == (0, 0)
    assert left["time_ns"] - told["time_ns"] < SECOND


def test_pages_are_given_back_from_the_start_on_and_meminfo_is_read(log: RecordLog) -> None:
    client = CLIENTS + 1
    given, seen = of(log, Kind.RELEASE, client), of(log, Kind.SEEN, client)
    filled = of(log, Kind.HOG, client)
    assert len(given) == len(seen) == len(filled) >= 1
    assert (given["given_kib"] == GIVEN).all()
    assert (given["time_ns"] - filled["time_ns"] >= DELAY).all()
    assert (seen["time_ns"] >= given["time_ns"]).all()
    # What is left is what was filled until then, minus all that was given.
    left = given["left_kib"].astype(np.int64)
    assert (
        left >= filled["touched_kib"].astype(np.int64) - GIVEN * np.arange(1, len(given) + 1)
    ).all()
    boot = log.kind(Kind.BOOT)[0]
    assert (seen["total"] <= boot["total_kib"]).all() and (seen["free"] > 0).all()
    assert layout.MEMINFO.names is not None
    assert (seen["anon"] > 0).all()
