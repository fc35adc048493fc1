"""Runs to compare: cells whose guests wake some of five clients."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from memnotify.campaign.plan import cell_id, plan_rows
from memnotify.guest.machine import load_machine
from memnotify.model import Arch, Cell, KernelRequest, Outcome
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.manifest import Manifest
from memnotify.results.verdict import Verdict
from memnotify.scenario import ClientKind, Clients, Op, Scenario, Step

from tests.support.logs import log_of, rows
from tests.support.rows import row

S = 10**9
START = 10 * S


def record(kind: Kind, ms: float, client: int = layout.NO_CLIENT, **values: Any) -> np.ndarray:
    return rows(kind, START + round(ms * 1e6), client=client, **values)


def made_up_log(woken: int, first_ms: float) -> RecordLog:
    """Return the log of a guest whose zone reaches the gate at 150 ms; some of 5 clients wake."""
    made = [record(Kind.START, 0, start_ns=START)]
    for ms, free in ((0, 400), (100, 250), (200, 150), (300, 100)):
        made.append(record(Kind.ZONE, ms, name=b"DMA32", free=free, high=90, reserve=10))
        made.append(record(Kind.RECLAIM, ms, pswpout=ms))
        made.append(record(Kind.PAGING, ms, runnable=1))
    made += [record(Kind.POLL, 1, client=client) for client in range(5)]
    made += [record(Kind.WAKEUP, first_ms, client=n, revents=1, result=1) for n in range(woken)]
    made += [record(Kind.EXIT, 400, n, op=Op.CLIENTS, cpu_ns=10**6) for n in range(5)]
    made.append(record(Kind.EXIT, 400, op=Op.HOG, cpu_ns=10**9))
    return log_of(*made)


def made_up_cell(series: str, seed: int = 1, **changes: Any) -> Cell:
    clients = changes.get("clients", 5)
    cell = Cell(
        request=KernelRequest(base="6.1", series=series, arch=Arch.X86_64),
        machine=load_machine("pc"),
        memory_mib=64,
        clients=clients,
        scenario=Scenario(
            name="squeeze",
            start_ns=START,
            duration_ns=S,
            sample_ns=S // 10,
            steps=(
                Step(at_ns=0, action=Clients(kind=ClientKind.POLL, count=clients, cache_kib=seed)),
            ),
        ),
        seed=seed,
        kernel=f"kernel of {series}",
        image="i",
        hardware="h",
    )
    return dataclasses.replace(cell, **changes)


Entry = tuple[Cell, RecordLog | None, str]


def made_up_run(path: Path, entries: Sequence[Entry]) -> Path:
    """Make a run whose cells have these logs and outcomes; `not run` is one without results."""
    run = RunFolder(path)
    run.make()
    run.begin(b"", plan_rows([cell for cell, _, _ in entries]))
    for cell, log, outcome in entries:
        if outcome == "not run":
            continue
        with run.draft(cell_id(cell)) as draft:
            if log is not None:
                write_records(log, draft / RECORDS)
            lost = 0 if log is None else log.lost
            made = row(cell_id(cell), outcome=outcome, lost_records=lost)
            manifest = Manifest(outcome=Outcome.parse(outcome))
            verdict = Verdict.from_json(made)
            run.publish(cell_id(cell), draft, manifest=manifest, verdict=verdict)
    return path


def ok(series: str, *, woken: int, seed: int = 1, first_ms: float = 250, **changes: Any) -> Entry:
    return made_up_cell(series, seed, **changes), made_up_log(woken, first_ms), "ok"
