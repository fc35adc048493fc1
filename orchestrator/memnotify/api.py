"""Load and run a campaign from Python; `import memnotify` exports these functions."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from memnotify import inherited, limits
from memnotify.campaign import load
from memnotify.campaign.load import Campaign
from memnotify.campaign.plan import plan_cells
from memnotify.errors import InputError
from memnotify.files import named
from memnotify.model import Accel, Clock
from memnotify.process import CommandLog
from memnotify.report.board import Board, QuietBoard, open_board
from memnotify.report.plain import plain_console
from memnotify.results.opened import Run, open_run
from memnotify.run import campaign as running
from memnotify.run.base_selection import Preparing, choose_base
from memnotify.run.ledger import Ledger
from memnotify.run.services import RunOptions, Services
from memnotify.store import Store
from memnotify.text import shown

E = TypeVar("E", bound=Enum)


def load_campaign(path: str | os.PathLike[str]) -> Campaign:
    """Read and check a campaign file. Nothing is fetched, built or run.

    Raises InputError, with file and line, for the first error.
    """
    return load.load_campaign(named(path, "campaign"))


def run_campaign(
    campaign: Campaign | str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    jobs: int | None = None,
    again: bool = False,
    cold: bool = False,
    accel: str = "auto",
    clock: str = "virtual",
    source: str | None = None,
    cc: str | None = None,
    quiet: bool = False,
) -> Run:
    """Run a campaign, or the rest of it if part has already run, and return its results.

    The arguments are the options of `memnotify run`, each by its name, as a notebook completes
    them. Results go into the folder `path`, by default
    runs/<name of the campaign>. `jobs` guests run at once, by default as many as fit. `again` also
    runs cells that already have results; `cold` boots every guest. Progress is shown on standard
    error unless `quiet`.

    Call it in the main thread, outside a running event loop. Raises InputError if it is called
    elsewhere, for a wrong argument, and if something cannot work, before anything is built;
    InfrastructureError if something cannot be built or written. What a guest does, such as a panic,
    is a result, not an exception.
    """
    _refuse_elsewhere()
    inherited.hold()
    limits.raise_soft()
    hardware, time = _member("accel", accel, Accel), _member("clock", clock, Clock)
    _check_jobs(jobs)
    _check_flags({"again": again, "cold": cold, "quiet": quiet})
    source, cc = _name("source", source), _name("cc", cc)
    place = None if path is None else named(path, "path")
    if not isinstance(campaign, Campaign):
        campaign = load_campaign(campaign)
    store = Store()
    # Checked before a base is chosen, which may fetch and build for an hour.
    planned = plan_cells(campaign, accel=hardware, clock=time)
    running.refuse_too_large(campaign, planned, Ledger(store.folder("ledger")))
    with _board(quiet=quiet) as board:
        base = choose_base(
            campaign,
            Preparing(
                store=store,
                log=CommandLog(store.folder("logs") / "commands.jsonl"),
                say=board.note,
                board=board,
            ),
            source=source,
            cc=cc,
        )
        cells = plan_cells(campaign, base=base, accel=hardware, clock=time, source=source, cc=cc)
        folder = running.run_campaign(
            campaign,
            cells,
            Services(store=store, board=board),
            path=place or Path("runs") / campaign.table.name,
            options=RunOptions(limit=jobs, again=again, cold=cold),
        )
    return open_run(folder.path)


def _refuse_elsewhere() -> None:
    """Raise InputError where no guests can be run: signals need the main thread, guests a loop."""
    try:
        asyncio.get_running_loop()
        where = "in a running event loop, as in a notebook"
    except RuntimeError:
        if threading.current_thread() is threading.main_thread():
            return
        where = "in a thread"
    raise InputError(
        f"run_campaign() was called {where}",
        hint="call it in the main thread, outside a running event loop, or use memnotify run",
    )


def _member(name: str, value: Any, kind: type[E]) -> E:
    try:
        return kind(value)
    except ValueError:
        *others, last = (repr(member.value) for member in kind)
        allowed = f"{', '.join(others)} or {last}"
        raise InputError(f"{name} must be {allowed}, not {shown(value)}") from None


def _check_jobs(jobs: Any) -> None:
    whole = isinstance(jobs, int) and not isinstance(jobs, bool)
    if jobs is not None and not (whole and jobs >= 1):
        raise InputError(f"jobs must be a number of guests, 1 or more, or None, not {shown(jobs)}")


def _check_flags(flags: Mapping[str, Any]) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InputError(f"{name} must be True or False, not {shown(value)}")


def _name(what: str, name: Any) -> str | None:
    """Return a name as it was given, if it is one: `cc` may be one that is found on the PATH."""
    if name is not None:
        named(name, what)
    return None if name is None else os.fspath(name)


def _board(*, quiet: bool) -> AbstractContextManager[Board]:
    return QuietBoard(silent=True) if quiet else open_board(plain_console(stderr=True))
