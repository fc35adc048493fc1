"""Running cells: as many at once as the ledger allows, retried only if the testbed failed."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from orchestrator import host
from orchestrator.campaign.ledger import Ledger, need
from orchestrator.campaign.results import RECORDS, RunFolder
from orchestrator.campaign.verdict import Job, make_manifest, make_verdict
from orchestrator.errors import InfrastructureError, MemnotifyError
from orchestrator.guest.template import Template
from orchestrator.guest.templates import Templates
from orchestrator.model import Cell, CellResult, Outcome
from orchestrator.process import CommandLog
from orchestrator.report.board import Board

MAX_ATTEMPTS = 3

Attempt = Callable[[Job, Path], Awaitable[CellResult]]


class CellRunner(Protocol):
    """Runs one cell in a guest; `orchestrator.guest.session.run_cell` is the real one.

    Leaves records.parquet, console.log and qmp.jsonl in `folder`. Raises InfrastructureError, or
    returns one as the outcome.
    """

    async def __call__(
        self,
        cell: Cell,
        *,
        kernel: Path,
        initramfs: Path,
        folder: Path,
        template: Template | None,
        on_stage: Callable[[str], None],
        log: CommandLog | None,
    ) -> CellResult: ...


async def run_jobs(
    jobs: Sequence[Job],
    *,
    folder: RunFolder,
    ledger: Ledger,
    limit: int | None,
    runner: CellRunner,
    templates: Templates | None,
    board: Board,
    log: CommandLog,
) -> None:
    """Run all jobs and publish their results; largest first, so that none is left to run alone.

    `limit` caps how many run at once. Without `templates` every guest boots. A guest that fails
    does not disturb the others. Raises InfrastructureError if results cannot be written; cancelling
    kills all guests.
    """
    slots = asyncio.Semaphore(limit or len(jobs) or 1)
    cores = host.cores()
    attempt = partial(_attempt, runner=runner, templates=templates, board=board, log=log)
    try:
        async with asyncio.TaskGroup() as group:
            for job in sorted(jobs, key=lambda j: (-j.cell.clients, -j.cell.memory_mib)):
                started = asyncio.Event()
                group.create_task(
                    _run_job(job, folder, ledger, cores, slots, started, attempt, board)
                )
                # In order: a small guest must not slip in for ever where a large one waits.
                await started.wait()
    except ExceptionGroup as group:
        raise _for_users(group) from group


def _for_users(group: ExceptionGroup[Exception]) -> Exception:
    """Return the error among several that a user can act on; if there is none, all of them."""
    for error in group.exceptions:
        if isinstance(error, MemnotifyError):
            return error
        if isinstance(error, OSError):
            return InfrastructureError("storage", f"cannot write results: {error}")
    return group


async def _run_job(
    job: Job,
    folder: RunFolder,
    ledger: Ledger,
    cores: int,
    slots: asyncio.Semaphore,
    started: asyncio.Event,
    attempt: Attempt,
    board: Board,
) -> None:
    async with slots, ledger.claim(need(job.cell, cores=cores)):
        started.set()
        with folder.draft(job.id) as failed:
            await _try_and_publish(job, folder, failed, attempt, board)


async def _try_and_publish(
    job: Job, folder: RunFolder, failed: Path, attempt: Attempt, board: Board
) -> None:
    """Try a cell until it gives a result, or too often; `failed` takes what other attempts left."""
    attempts: list[CellResult] = []
    while True:
        with folder.draft(job.id) as draft:
            result = await attempt(job, draft)
            attempts.append(result)
            outcome = result.outcome
            if outcome.infrastructure is not None and len(attempts) < MAX_ATTEMPTS:
                board.warn(f"{job.name}: {outcome}, trying again: {outcome.detail}")
                shutil.copytree(draft, failed / str(len(attempts)))
                continue
            # Not in a thread: a cancelled one would go on in a folder that is being removed.
            verdict = make_verdict(job, result, draft / RECORDS)
            manifest = make_manifest(job, attempts, draft)
            folder.publish(job.id, draft, manifest=manifest, verdict=verdict, failed=failed)
        board.finished(job.name, str(outcome), outcome.detail)
        return


async def _attempt(
    job: Job,
    draft: Path,
    *,
    runner: CellRunner,
    templates: Templates | None,
    board: Board,
    log: CommandLog,
) -> CellResult:
    started = time.monotonic()
    given = {
        "kernel": job.kernel.file("bzImage"),
        "initramfs": job.image.file("initramfs.cpio"),
    }

    def on_stage(stage: str) -> None:
        board.stage(job.name, stage)

    try:
        template = None
        if templates is not None:
            template = await templates.get(job.cell, **given, on_stage=on_stage, log=log)
        return await runner(
            job.cell, **given, folder=draft, template=template, on_stage=on_stage, log=log
        )
    except (InfrastructureError, OSError) as error:
        kind = error.kind if isinstance(error, InfrastructureError) else "host"
        return CellResult(
            outcome=Outcome(infrastructure=kind, detail=str(error)),
            guest_ns=0,
            wall_seconds=time.monotonic() - started,
            records=0,
            lost_records=0,
        )
