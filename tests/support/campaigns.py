"""Whole campaigns with made-up guests: a file, a store with empty kernels, a run's folder."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.errors import InfrastructureError
from memnotify.model import BalloonMove, Cell, CellResult, Finding, Outcome
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.report.board import Board, open_board
from memnotify.results.folder import RunFolder
from memnotify.run.campaign import run_campaign
from memnotify.run.services import RunOptions, Services
from memnotify.store import Artifact, Store
from rich.console import Console

from tests.support.campaign_text import POLL, head, scenario

TEXT = head(
    series=["none", "v4"],
    memory_mib=64,
    clients=[1, 3],
    machine="pc-swap",
    scenario="squeeze",
) + scenario("squeeze", (0, POLL), (1, "balloon = { percent = 75 }"), duration_s=20)
S = 10**9
START = 10 * S


def record(kind: Kind, time_ns: int, *values: int, client: int = layout.NO_CLIENT) -> np.ndarray:
    row = np.zeros(1, layout.RECORD)
    row["kind"], row["time_ns"], row["client"] = kind, time_ns, client
    row["value"][0, : len(values)] = values
    return row


def zone(time_ns: int, free: int, name: bytes = b"DMA32") -> np.ndarray:
    row = record(Kind.ZONE, time_ns)
    view = np.zeros(1, layout.ZONE)
    view["name"], view["free"], view["high"], view["reserve"] = name, free, 80, 20
    row["value"] = view.view("<u8").reshape(1, 5)
    return row


def made_up_log(cell: Cell, zone_name: bytes = b"DMA32") -> RecordLog:
    rows = [
        record(Kind.BOOT, S, 60000, 4096, 1, 131072, 6 << 16 | 1 << 8),
        record(Kind.START, START, START, START),
        record(Kind.STEP, START, 0, 1, 1, cell.clients),
        zone(START, 500, zone_name),
        record(Kind.RECLAIM, START, 0, 10, 0, 0, 0),
        record(Kind.BALLOON, START + S, 1, 1, 49152, 0, 0),
        record(Kind.BALLOON, START + 2 * S, 2, 1, 49152, 0, S),
        zone(START + 3 * S, 150, zone_name),
        record(Kind.RECLAIM, START + 3 * S, 0, 17, 0, 0, 0),
    ]
    if cell.request.series == "v4":
        rows += [record(Kind.DEVICE, S, 1, 1, 13, 0o444 if cell.clients == 1 else 0)]
        rows += [
            record(Kind.WAKEUP, START + 3 * S + S // 2, 1, 1, client=client)
            for client in range(cell.clients)
        ]
    rows.append(record(Kind.END, START + 20 * S))
    records = np.concatenate(rows)
    records["commit"] = np.arange(1, len(records) + 1)
    return RecordLog(records, lost=0, torn=0)


class Guests:
    """A runner of made-up guests; `plan` says for each start what happens."""

    def __init__(self, *plan: Callable[[Cell, Path], CellResult | None]) -> None:
        self.plan = list(plan)
        self.started: list[Cell] = []

    async def __call__(self, cell: Cell, *, folder: Path, **rest: Any) -> CellResult:
        self.started.append(cell)
        rest["watcher"].on_stage("boot")
        assert rest["files"].kernel.name == "bzImage"
        assert rest["files"].initramfs.name == "initramfs.cpio"
        await asyncio.sleep(0)
        log = made_up_log(cell)
        write_records(log, folder / "records.parquet")
        (folder / "console.log").write_text("")
        (folder / "qmp.jsonl").write_text("")
        result = self.plan.pop(0)(cell, folder) if self.plan else None
        move = BalloonMove(step=1, target_kib=49152, requested_ns=START + S, query_seconds=0.25)
        return result or CellResult(
            outcome=Outcome(),
            guest_ns=log.end_ns,
            wall_seconds=1.5,
            records=len(log),
            lost_records=0,
            balloon=(move,),
            versions={"qemu": "7.2.0"},
            command=("qemu-system-x86_64", "-readconfig", f"{folder}/machine.cfg"),
        )


def fails(cell: Cell, folder: Path) -> CellResult:
    raise InfrastructureError("qemu-died", "QEMU was killed")


def finds(cell: Cell, folder: Path) -> CellResult:
    outcome = Outcome(finding=Finding.PANIC, detail="\x1b[31mpanic")
    return CellResult(outcome=outcome, guest_ns=S, wall_seconds=1.0, records=0, lost_records=0)


class Bench:
    """A campaign, a store with made-up kernels, and a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "try.toml"
        self.file.write_text(TEXT)
        self.path = folder / "runs" / "try"
        self.store = Store(folder / "store")
        self.output = io.StringIO()

    def build_kernel(self, request: Any, **_: Any) -> Artifact:
        return Artifact("kernel", f"kernel-{request.series}", Path("/k"), {}, {"version": "6.1"})

    def build_image(self, arch: Any, **_: Any) -> Artifact:
        return Artifact("image", "image", Path("/i"), {}, {})

    def services(self, board: Board, guests: Any) -> Services:
        return Services(
            store=self.store,
            board=board,
            build_kernel=self.build_kernel,
            build_image=self.build_image,
            runner=guests,
        )

    def run(self, guests: Any, **options: Any) -> RunFolder:
        campaign = load_campaign(self.file)
        with open_board(Console(file=self.output, width=500)) as board:
            return run_campaign(
                campaign,
                plan_cells(campaign),
                self.services(board, guests),
                path=self.path,
                options=RunOptions(**{"cold": True, **options}),
            )
