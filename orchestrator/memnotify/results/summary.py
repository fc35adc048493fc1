"""What is written about a cell that has run: its figures, and where they come from."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memnotify import __version__
from memnotify.axes import point_of
from memnotify.campaign.plan import cell_inputs
from memnotify.check.metrics import Metrics, Trace, measure, wakeups_each
from memnotify.check.story import gate_of, ints, was_notified
from memnotify.check.zone_status import ZoneStatus, zone_status
from memnotify.guest.outcome import count_checks, killed_exits
from memnotify.model import Cell, CellResult, Clock, Finding, Repeatability
from memnotify.records.decode import RecordLog, read_records
from memnotify.records.layout import Kind
from memnotify.results.manifest import BOOT, TEMPLATE, Attempt, Manifest, Start
from memnotify.results.verdict import Verdict
from memnotify.store import Artifact, digest_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A cell whose kernel and image are built."""

    id: str
    name: str
    cell: Cell
    kernel: Artifact
    image: Artifact


def trace_of(log: RecordLog) -> Trace:
    """Return the columns of a log that the figures are made from."""
    start = log.kind(Kind.START)
    woken = log.kind(Kind.WAKEUP)
    woken = woken[was_notified(woken)]
    woken = woken[np.argsort(woken["time_ns"], kind="stable")]
    zone, reclaim = log.kind(Kind.ZONE), log.kind(Kind.RECLAIM)
    return Trace(
        start_ns=int(ints(start["start_ns"])[0]) if start.size else 0,
        wakeup_ns=ints(woken["time_ns"]),
        wakeup_client=ints(woken["client"]),
        zone_ns=ints(zone["time_ns"]),
        zone_free=ints(zone["free"]),
        zone_gate=gate_of(zone),
        reclaim_ns=ints(reclaim["time_ns"]),
        reclaim_pswpout=ints(reclaim["pswpout"]),
        reclaim_oom_kill=ints(reclaim["oom_kill"]),
        killed=len(killed_exits(log)),
    )


def _zone_status(log: RecordLog) -> ZoneStatus:
    zone = log.kind(Kind.ZONE)
    _, numbers = np.unique(zone[["name", "node"]], return_inverse=True)
    times, free, status = (ints(zone[name]) for name in ("time_ns", "free", "status"))
    return zone_status(times, ints(numbers), free, gate_of(zone), status)


def _gates(log: RecordLog) -> dict[str, int]:
    """Return the most free pages with which v4's gate opens, by zone, as the first sample has it.

    Of zones of one name the last node's counts.
    """
    zone = log.kind(Kind.ZONE)
    first = zone[zone["time_ns"] == zone["time_ns"].min(initial=2**64 - 1)]
    names = (name.decode(errors="replace") for name in first["name"])
    return dict(zip(names, gate_of(first).tolist(), strict=True))


def make_verdict(job: Job, result: CellResult, records: Path) -> Verdict:
    """Return what came out of a cell. Figures are null if there is no log."""
    figures: dict[str, Any] = {field.name: None for field in dataclasses.fields(Metrics)}
    torn, checked, each, status, gates = None, None, None, None, None
    if records.exists():
        log = read_records(records)
        torn, checked = log.torn, count_checks(log)
        trace = trace_of(log)
        figures = dataclasses.asdict(measure(trace))
        each = dataclasses.asdict(
            wakeups_each(trace.wakeup_ns, trace.wakeup_client, job.cell.clients)
        )
        status = dataclasses.asdict(_zone_status(log))
        gates = _gates(log)
    figures |= {"wakeups_each": each, "status": status, "gates": gates, "self_check": checked}
    return Verdict(
        id=job.id,
        name=job.name,
        point=point_of(job.cell),
        outcome=result.outcome,
        repeatability=repeatability(job.cell, result),
        lost_records=result.lost_records,
        torn_records=torn,
        guest_seconds=round(result.guest_ns / 1e9, 3),
        wall_seconds=round(result.wall_seconds, 3),
        figures=figures,
    )


def repeatability(cell: Cell, result: CellResult) -> Repeatability:
    """Say whether another run gives the same records, by what the cell is made of and has said.

    docs/mechanisms.md has the reasons, and the runs that were compared.
    """
    if cell.clock is Clock.REAL:
        return Repeatability.REAL_TIME
    outcome = result.outcome
    ended_by_the_host = outcome.finding is Finding.HANG or outcome.infrastructure is not None
    machine = cell.machine
    waited = machine.waits_for_the_host or result.console_waited
    unproven = ended_by_the_host or waited or machine.smp > 1
    return Repeatability.UNPROVEN if unproven else Repeatability.EXACT


def _start(result: CellResult) -> Start:
    seconds = result.start_seconds
    return Start(
        origin=BOOT if result.template is None else TEMPLATE,
        template=result.template,
        seconds=None if seconds is None else round(seconds, 4),
    )


def make_manifest(job: Job, attempts: Sequence[CellResult], draft: Path) -> Manifest:
    """Return a cell's manifest, but for the digests of the results themselves.

    The last attempt is the one whose results are kept. `draft` is the folder it ran in; it means
    nothing afterwards, so `command` has the cell's own folder as the current one.
    """
    result = attempts[-1]
    inputs = cell_inputs(job.cell)
    return Manifest(
        id=job.id,
        name=job.name,
        inputs=inputs,
        digests={
            "kernel": job.kernel.key,
            "image": job.image.key,
            "machine": digest_value(inputs["machine"]),
            "hardware": job.cell.hardware,
            "scenario": digest_value(inputs["scenario"]),
        },
        kernel={"inputs": dict(job.kernel.inputs), "facts": dict(job.kernel.facts)},
        image={"inputs": dict(job.image.inputs), "facts": dict(job.image.facts)},
        command=tuple(word.replace(f"{draft}/", "") for word in result.command),
        versions={
            "memnotify": __version__,
            "python": platform.python_version(),
            **result.versions,
        },
        qemu_uid=result.qemu_uid,
        outcome=result.outcome,
        repeatability=repeatability(job.cell, result),
        start=_start(result),
        guest_ns=result.guest_ns,
        wall_seconds=round(result.wall_seconds, 3),
        qemu_cpu_seconds=round(result.qemu_cpu_seconds, 3),
        host_memory_mib=result.memory_mib,
        records=result.records,
        lost_records=result.lost_records,
        balloon=result.balloon,
        attempts=tuple(
            Attempt(outcome=attempt.outcome, wall_seconds=round(attempt.wall_seconds, 3))
            for attempt in attempts
        ),
    )
