"""A made-up run to draw: a few guests in which memory runs low and clients are woken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from memnotify.campaign.row import PlanRow
from memnotify.guest.mailbox import step_to_json
from memnotify.model import Outcome
from memnotify.records.layout import NO_CLIENT, BalloonPhase, Kind
from memnotify.records.log import RecordLog, Records
from memnotify.records.parquet import write_records
from memnotify.results.course import Course, course
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.manifest import Manifest
from memnotify.results.verdict import Verdict
from memnotify.scenario import Balloon, ClientKind, Clients, Hog, Step

from tests.support.logs import log_of, rows
from tests.support.rows import row

S = 10**9
START = 10 * S
KIB = 1024
GATE = 512  # pages, so 2 MiB
STEPS = (
    Step(at_ns=0, action=Clients(kind=ClientKind.POLL, count=20)),
    Step(at_ns=2 * S, action=Hog(rate_kib_s=3 * KIB, ceiling_kib=96 * KIB)),
    Step(at_ns=4 * S, action=Balloon(target_kib=48 * KIB, settle_ns=S)),
)
SCENARIO = {"steps": [step_to_json(step) for step in STEPS]}


def made_up_manifest(outcome: str = "ok", inputs: Any = None) -> Manifest:
    inputs = {"scenario": SCENARIO} if inputs is None else inputs
    return Manifest(outcome=Outcome.parse(outcome), inputs=inputs)


def record(kind: Kind, s: Any, client: Any = NO_CLIENT, **values: Any) -> Records:
    """Return records at these seconds after the start."""
    return rows(kind, START + np.rint(np.asarray(s) * S).astype(np.int64), client=client, **values)


def sample(s: Any, *, zone: bytes = b"DMA32", free: Any = 4096, **values: Any) -> list[Records]:
    """Return the records of samples; `free` is in pages."""
    memory = {"total": 60 * KIB, "cached": 8 * KIB, "anon": 20 * KIB}
    memory |= {"swap_total": 128 * KIB, "swap_free": 127 * KIB}
    return [
        record(Kind.MEMINFO, s, **memory | values),
        record(Kind.ZONE, s, name=zone, free=free, high=GATE // 2, status=free_is_low(free)),
        record(Kind.RECLAIM, s, pswpout=np.asarray(s) * 10, pswpin=0),
        record(Kind.PAGING, s, runnable=2),
    ]


def free_is_low(free: Any) -> Any:
    return (np.asarray(free) <= GATE).astype(np.int32)


def made_up_log(
    batches: Mapping[float, int],
    *,
    kind: ClientKind = ClientKind.POLL,
    clients: int = 20,
    zone: bytes = b"DMA32",
    every_s: float = 0.1,
) -> RecordLog:
    """Return the log of a guest of 10 s in which batches of clients wake at these seconds.

    Free memory falls from 16 MiB to 0 and is at the gate of 2 MiB from 8.75 s on.
    """
    times = np.arange(0, 10, every_s)
    free = np.rint(4096 * (1 - times / 10)).astype(np.int64)
    numbers = np.arange(clients)
    made = [
        record(Kind.START, 0, start_ns=START),
        *(record(Kind.STEP, step.at_ns / S, step=n, op=step.op) for n, step in enumerate(STEPS)),
        record(Kind.CLIENT, numbers / 1000, numbers, client_kind=kind),
        record(Kind.BALLOON, 4, phase=BalloonPhase.REQUESTED, step=2, target_kib=48 * KIB),
        *sample(times, zone=zone, free=free),
    ]
    first = 0
    for s, size in batches.items():
        woken = np.arange(first, first + size) % clients
        at = s + np.arange(size) / 10_000
        made.append(record(Kind.WAKEUP, at, woken, revents=1, result=1))
        first += size
    whole = np.concatenate(made)
    return log_of(whole[np.argsort(whole["time_ns"], kind="stable")])


def made_up_verdict(cell: str, outcome: str = "ok", **point: Any) -> Verdict:
    return Verdict.from_json(row(cell, outcome=outcome, **{"clients": 20, **point}))


def made_up_course(
    batches: Mapping[float, int] = {9.0: 10, 9.5: 7},
    *,
    cell: str = "cell",
    outcome: str = "ok",
    point: Mapping[str, Any] = {},
    **log: Any,
) -> Course:
    verdict = made_up_verdict(cell, outcome, **point)
    return course(made_up_log(batches, **log), verdict, made_up_manifest(outcome))


CAMPAIGN = """\
name = "made-up"
kernel = { base = "6.1" }
matrix = { series = ["v3", "v4"], memory_mib = 64, machine = "pc", scenario = "grow" }

[scenario.grow]
duration_s = 9.0

[[scenario.grow.step]]
at_s = 0.0
clients = { kind = "poll", count = 1 }
"""

Guest = tuple[str, RecordLog | None, Mapping[str, Any]]


def made_up_run(path: Path, guests: Sequence[Guest], *, campaign: str = CAMPAIGN) -> Path:
    """Make a run of these guests: id, log, and what else is in the verdict."""
    run = RunFolder(path)
    run.make()
    plan = []
    for cell, _, point in guests:
        value = row(cell, **{"clients": 20, **point})
        inputs = {
            "request": {key: value[key] for key in ("base", "series", "arch")},
            "machine": {"name": value["machine"]},
            "scenario": {"name": value["scenario"], "seed": value["repeat"]},
            **{key: value[key] for key in ("memory_mib", "clients", "repeat")},
            "clock": "virtual",
            "seed": value["repeat"],
            "kernel": value["series"],
            "image": "i",
            "hardware": "h",
        }
        plan.append(PlanRow(id=cell, name=str(value["name"]), inputs=inputs))
    run.begin(campaign.encode(), plan)
    for cell, log, point in guests:
        with run.draft(cell) as draft:
            if log is not None:
                write_records(log, draft / RECORDS)
            verdict = made_up_verdict(cell, **point)
            manifest = made_up_manifest(str(verdict.outcome))
            run.publish(cell, draft, manifest=manifest, verdict=verdict)
    return path
