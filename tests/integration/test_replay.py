"""Finished cells run again, with made-up guests."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memnotify.campaign.plan import cell_inputs
from memnotify.cli.main import main
from memnotify.digest import sealed
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.session import run_cell
from memnotify.model import Cell, CellResult, Repeatability
from memnotify.process import CommandLog
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.report.replay import replay_lines
from memnotify.results.cell import Finished, find_finished
from memnotify.results.folder import RunFolder
from memnotify.run.guests import CellRunner, GuestRunner
from memnotify.run.ledger import Ledger
from memnotify.run.need import Need
from memnotify.run.recordings import debug
from memnotify.run.replay import Again, Replay, replay
from memnotify.store import Artifact

from tests.support.campaigns import Bench, Guests, fails, finds, made_up_log


def guest_runner(ledger: Ledger, runner: CellRunner = run_cell) -> GuestRunner:
    return GuestRunner(ledger=ledger, runner=runner, templates=None, log=CommandLog())


class KeepingBench(Bench):
    """Like Bench, with artifacts that are in the store."""

    def publish(self, kind: str, name: str, **inputs: Any) -> Artifact:
        def build(work: Path) -> dict[str, str]:
            (work / name).write_text(f"{inputs}")
            return {"version": "6.1"}

        return self.store.publish(kind, inputs, build)

    def build_kernel(self, request: Any, **_: Any) -> Artifact:
        return self.publish("kernel", "bzImage", series=request.series)

    def build_image(self, arch: Any, **_: Any) -> Artifact:
        return self.publish("image", "initramfs.cpio", arch=str(arch))

    def replay(self, finished: Finished, runner: Any, **options: Any) -> list[Replay]:
        again = Again(
            guests=guest_runner(Ledger(self.path / "ledger"), runner), on_stage=lambda stage: None
        )
        options = {"times": 1, "output": None} | options
        return asyncio.run(replay(finished, again, **options, on_replay=lambda done: None))


@pytest.fixture
def bench(tmp_path: Path) -> KeepingBench:
    return KeepingBench(tmp_path)


@pytest.fixture
def folder(bench: KeepingBench) -> RunFolder:
    return bench.run(Guests())


@pytest.fixture
def finished(bench: KeepingBench, folder: RunFolder) -> Finished:
    return find_finished(folder, folder.plan()[-1].id, store=bench.store)


def told_otherwise(cell: Path, before: str, after: str) -> None:
    """Change a cell's manifest, like somebody who knows of its seal."""
    manifest = cell / "manifest.json"
    text = manifest.read_text()
    assert text.count(before) == 1
    told = json.loads(text.replace(before, after))
    del told["seal"]
    manifest.write_text(json.dumps(sealed(told)))


def changed(change: Callable[[np.ndarray], None]) -> Any:
    """Return a runner that changes its log."""

    async def run(cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        result = await Guests()(cell, folder=folder, **rest)
        records = made_up_log(cell).records
        change(records)
        write_records(RecordLog(records, lost=0, torn=0), folder / "records.parquet")
        return result

    return run


def later(by: int) -> Any:
    def change(records: np.ndarray) -> None:
        records["time_ns"][3] += np.uint64(by)

    return changed(change)


def lines(done: Replay) -> list[str]:
    return replay_lines(done.row(), outcome=str(done.finished.outcome))


def test_a_cell_is_bound_as_it_was(folder: RunFolder, finished: Finished) -> None:
    plan = folder.plan()[-1]
    assert json.loads(json.dumps(cell_inputs(finished.job.cell))) == plan.inputs
    assert finished.job.kernel.key == finished.job.cell.kernel
    assert finished.job.kernel.file("bzImage").read_text() == "{'series': 'v4'}"
    assert finished.job.cell.request.series == "v4"


def test_the_same_again(bench: KeepingBench, finished: Finished, tmp_path: Path) -> None:
    guests = Guests()
    both = bench.replay(finished, guests, times=2, output=tmp_path / "kept")
    assert len(guests.started) == 2
    assert guests.started[0] == finished.job.cell
    assert [done.kept for done in both] == [True, True]
    assert [lines(done) for done in both] == [["identical: 14 records"]] * 2
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"1", "2"}
    assert (tmp_path / "kept/2/records.parquet").exists()


@pytest.mark.parametrize(
    ("promise", "kept"),
    [
        (Repeatability.EXACT, False),
        (Repeatability.UNPROVEN, True),
        (Repeatability.REAL_TIME, True),
    ],
)
def test_what_a_class_promises(
    bench: KeepingBench, folder: RunFolder, promise: Repeatability, kept: bool
) -> None:
    cell = folder.plan()[-1].id
    told_otherwise(folder.cell(cell), '"repeatability": "exact"', f'"repeatability": "{promise}"')
    (done,) = bench.replay(find_finished(folder, cell, store=bench.store), later(10_001))
    assert done.kept is kept
    (line,) = lines(done)
    assert line.startswith(
        "same records, but 1 of 14 records differ in time, times differ by up to 10,001 ns"
    )


def test_the_first_record_that_differs_is_named(bench: KeepingBench, finished: Finished) -> None:
    def change(records: np.ndarray) -> None:
        assert records["kind"][4] == Kind.RECLAIM
        records["time_ns"][2] += np.uint64(3)
        records["value"][4, 1] = 11

    (done,) = bench.replay(finished, changed(change))
    assert not done.kept
    assert lines(done) == [
        "different: 14 records, 1 differ; times differ by up to 3 ns before the first: "
        "record 4 (RECLAIM): pswpout was 10, now 11"
    ]


