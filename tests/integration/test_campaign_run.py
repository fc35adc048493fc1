"""Whole campaigns with made-up guests: what is written, resumed, retried, shown, and cleaned up."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.model import Cell, CellResult
from memnotify.places import CAMPAIGNS
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.results.folder import RunFolder, copy_results
from memnotify.run.services import Services
from memnotify.store import Artifact

from tests.support.campaigns import (
    START,
    TEXT,
    Bench,
    Guests,
    S,
    fails,
    finds,
    made_up_log,
    record,
)


def leaves_a_socket(cell: Cell, folder: Path) -> CellResult:
    os.mkfifo(folder / "pipe")
    here = Path.cwd()
    os.chdir(folder)  # a socket's name has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as left:
        left.bind("qmp.sock")
    os.chdir(here)
    (folder / "qemu.log").write_text("killed")
    raise InfrastructureError("qemu-died", "QEMU was killed")


def names(path: Path) -> set[str]:
    return {file.name for file in path.iterdir()}


def test_what_a_run_leaves(bench: Bench) -> None:
    folder = bench.run(Guests())
    assert names(folder.path) == {"campaign.toml", "plan.json", "cells"}
    assert (folder.path / "campaign.toml").read_bytes() == TEXT.encode()
    plan = json.loads((folder.path / "plan.json").read_text())
    assert names(folder.cells) == {row["id"] for row in plan}
    cell = folder.cell(plan[-1]["id"])
    assert names(cell) == {
        "manifest.json",
        "verdict.json",
        "records.parquet",
        "console.log",
        "qmp.jsonl",
    }
    manifest = json.loads((cell / "manifest.json").read_text())
    assert manifest["digests"]["kernel"] == "kernel-v4"
    assert manifest["command"][-1] == "machine.cfg"
    assert manifest["versions"]["qemu"] == "7.2.0"
    assert manifest["repeatability"] == "exact"
    assert [attempt["outcome"] for attempt in manifest["attempts"]] == ["ok"]
    assert set(manifest["files"]) == names(cell) - {"manifest.json"}


def test_what_does_not_count(bench: Bench) -> None:
    async def guests(cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        result = await Guests()(cell, folder=folder, **rest)
        pollerr, code, sent_by_agent = 0x008, 0, 1
        rows = [
            made_up_log(cell).records,
            record(Kind.WAKEUP, START + 4 * S, pollerr, 1, client=0),
            record(Kind.EXIT, START + 5 * S, code, signal.SIGKILL, sent_by_agent, client=0),
            record(Kind.EXIT, START + 5 * S, code, signal.SIGKILL, not sent_by_agent, client=0),
        ]
        records = np.concatenate(rows)
        records["commit"] = np.arange(1, len(records) + 1)
        write_records(RecordLog(records, lost=7, torn=0), folder / "records.parquet")
        return dataclasses.replace(result, records=len(records), lost_records=7)

    folder = bench.run(guests)
    rows = folder.verdicts()
    assert len(rows) == 4
    for row in rows:
        point, figures = row.point, row.figures
        assert figures["wakeups"] == (point["clients"] if point["series"] == "v4" else 0)
        assert figures["oom_kills"] == 1
        assert row.lost_records == 7
        manifest = json.loads((folder.cell(row.id) / "manifest.json").read_text())
        assert manifest["lost_records"] == 7


def test_what_is_there_is_not_run_again(bench: Bench) -> None:
    bench.run(Guests())
    again = Guests()
    bench.run(again)
    assert again.started == []
    bench.run(again, again=True)
    assert len(again.started) == 4


def test_another_campaign_in_the_same_folder_is_said(bench: Bench) -> None:
    bench.run(Guests())
    bench.run(Guests())
    assert "campaign" not in bench.output.getvalue()
    bench.file.write_text(TEXT.replace('name = "try"', 'name = "other"'))
    folder = bench.run(Guests())
    assert "was a run of campaign try: its results stay" in bench.output.getvalue()
    assert len(folder.verdicts()) == 4


def test_a_damaged_cell_is_run_again(bench: Bench) -> None:
    folder = bench.run(Guests())
    plan = folder.plan()
    (folder.cell(plan[0].id) / "records.parquet").write_bytes(b"")
    (folder.cell(plan[1].id) / "manifest.json").unlink()
    again = Guests()
    bench.run(again)
    assert len(again.started) == 2


def test_an_infrastructure_failure_is_retried_and_the_reason_kept(bench: Bench) -> None:
    guests = Guests(fails, fails)
    folder = bench.run(guests, limit=1)
    assert len(guests.started) == 6
    assert {str(row.outcome) for row in folder.verdicts()} == {"ok"}
    manifests = [
        json.loads((folder.cell(row.id) / "manifest.json").read_text()) for row in folder.plan()
    ]
    reasons = [[a["reason"] for a in manifest["attempts"]] for manifest in manifests]
    assert sorted(reasons, key=len)[-1] == ["QEMU was killed", "QEMU was killed", ""]
    kept = [sorted(p.name for p in c.glob("attempts/*")) for c in folder.cells.iterdir()]
    assert sorted(kept) == [[], [], [], ["1", "2"]]
    assert "trying again: QEMU was killed" in bench.output.getvalue()


def test_a_socket_of_a_failed_attempt_is_not_in_the_way(bench: Bench, tmp_path: Path) -> None:
    folder = bench.run(Guests(leaves_a_socket), limit=1)
    assert [str(row.outcome) for row in folder.verdicts()] == ["ok"] * 4
    (kept,) = folder.path.glob("cells/*/attempts/1")
    assert names(kept) >= {"qemu.log", "qmp.sock", "pipe"}
    copy_results(kept.parents[1], tmp_path / "copy")
    copied = names(tmp_path / "copy" / "attempts" / "1")
    assert copied == names(kept) - {"qmp.sock", "pipe"}


def test_a_template_that_cannot_be_saved_is_tried_again_and_none_is_a_cold_boot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def make(*_: Any, **__: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise InfrastructureError("qemu-died", "QEMU was killed while it saved")

    class Cold(Guests):
        async def __call__(self, cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
            assert rest["start"] is None
            return await super().__call__(cell, folder=folder, **rest)

    monkeypatch.setattr("memnotify.guest.templates.make_template", make)
    folder = bench.run(Cold(), cold=False, limit=1)
    assert asked == 3  # two kernels, plus a second attempt for the first
    assert {str(row.outcome) for row in folder.verdicts()} == {"ok"}
    assert "trying again: QEMU was killed while it saved" in bench.output.getvalue()
    manifests = [json.loads(path.read_text()) for path in folder.cells.glob("*/manifest.json")]
    assert {manifest["start"]["from"] for manifest in manifests} == {"boot"}


def test_the_third_infrastructure_failure_is_final_but_no_result(bench: Bench) -> None:
    guests = Guests(fails, fails, fails)
    folder = bench.run(guests, limit=1)
    assert len(guests.started) == 6
    outcomes = sorted(str(row.outcome) for row in folder.verdicts())
    assert outcomes == ["infrastructure:qemu-died", "ok", "ok", "ok"]
    again = Guests()
    bench.run(again)
    assert len(again.started) == 1
    assert {str(row.outcome) for row in folder.verdicts()} == {"ok"}


def test_a_failed_testbed_takes_no_result_away(bench: Bench) -> None:
    folder = bench.run(Guests(finds), limit=1)
    before = {path: path.read_bytes() for path in folder.cells.rglob("*") if path.is_file()}
    guests = Guests(*[fails] * 3)
    with pytest.raises(InfrastructureError, match=r"qemu-died: .*its earlier result was kept"):
        bench.run(guests, limit=1, again=True)
    assert len(guests.started) == 6  # the other cells were completed
    assert "its earlier result is kept" in bench.output.getvalue()
    assert all(folder.has(row.id) for row in folder.plan())
    kept = guests.started[0]
    (row,) = (
        row
        for row in folder.verdicts()
        if (row.point["series"], row.point["clients"]) == (kept.request.series, kept.clients)
    )
    for path, data in before.items():
        if path.parent == folder.cell(row.id):
            assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("key", "value"),
    [("id", 5), ("id", None), ("id", "../../x"), ("id", ".."), ("id", ""), ("name", 5)],
)
def test_a_plan_that_names_no_cell_is_one_clear_line(
    bench: Bench, capsys: pytest.CaptureFixture[str], key: str, value: Any
) -> None:
    folder = bench.run(Guests())
    plan = folder.path / "plan.json"
    rows = json.loads(plan.read_text())
    rows[0][key] = value
    plan.write_text(json.dumps(rows))
    for command in ("show", "check", "compare", "expect"):
        assert main([command, str(folder.path)]) == 2
        assert f"plan.json: {value!r} is not the {key} of a cell" in capsys.readouterr().err
    merged = folder.path.with_name("merged")
    assert main(["merge", str(folder.path), "-o", str(merged)]) == 2
    assert not merged.exists()


def test_a_bug_in_one_cell_leaves_the_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(cell: Cell, folder: Path) -> CellResult:
        raise LookupError("no such thing")

    folder = bench.run(Guests(*[bug] * 3), limit=1)
    outcomes = sorted((str(row.outcome), row.outcome.detail) for row in folder.verdicts())
    assert [outcome for outcome, _ in outcomes] == ["infrastructure:internal", "ok", "ok", "ok"]
    detail = (
        "LookupError: no such thing (this is a bug; set MEMNOTIFY_TRACEBACK=1 to see the traceback)"
    )
    assert outcomes[0][1] == detail

    monkeypatch.setenv("MEMNOTIFY_TRACEBACK", "1")
    with pytest.raises(ExceptionGroup) as raised:
        bench.run(Guests(bug), limit=1)
    assert raised.group_contains(LookupError)


def test_a_finding_is_a_result(bench: Bench) -> None:
    guests = Guests(finds)
    folder = bench.run(guests)
    assert len(guests.started) == 4
    assert sum(str(row.outcome) == "finding:panic" for row in folder.verdicts()) == 1
    bench.run(guests)
    assert len(guests.started) == 4


@pytest.mark.parametrize(("plan", "status"), [([fails] * 3, 3), ([finds], 0)])
def test_the_exit_status_tells_a_failed_testbed_from_a_finding(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, plan: list[Any], status: int
) -> None:
    fake: dict[str, Any] = {
        "build_kernel": bench.build_kernel,
        "build_image": bench.build_image,
        "runner": Guests(*plan),
    }
    monkeypatch.setattr("memnotify.cli.run.Services", partial(Services, **fake))
    monkeypatch.setattr("memnotify.cli.run.Store", lambda: bench.store)
    argv = ["run", str(bench.file), "--cold", "-j", "1", "-o", str(bench.path)]
    assert main(argv) == status


def test_a_second_run_into_the_folder_waits_for_the_first(bench: Bench) -> None:
    there: list[int] = []
    runs: list[Future[RunFolder]] = []

    def builds(request: Any, **_: Any) -> Artifact:
        there.append(len(RunFolder(bench.path).verdicts()))
        raise InputError("that was all")

    second = copy.copy(bench)
    second.output = io.StringIO()
    second.build_kernel = builds  # type: ignore[method-assign]

    def starts_the_second(cell: Cell, folder: Path) -> None:
        runs.append(pool.submit(second.run, Guests()))
        while "waiting for another run" not in second.output.getvalue() and not runs[0].done():
            time.sleep(0.01)

    with ThreadPoolExecutor() as pool:
        bench.run(Guests(starts_the_second))
    with pytest.raises(InputError, match="that was all"):
        runs[0].result()
    assert there == [4]


def test_a_full_disk_is_one_clear_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunFolder, "publish", full)
    with pytest.raises(InfrastructureError, match=r"cannot write results: .*No space left"):
        bench.run(Guests())
    assert names(RunFolder(bench.path).cells) == set()


def test_an_interrupted_cell_leaves_nothing(bench: Bench) -> None:
    def interrupted(cell: Cell, folder: Path) -> CellResult:
        raise KeyboardInterrupt

    def done(cell: Cell, folder: Path) -> None:
        return None

    with pytest.raises(KeyboardInterrupt):
        bench.run(Guests(done, interrupted), limit=1)
    folder = RunFolder(bench.path)
    assert [str(row.outcome) for row in folder.verdicts()] == ["ok"]
    assert len(names(folder.cells)) == 1
    again = Guests()
    bench.run(again)
    assert len(again.started) == 3


def test_sigterm_ends_a_run_as_ctrl_c_does(bench: Bench) -> None:
    class Waits:
        cleaned = 0

        async def __call__(self, cell: Cell, **_: Any) -> CellResult:
            try:
                threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
                await asyncio.sleep(30)
            finally:
                self.cleaned += 1
            raise AssertionError("never gets here")

    guests = Waits()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        bench.run(guests, limit=1)
    assert guests.cleaned == 1
    assert signal.getsignal(signal.SIGTERM) is before
    assert names(RunFolder(bench.path).cells) == set()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nowhere"], "nowhere is not the folder of a run"),
        (["run", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["run", f"{CAMPAIGNS}/demo.toml", "--source", "/no/tree"], "no such tree or tarball"),
        (
            f"series bisect v4 --campaign {CAMPAIGNS}/bisect.toml --until oom_kills>0"
            " --source /no/tree".split(),
            "no such tree or tarball",
        ),
    ],
)
def test_bad_usage_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "memnotify.cli.main", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
