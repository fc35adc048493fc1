"""One attempt at a cell on this host: a guest, and what is computed of its log."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

from memnotify.errors import TRACEBACK, InfrastructureError, InputError
from memnotify.guest.view import Watcher
from memnotify.host import machine
from memnotify.model import CellResult, Outcome
from memnotify.records.log import RecordLog
from memnotify.results.folder import RECORDS
from memnotify.results.reaction import note_reaction
from memnotify.results.summary import Job, make_verdict
from memnotify.results.verdict import Verdict
from memnotify.run.executors.protocol import Attempted
from memnotify.run.guests import GuestRunner


async def try_once(job: Job, guests: GuestRunner, folder: Path, watcher: Watcher) -> Attempted:
    """Run a job's guest in a folder; a failure of whatever kind is an outcome.

    Raises InputError: the user can fix it, and other cells would fail likewise. Raises OSError if
    the results cannot be written.
    """
    started = time.monotonic()
    try:
        result = await guests.run(job, folder=folder, watcher=watcher)
    except InputError:
        raise
    except Exception as error:
        return failed(job, error, folder, seconds=time.monotonic() - started)
    # Not in a thread: a cancelled one would continue in a folder that is being removed.
    verdict = _verdict(job, result, folder)
    if isinstance(result.log, RecordLog):
        # A failed attempt may have filled the disk, and there may be room for the next one.
        try:
            note_reaction(folder, result.log)
        except OSError:
            if result.outcome.infrastructure is None:
                raise
    command = tuple(word.replace(f"{folder}/", "") for word in result.command)
    return Attempted(
        result=dataclasses.replace(result, log=None, command=command),
        verdict=verdict,
        machine=machine(),
    )


def failed(job: Job, error: Exception, folder: Path, *, seconds: float = 0.0) -> Attempted:
    """Return an attempt that ended with an error; a bug raises it if a traceback is wanted."""
    result = CellResult(
        outcome=_failure(error), guest_ns=0, wall_seconds=seconds, records=0, lost_records=0
    )
    return Attempted(result=result, verdict=_verdict(job, result, folder), machine=machine())


def _verdict(job: Job, result: CellResult, folder: Path) -> Verdict:
    try:
        return make_verdict(job, result, folder / RECORDS)
    except InputError:
        if result.outcome.infrastructure is None:
            raise
        return make_verdict(job, result, folder / "none")  # what it left cannot be read


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
