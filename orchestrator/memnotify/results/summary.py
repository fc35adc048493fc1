"""Writes the summary of a cell that has run: its figures, and where they come from."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify import __version__
from memnotify.axes import point_of
from memnotify.campaign.plan import boot_files, cell_inputs
from memnotify.check.metrics import Metrics, measure, wakeups_each
from memnotify.check.zone_status import gates, zone_status
from memnotify.digest import digest_value
from memnotify.host import Machine
from memnotify.model import BootFiles, Cell, CellResult, Clock, Finding, Repeatability
from memnotify.places import own_folders
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.records.self_check import count_checks
from memnotify.results.manifest import BOOT, TEMPLATE, Attempt, Manifest, Move, Start
from memnotify.results.verdict import Verdict
from memnotify.store import Artifact
from memnotify.units import NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A cell whose kernel and image are built."""

    id: str
    name: str
    cell: Cell
    kernel: Artifact
    image: Artifact

    @property
    def boot_files(self) -> BootFiles:
        return boot_files(self.kernel, self.image)


def make_verdict(job: Job, result: CellResult, records: Path) -> Verdict:
    """Return the verdict of a cell. Figures are null if there is no log.

    The log is the result's own, if that has it: to read it back from the file `records` takes as
    long as all figures together.
    """
    figures: dict[str, Any] = {field.name: None for field in dataclasses.fields(Metrics)}
    torn, checked, each, status, opens = None, None, None, None, None
    if records.exists():
        log = result.log if isinstance(result.log, RecordLog) else read_records(records)
        torn, checked, opens = log.torn, count_checks(log), gates(log)
        figures = dataclasses.asdict(measure(log))
        each = dataclasses.asdict(wakeups_each(log, job.cell.clients))
        status = dataclasses.asdict(zone_status(log))
    figures |= {"wakeups_each": each, "status": status, "gates": opens, "self_check": checked}
    return Verdict(
        id=job.id,
        name=job.name,
        point=point_of(job.cell),
        outcome=result.outcome,
        repeatability=repeatability(job.cell, result),
        lost_records=result.lost_records,
        torn_records=torn,
        guest_seconds=round(result.guest_ns / NS_PER_S, 3),
        wall_seconds=round(result.wall_seconds, 3),
        figures=figures,
    )


def repeatability(cell: Cell, result: CellResult) -> Repeatability:
    """Return whether another run gives the same records, judging by the cell and its result.

    docs/explanation/mechanisms.md has the reasons, and the runs that were compared.
    """
    if cell.clock is Clock.REAL:
        return Repeatability.REAL_TIME
    outcome = result.outcome
    ended_by_the_host = outcome.finding is Finding.HANG or outcome.infrastructure is not None
    machine = cell.machine
    waited = machine.waits_for_the_host or result.console_waited
    unproven = ended_by_the_host or waited or result.held or machine.smp > 1
    return Repeatability.UNPROVEN if unproven else Repeatability.EXACT


def _start(result: CellResult) -> Start:
    seconds = result.start_seconds
    return Start(
        origin=BOOT if result.template is None else TEMPLATE,
        template=result.template,
        seconds=None if seconds is None else round(seconds, 4),
    )


def make_manifest(
    job: Job,
    attempts: Sequence[CellResult],
    draft: Path,
    *,
    machine: Machine,
    hosts: Sequence[str | None] | None = None,
    moves: Sequence[Move] = (),
) -> Manifest:
    """Return a cell's manifest, without the digests of the results themselves.

    `machine` is that of the last attempt. `hosts` says where each ran, and `moves` which other
    hosts had the cell in vain.

    The results of the last attempt are the ones kept. `draft` is the folder it ran in; the folder
    is gone afterwards, so `command` is relative to the cell's own folder.
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
        host=machine,
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
            Attempt(outcome=attempt.outcome, wall_seconds=round(attempt.wall_seconds, 3), host=host)
            for attempt, host in zip(attempts, hosts or [None] * len(attempts), strict=True)
        ),
        moves=tuple(moves),
        folders=tuple(map(str, own_folders())),
    )
