"""Runs some cells of a finished run once more, each on another host: are the records the same?"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.view import UNWATCHED
from memnotify.jsontext import dump
from memnotify.model import Repeatability
from memnotify.records.compare import compare
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS
from memnotify.records.parquet import read_records
from memnotify.report.board import Board
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.summary import Job
from memnotify.run.executors.protocol import Executor
from memnotify.run.schedule import for_users

VERIFIED = "verified.json"
"""In the folder of a run: the result of each comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A cell that ran on two hosts; `detail` says what differs, or why it could not be compared."""

    id: str
    name: str
    hosts: tuple[str, str]
    records: int
    same: bool
    detail: str = ""


async def verify(
    jobs: Sequence[Job], executor: Executor, *, folder: RunFolder, count: int, board: Board
) -> list[Verified]:
    """Run `count` cells with results once more, on another host each, and note the result.

    Only cells that promise the same records are chosen, evenly among the jobs. Raises
    InfrastructureError if there is no second host.
    """
    chosen = _chosen(jobs, folder, count)
    if len(chosen) < count:
        board.warn(
            f"--verify {count}: only {len(chosen)} cells have a log that must be the same again"
        )
    found: list[Verified] = []
    try:
        async with asyncio.TaskGroup() as group:
            for job, host in chosen:
                group.create_task(_add(found, job, host, executor, folder, board))
    except ExceptionGroup as group:
        raise for_users(group) from group
    text = dump([asdict(each) for each in found]) + "\n"
    await asyncio.to_thread((folder.path / VERIFIED).write_text, text, encoding="utf-8")
    return found


def _chosen(jobs: Sequence[Job], folder: RunFolder, count: int) -> list[tuple[Job, str]]:
    exact = []
    for job in jobs:
        try:
            manifest = folder.manifest(job.id)
        except InputError:
            continue
        if manifest.repeatability == Repeatability.EXACT and RECORDS in manifest.files:
            exact.append((job, "" if manifest.host is None else manifest.host.name))
    step = max(1, len(exact) // count)
    return exact[::step][:count]


async def _add(
    found: list[Verified],
    job: Job,
    first: str,
    executor: Executor,
    folder: RunFolder,
    board: Board,
) -> None:
    async with executor.turn(job, waiting=board.warn) as turn:
        if not turn.leave(first):
            raise InfrastructureError(
                "no-hosts",
                f"--verify: there is no host except {first or 'this one'} for {job.name}",
            )
        with tempfile.TemporaryDirectory(prefix="memnotify-") as name:
            again = Path(name)
            attempted = await turn.attempt(again, UNWATCHED)
            hosts = (first or "here", attempted.host or "here")
            outcome = attempted.result.outcome
            detail = ""
            if outcome.infrastructure is not None:
                detail = f"{outcome}: {outcome.detail}"
            elif hosts[0] == hosts[1]:
                detail = f"every other host was lost, so it ran on {hosts[0]} again"
            if detail:
                done = Verified(
                    id=job.id, name=job.name, hosts=hosts, records=0, same=False, detail=detail
                )
            else:
                done = _compared(job, hosts, folder.cell(job.id), again)
    found.append(done)
    how = "the same records" if done.same else f"not the same: {done.detail}"
    text = f"{job.name} on {done.hosts[0]} and {done.hosts[1]}: {how}"
    (board.note if done.same else board.warn)(text)


def _compared(job: Job, hosts: tuple[str, str], one: Path, two: Path) -> Verified:
    first, second = read_records(one / RECORDS), read_records(two / RECORDS)
    comparison = compare(first.records, second.records, VIEWS)
    detail = ""
    if (found := comparison.first) is not None:
        kinds = ["nothing" if kind is None else Kind(kind).name for kind in found.kinds]
        fields = "; ".join(f"{name} {a} and {b}" for name, a, b in found.fields[:3])
        detail = f"record {found.index}: {' and '.join(dict.fromkeys(kinds))} {fields}".strip()
    elif (first.lost, first.torn) != (second.lost, second.torn):
        detail = f"{first.lost + first.torn} and {second.lost + second.torn} records are missing"
    return Verified(
        id=job.id,
        name=job.name,
        hosts=hosts,
        records=len(first.records),
        same=not detail,
        detail=detail,
    )