def test_another_outcome_is_a_difference(bench: KeepingBench, finished: Finished) -> None:
    (done,) = bench.replay(finished, Guests(finds))
    assert not done.kept
    assert lines(done)[1] == "the outcome was ok, now finding:panic: \\x1b[31mpanic"


def test_another_number_of_lost_records_is_a_difference(
    bench: KeepingBench, finished: Finished
) -> None:
    async def full(cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        result = await Guests()(cell, folder=folder, **rest)
        write_records(dataclasses.replace(made_up_log(cell), lost=7), folder / "records.parquet")
        return result

    (done,) = bench.replay(finished, full)
    assert not done.kept
    assert lines(done) == ["identical: 14 records", "0 records were lost or torn, now 7"]


def test_gdb_refuses_a_record_that_the_cell_does_not_have(
    bench: KeepingBench, finished: Finished
) -> None:
    again = Again(guests=guest_runner(Ledger(bench.path / "ledger")), on_stage=print)
    coming = debug(RunFolder(bench.path), finished, again, number=14, script=None)
    with pytest.raises(InputError, match=r"no record 14: .* has records 0 to 13"):
        asyncio.run(coming)


@pytest.mark.parametrize(("script", "cores_left"), [(None, True), (Path("x.gdb"), False)])
def test_gdb_by_hand_leaves_the_cores_to_others(
    bench: KeepingBench,
    finished: Finished,
    monkeypatch: pytest.MonkeyPatch,
    script: Path | None,
    cores_left: bool,
) -> None:
    room = Need(10_000, 1)

    async def session(*_: object, **__: object) -> int:
        try:
            async with asyncio.timeout(0.3), Ledger(bench.path, capacity=room).claim(Need(0, 1)):
                return 0
        except TimeoutError:
            return 1

    where = "memnotify.run.recordings"
    monkeypatch.setattr(f"{where}.need_gdb", lambda: None)
    monkeypatch.setattr(f"{where}.why_no_tape", lambda cell: "it has a disk")
    monkeypatch.setattr(f"{where}.debug_cell", session)
    monkeypatch.setattr("memnotify.store.Artifact.file", lambda _, name: Path(name))
    again = Again(guests=guest_runner(Ledger(bench.path, capacity=room)), on_stage=lambda _: None)
    coming = debug(RunFolder(bench.path), finished, again, number=None, script=script)
    assert asyncio.run(coming) == (0 if cores_left else 1)


def test_a_cell_that_never_fits_is_refused(bench: KeepingBench, finished: Finished) -> None:
    ledger = Ledger(bench.path / "ledger", capacity=Need(64, 1))
    again = Again(guests=guest_runner(ledger, Guests()), on_stage=print)
    with pytest.raises(InputError, match="MiB of the host, which has 64 MiB for guests"):
        asyncio.run(again.run(finished, bench.path / "again"))


def test_what_has_changed_on_the_host_is_said(bench: KeepingBench, finished: Finished) -> None:
    async def newer(cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        result = await Guests()(cell, folder=folder, **rest)
        (folder / "machine.cfg").write_text('[device "x"]\n  fd = "7"\n')
        object.__setattr__(result, "versions", {"qemu": "8.0.0"})
        return result

    (finished.folder / "machine.cfg").write_text('[device "y"]\n  fd = "6"\n')
    (done,) = bench.replay(finished, newer)
    changed, agreement = lines(done)
    assert changed == "another QEMU: qemu was 7.2.0, now 8.0.0"
    assert agreement.startswith("identical: ")
    cell = dataclasses.replace(finished.job.cell, hardware="of another QEMU")
    other = dataclasses.replace(finished, job=dataclasses.replace(finished.job, cell=cell))
    (done,) = bench.replay(other, newer)
    assert done.kept
    assert lines(done)[:-1] == [
        "another QEMU: qemu was 7.2.0, now 8.0.0",
        'QEMU was told [device "y"]; now [device "x"]',
    ]


def test_a_testbed_that_fails_is_no_comparison(bench: KeepingBench, finished: Finished) -> None:
    with pytest.raises(InfrastructureError, match="QEMU was killed"):
        bench.replay(finished, Guests(fails))


def test_an_artifact_that_is_gone(bench: KeepingBench, folder: RunFolder) -> None:
    for kind, fix in (
        ("image", "memnotify image build --arch x86_64"),
        ("kernel", "memnotify kernel build 6.1 --series v4 --arch x86_64"),
    ):
        (bench.store.root / kind).rename(bench.store.root / f"{kind}-gone")
        with pytest.raises(InputError, match=fix):
            find_finished(folder, folder.plan()[-1].id, store=bench.store)


def test_cells_that_cannot_be_replayed(
    bench: KeepingBench, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, alien, unfinished = (row.id for row in folder.plan()[:3])
    (folder.cell(damaged) / "records.parquet").write_bytes(b"")
    told_otherwise(folder.cell(alien), '"smp": 1', '"smp": "many"')
    (folder.cell(unfinished) / "manifest.json").unlink()
    for cell, why in (
        (damaged, "are incomplete"),
        (alien, "inputs.machine.smp"),
        (unfinished, "has not been run yet"),
        ("zzz", "has no cell zzz"),
    ):
        assert main(["replay", str(folder.path), cell]) == 2
        said = capsys.readouterr().err
        assert why in said
        assert said.count("\n") == 1
