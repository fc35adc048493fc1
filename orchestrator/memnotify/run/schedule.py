"""Runs cells: in a good order, retried only if the testbed failed, published when they are done.

Where they run, and how many at once, is up to an executor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from memnotify.errors import InfrastructureError, MemnotifyError
from memnotify.guest.held import Holder
from memnotify.guest.view import Watcher
from memnotify.model import CellResult
from memnotify.report.board import Board
from memnotify.results.folder import RunFolder
from memnotify.results.summary import Job, make_manifest
from memnotify.run.durations import Durations
from memnotify.run.executors.protocol import Attempted, Executor, Turn

MAX_ATTEMPTS = 3


async def run_jobs(
    jobs: Sequence[Job],
    executor: Executor,
    *,
    folder: RunFolder,
    durations: Durations,
    limit: int | None,
    board: Board,
    holder_of: Callable[[Job], Holder] | None = None,
) -> None:
    """Run all jobs and publish their results; longest first, so that none is left to run alone.

    `limit` caps how many run at once. A failing guest does not disturb the others, nor does a bug
    of ours in one of them. Raises InputError; InfrastructureError if results cannot be written, or,
    when all have run, if the testbed failed in a cell that keeps its earlier result. Cancelling
    kills all guests. `holder_of` is that of `RunOptions`.
    """
    slots = asyncio.Semaphore(limit or len(jobs) or 1)
    kept: list[InfrastructureError] = []

    async def run(job: Job, started: asyncio.Event) -> None:
        def waiting(reason: str) -> None:
            board.warn(f"{job.name} waits for {reason}")

        async with slots, executor.turn(job, waiting=waiting) as turn:
            started.set()
            holder = None if holder_of is None else holder_of(job)
            with ExitStack() as drafts:
                result = await _try_and_publish(job, turn, folder, drafts, board, holder)
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
        raise for_users(group) from group
    finally:
        durations.write()
    if kept:
        raise kept[0]


def for_users(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first of several errors that a user can act on; otherwise all of them."""
    for error in group.exceptions:
        if isinstance(error, MemnotifyError):
            return error
        if isinstance(error, OSError):
            return InfrastructureError("storage", f"cannot write results: {error}")
    return group


async def _try_and_publish(
    job: Job,
    turn: Turn,
    folder: RunFolder,
    drafts: ExitStack,
    board: Board,
    holder: Holder | None,
) -> CellResult:
    """Try a cell until it has a result or has failed too often.

    `drafts` holds the folder with the files of failures, which hardly any cell needs.

    A failure of the testbed never replaces an existing result.
    """
    attempts: list[Attempted] = []
    failed: Path | None = None
    watcher = Watcher(
        on_stage=partial(board.stage, job.name),
        on_view=partial(board.view, job.name),
        holder=holder,
    )
    while True:
        with folder.draft(job.id) as draft:
            attempt = await turn.attempt(draft, watcher)
            attempts.append(attempt)
            outcome = attempt.result.outcome
            if (
                outcome.infrastructure is not None
                and len(attempts) < MAX_ATTEMPTS
                and not await turn.hopeless(outcome)
            ):
                board.warn(f"{job.name}: {outcome}, trying again: {outcome.detail}")
                failed = failed or drafts.enter_context(folder.draft(job.id))
                draft.rename(failed / str(len(attempts)))  # works even on a full disk
                continue
            if outcome.infrastructure is not None and folder.has(job.id):
                board.warn(f"{job.name}: {outcome}: its earlier result is kept")
            else:
                manifest = make_manifest(
                    job,
                    [each.result for each in attempts],
                    draft,
                    machine=attempt.machine,
                    hosts=[each.host for each in attempts],
                    moves=[move for each in attempts for move in each.lost],
                )
                folder.publish(
                    job.id, draft, manifest=manifest, verdict=attempt.verdict, failed=failed
                )
        board.finished(job.name, outcome)
        return attempt.result
