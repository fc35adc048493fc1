"""How many guests of a campaign run at once, in what order, and what does not fit the host."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.model import Cell, CellResult
from memnotify.run.ledger import Ledger
from memnotify.run.need import Need

from tests.support.campaigns import (
    TEXT,
    Bench,
    Guests,
)


def test_a_run_that_waits_for_others_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memnotify.run.ledger._LONG_S", 0.01)
    other = Ledger(bench.store.folder("ledger"))
    held = [other._try(other.capacity)]

    def let_go() -> None:
        while held:
            fd = held.pop()
            assert fd is not None
            os.close(fd)

    class Output(io.StringIO):
        def write(self, text: str) -> int:
            if "waits for other runs" in text:
                let_go()
            return super().write(text)

    bench.output = Output()
    at_last = threading.Timer(30, let_go)
    at_last.start()
    bench.run(Guests())
    at_last.cancel()
    (line,) = [line for line in bench.output.getvalue().splitlines() if "waits for" in line]
    assert "-r1 waits for other runs, for memory: it takes up to " in line
    assert f"{other.capacity.memory_mib} MiB for guests 0 are free; pid {os.getpid()} (" in line
    assert f" has {other.capacity} since " in line


def test_limit_caps_the_guests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memnotify.run.ledger.host_capacity", lambda: Need(10**6, 64))
    running = most = 0

    async def counted(cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return await Guests()(cell, folder=folder, **rest)

    bench.run(counted, limit=3)
    assert most == 3


def test_boots_wait_for_each_other_and_only_until_ready(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four guests at once, two of which may boot; the others boot when these are READY."""
    monkeypatch.setattr("memnotify.run.ledger.host_capacity", lambda: Need(10**6, 4))
    all_run = asyncio.Barrier(4)
    booting = most_booting = 0

    async def watched(cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        nonlocal booting, most_booting
        rest["watcher"].on_stage("boot")
        booting, most_booting = booting + 1, max(most_booting, booting + 1)
        await asyncio.sleep(0.02)
        booting -= 1
        rest["watcher"].on_stage("run")
        await all_run.wait()
        return await Guests()(cell, folder=folder, **rest)

    bench.run(watched)
    assert most_booting == 2


def test_the_longest_of_earlier_runs_goes_first(bench: Bench) -> None:
    def name(cell: Cell) -> tuple[str, int]:
        return cell.request.series, cell.clients

    seconds = {("none", 1): 9.0, ("none", 3): 2.0, ("v4", 1): 3.0, ("v4", 3): 1.0}

    async def timed(cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        result = await Guests()(cell, folder=folder, **rest)
        return dataclasses.replace(result, wall_seconds=seconds[name(cell)])

    bench.run(timed, limit=1)
    guests = Guests()
    bench.run(guests, limit=1, again=True)
    assert [name(cell) for cell in guests.started] == sorted(seconds, key=lambda n: -seconds[n])

    (bench.store.folder("durations") / "seconds.json").write_text("{")
    guests = Guests()
    bench.run(guests, limit=1, again=True)
    assert [cell.clients for cell in guests.started] == [3, 3, 1, 1]


def test_a_duration_that_cannot_be_kept_ends_no_run(bench: Bench) -> None:
    (bench.store.folder("durations") / "seconds.new").mkdir(parents=True)
    assert {str(row.outcome) for row in bench.run(Guests()).verdicts()} == {"ok"}


def test_a_cell_that_can_never_fit_is_refused_before_anything_is_built(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.ledger.host_capacity", lambda: Need(100, 2))
    monkeypatch.setattr(bench, "build_kernel", None)
    said = r"toml:\d+: matrix\.memory_mib.*: 6\.1-none.* needs \d+ MiB of the host, which has 100"
    with pytest.raises(InputError, match=said):
        bench.run(Guests())
    assert not bench.path.exists()


def test_a_guest_that_is_too_large_is_refused_before_a_base_is_chosen(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With several bases, each of which might have to be fetched."""

    def choose(*_: Any, **__: Any) -> str:
        raise AssertionError("a base was chosen")

    monkeypatch.setenv("XDG_CACHE_HOME", str(bench.path))
    monkeypatch.setattr("memnotify.cli.run.choose_base", choose)
    text = TEXT.replace('"6.1"', '["6.1", "2.6.24"]')
    assert text != TEXT
    memory = next(line for line in text.splitlines() if line.startswith("memory_mib"))
    text = text.replace(memory, "memory_mib = [64,\n  1048576]")
    bench.file.write_text(text)
    line = text[: text.index("1048576")].count("\n") + 1
    assert main(["run", str(bench.file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"memnotify: {bench.file}:{line}: matrix.memory_mib[1]: 6.1-none-")
    assert "MiB of the host, which has" in said


def test_a_guest_starts_when_the_host_has_the_memory_for_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.ledger._LONG_S", 0.01)
    mib = [10]
    monkeypatch.setattr("memnotify.host.available_mib", lambda: mib[0])

    class Output(io.StringIO):
        def write(self, text: str) -> int:
            if "other programs have the rest" in text:
                assert "boot" not in self.getvalue() and "waits for memory of the host" in text
                assert "10 of " in text
                mib[0] = 10**6
            return super().write(text)

    bench.output = Output()
    bench.run(Guests())
    assert bench.output.getvalue().count("other programs have the rest") == 1
    assert mib == [10**6]


def test_cells_for_which_the_host_never_has_the_memory_fail_and_the_others_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.run.ledger.PATIENCE_S", 0.2)
    bench.file.write_text(TEXT.replace("memory_mib = 64", "memory_mib = [64, 512]"))
    monkeypatch.setattr("memnotify.host.available_mib", lambda: 500)
    guests = Guests()
    folder = bench.run(guests)
    told = {
        row.point["memory_mib"]: (str(row.outcome), row.outcome.detail) for row in folder.verdicts()
    }
    assert told[64] == ("ok", "")
    outcome, detail = told[512]
    assert outcome == "infrastructure:host-memory"
    assert "500 of " in detail and "needs up to " in detail
    assert "trying again" not in bench.output.getvalue()
    # It is not a result: with enough memory, the next run runs the cells.
    monkeypatch.setattr("memnotify.host.available_mib", lambda: 10**6)
    assert all(row.outcome.ok for row in bench.run(Guests()).verdicts())
