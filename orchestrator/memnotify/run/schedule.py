"""Runs cells: as many at once as the ledger allows, retried only if the testbed failed."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from memnotify import host
from memnotify.errors import TRACEBACK, InfrastructureError, InputError, MemnotifyError
from memnotify.guest.usage import HOST_OOM
from memnotify.guest.view import Watcher
from memnotify.model import CellResult, Outcome
from memnotify.records.log import RecordLog
from memnotify.report.board import Board
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.reaction import note_reaction
from memnotify.results.summary import Job, make_manifest, make_verdict
from memnotify.run.durations import Durations
from memnotify.run.guests import GuestRunner
from memnotify.run.ledger import HOST_MEMORY
from memnotify.run.need import need

MAX_ATTEMPTS = 3


async def run_jobs(
    jobs: Sequence[Job],
    guests: GuestRunner,
    *,
    folder: RunFolder,
    durations: Durations,
    limit: int | None,
    board: Board,
) -> None:
    """Run all jobs and publish their results; longest first, so that none is left to run alone.

    `limit` caps how many run at once. A failing guest does not disturb the others, nor does a bug
    of ours in one of them. Raises InputError; InfrastructureError if results cannot be written, or,
    when all have run, if the testbed failed in a cell that keeps its earlier result. Cancelling
    kills all guests.
    """
    slots = asyncio.Semaphore(limit or len(jobs) or 1)
    cores = host.cores()
    kept: list[InfrastructureError] = []

    async def run(job: Job, started: asyncio.Event) -> None:
        def waiting() -> None:
            board.warn(f"{job.name} waits for {guests.ledger.obstacle(wanted)}")

        wanted = need(job.cell, cores=cores)
        refused: InfrastructureError | None = None
        async with slots, AsyncExitStack() as claims:
            try:
                await claims.enter_async_context(guests.ledger.claim(wanted, waiting=waiting))
            except InfrastructureError as error:
                refused = error
            started.set()
            with folder.draft(job.id) as failed:
                result = await _try_and_publish(job, guests, folder, failed, board, refused)
        outcome = result.outcome
        if outcome.infrastructure is None:
            durations.note(job.name, result.wall_seconds)
        elif folder.has(job.id):
            text = f"{job.name}: {outcome}: {outcome.detail}; its earlier result was kept"
            kept.append(InfrastructureError(outcome.infrastructure, text))

    try:
        async with asyncio.TaskGroup() as group:
            for job in durations.longest_first(jobs):
                started = asyncio.Event()
                group.create_task(run(job, started))
                # In order: small guests must not overtake a waiting large one forever.
                await started.wait()
    except ExceptionGroup as group:
        raise _for_users(group) from group
    if kept:
        raise kept[0]


def _for_users(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first of several errors that a user can act on; otherwise all of them."""
    for error in group.exceptions:
        if isinstance(error, MemnotifyError):
            return error
        if isinstance(error, OSError):
            return InfrastructureError("storage", f"cannot write results: {error}")
    return group


async def _try_and_publish(
    job: Job,
    guests: GuestRunner,
    folder: RunFolder,
    failed: Path,
    board: Board,
    refused: InfrastructureError | None,
) -> CellResult:
    """Try a cell until it has a result or has failed too often; `failed` gets files of failures.

    A failure of the testbed never replaces an existing result. A guest for which the host lacked
    memory even when alone is not retried: it would fail again. Nor is one that waited for memory in
    vain: `refused` is the error that ended the wait.
    """
    attempts: list[CellResult] = []
    while True:
        with folder.draft(job.id) as draft:
            if refused is None:
                result = await _attempt(job, guests, draft, board)
            else:
                result = _no_result(_failure(refused), 0.0)
            attempts.append(dataclasses.replace(result, log=None))
            outcome = result.outcome
            hopeless = outcome.infrastructure == HOST_MEMORY or (
                outcome.infrastructure == HOST_OOM and not await guests.ledger.in_company()
            )
            if outcome.infrastructure is not None and len(attempts) < MAX_ATTEMPTS and not hopeless:
                board.warn(f"{job.name}: {outcome}, trying again: {outcome.detail}")
                draft.rename(failed / str(len(attempts)))  # works even on a full disk
                continue
            if outcome.infrastructure is not None and folder.has(job.id):
                board.warn(f"{job.name}: {outcome}: its earlier result is kept")
            else:
                # Not in a thread: a cancelled one would continue in a folder that is being removed.
                verdict = make_verdict(job, result, draft / RECORDS)
                if isinstance(result.log, RecordLog):
                    note_reaction(draft, result.log)
                manifest = make_manifest(job, attempts, draft)
                folder.publish(job.id, draft, manifest=manifest, verdict=verdict, failed=failed)
        board.finished(job.name, outcome)
        return result


async def _attempt(job: Job, guests: GuestRunner, draft: Path, board: Board) -> CellResult:
    started = time.monotonic()
    try:
        return await guests.run(
            job,
            folder=draft,
            watcher=Watcher(
                on_stage=partial(board.stage, job.name), on_view=partial(board.view, job.name)
            ),
        )
    except InputError:
        raise  # the user can fix it, and other cells would fail likewise
    except Exception as error:
        return _no_result(_failure(error), time.monotonic() - started)


def _no_result(outcome: Outcome, seconds: float) -> CellResult:
    return CellResult(outcome=outcome, guest_ns=0, wall_seconds=seconds, records=0, lost_records=0)


def _failure(error: Exception) -> Outcome:
    match error:
        case InfrastructureError():
            return Outcome(infrastructure=error.kind, detail=str(error))
        case OSError():
            return Outcome(infrastructure="host", detail=str(error))
    if os.environ.get(TRACEBACK):
        raise error
    detail = (
        f"{type(error).__name__}: {error} (this is a bug; set {TRACEBACK}=1 to see the traceback)"
    )
    return Outcome(infrastructure="internal", detail=detail)
