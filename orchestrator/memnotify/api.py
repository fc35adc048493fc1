"""Load and run a campaign from Python; `import memnotify` exports these functions."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console

from memnotify.campaign import load
from memnotify.campaign.load import Campaign
from memnotify.campaign.plan import plan_cells
from memnotify.model import Accel, Clock
from memnotify.process import CommandLog
from memnotify.report.board import open_board
from memnotify.report.table import plain_console
from memnotify.results.opened import Run, open_run
from memnotify.run import campaign as running
from memnotify.run.base_selection import choose_base
from memnotify.run.ledger import Ledger
from memnotify.run.services import RunOptions, Services
from memnotify.store import Store


def load_campaign(path: str | os.PathLike[str]) -> Campaign:
    """Read and check a campaign file. Nothing is fetched, built or run.

    Raises InputError, with file and line, for the first error.
    """
    return load.load_campaign(Path(path))


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

    The arguments are the options of `memnotify run`. Results go into the folder `path`, by default
    runs/<name of the campaign>. `jobs` guests run at once, by default as many as fit. `again` also
    runs cells that already have results; `cold` boots every guest. Progress is shown on standard
    error unless `quiet`.

    Call it in the main thread. Raises InputError if something cannot work, before anything is
    built, and InfrastructureError if something cannot be built or written. What a guest does, such
    as a panic, is a result, not an exception.
    """
    if not isinstance(campaign, Campaign):
        campaign = load_campaign(campaign)
    hardware, time = Accel(accel), Clock(clock)
    store = Store()
    # Checked before a base is chosen, which may fetch and build for an hour.
    running.refuse_too_large(campaign, plan_cells(campaign), Ledger(store.folder("ledger")))
    console = Console(quiet=True) if quiet else plain_console(stderr=True)
    base = choose_base(
        campaign,
        source=source,
        cc=cc,
        store=store,
        log=CommandLog(store.folder("logs") / "commands.jsonl"),
        say=_say_nothing if quiet else _say,
    )
    cells = plan_cells(campaign, base=base, accel=hardware, clock=time, source=source, cc=cc)
    with open_board(console) as board:
        folder = running.run_campaign(
            campaign,
            cells,
            Services(store=store, board=board),
            path=Path("runs") / campaign.table.name if path is None else Path(path),
            options=RunOptions(limit=jobs, again=again, cold=cold),
        )
    return open_run(folder.path)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _say_nothing(line: str) -> None:
    pass
