"""Runs a whole campaign: plan, build what is needed, run the cells that have no results."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from memnotify import limits, toml
from memnotify.campaign.load import Campaign
from memnotify.campaign.place import Place
from memnotify.campaign.plan import cell_name
from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.files import resolved
from memnotify.guest import probe
from memnotify.guest.templates import Templates
from memnotify.model import Accel, Cell
from memnotify.process import CommandLog
from memnotify.results.folder import CAMPAIGN, RunFolder
from memnotify.run.durations import Durations
from memnotify.run.executors.choose import executor, look_at
from memnotify.run.executors.protocol import KVM, Cluster
from memnotify.run.guests import GuestRunner
from memnotify.run.jobs import row_of
from memnotify.run.ledger import Ledger
from memnotify.run.need import need
from memnotify.run.schedule import run_jobs
from memnotify.run.services import USUAL, RunOptions, Services, jobs_of
from memnotify.run.verify import VERIFIED, verify
from memnotify.store import Store

T = TypeVar("T")

_ENDING = (signal.SIGINT, signal.SIGTERM)


def run_campaign(
    campaign: Campaign,
    cells: Sequence[Cell],
    services: Services,
    *,
    path: Path,
    options: RunOptions = USUAL,
    whole: Sequence[str] | None = None,
    cluster: Cluster | None = None,
) -> RunFolder:
    """Run a campaign into the folder `path` and return it.

    `whole` has the names of all cells if these are only a part of the campaign. Without a
    `cluster`, guests run on this host.

    Raises InputError for a cell that does not fit on this machine, before anything is built, and
    InfrastructureError if something cannot be built or written. A guest that fails, for whatever
    reason, is a result in the folder.
    """
    store, board = services.store, services.board
    ledger = Ledger(store.folder("ledger"))
    if cluster is None:
        refuse_too_large(campaign, cells, ledger)
    else:
        if any(probe.choose(cell.accel, cell.clock) is Accel.KVM for cell in cells):
            options = replace(options, tags=(*options.tags, KVM))
        run_until_done(look_at(cluster, cells, services, options))
    folder = RunFolder(path.absolute())
    with hold(folder, store=store, warn=board.warn):
        folder.make()
        folder.clear()
        log = CommandLog(folder.path / "commands.jsonl")
        make = jobs_of(services, log)
        jobs = [make.of(cell) for cell in cells]
        if (other := other_campaign(folder, campaign)) is not None:
            board.warn(f"{path} was a run of campaign {other}: its results stay, its plan does not")
        (folder.path / VERIFIED).unlink(missing_ok=True)
        folder.begin(campaign.text, [row_of(job) for job in jobs], whole=whole)
        todo = [job for job in jobs if options.again or not folder.has(job.id)]
        durations = Durations(store)
        known = durations.known()
        expected = {job.name: known.get(job.name) for job in todo}
        board.planned(len(jobs), len(jobs) - len(todo), expected)
        guests = GuestRunner(
            ledger=ledger,
            runner=services.runner,
            templates=None if options.cold else Templates(store),
            log=log,
        )

        async def run() -> None:
            async with executor(cluster, guests, services, options) as chosen:
                await run_jobs(
                    todo,
                    chosen,
                    folder=folder,
                    durations=durations,
                    limit=options.limit,
                    board=board,
                    holder_of=options.holder_of,
                )
                if options.verify:
                    await verify(jobs, chosen, folder=folder, count=options.verify, board=board)

        try:
            if todo or options.verify:
                run_until_done(run())
        finally:
            folder.finish()
    return folder


def refuse_too_large(campaign: Campaign, cells: Sequence[Cell], ledger: Ledger) -> None:
    """Raise InputError for the first cell that does not fit on this machine, whatever its base.

    Raises InfrastructureError if a limit of this process is too low for the largest.

    The error names the line of the campaign that sets the guest's memory.
    """
    limits.refuse_low(guest_mib=max((cell.memory_mib for cell in cells), default=0))
    for cell in cells:
        try:
            ledger.refuse_if_never(cell_name(cell), need(cell, cores=ledger.capacity.cores))
        except InputError as error:
            memories = campaign.table.matrix.memory_mib
            place = Place(campaign.path, toml.LineNumbers(campaign.text)).at("matrix", "memory_mib")
            known = cell.memory_mib in memories
            place = place.at(memories.index(cell.memory_mib)) if known else place
            place.refuse(error.message, hint=error.hint)


def other_campaign(folder: RunFolder, campaign: Campaign) -> str | None:
    """Return the name of the campaign that a folder has, if it is another one."""
    try:
        value, _ = toml.read(folder.path / CAMPAIGN)
    except InputError:
        return None
    name = str(value.get("name", ""))
    return name if name not in ("", campaign.table.name) else None


@contextmanager
def hold(folder: RunFolder, *, store: Store, warn: Callable[[str], None]) -> Iterator[None]:
    """Lock a folder against other runs into it; `warn` is called if that has to wait."""
    path = folder.path
    lock = f"run-{digest_value(str(resolved(path)))[:16]}"
    with store.lock(lock, waiting=lambda: warn(f"waiting for another run into {path} to finish")):
        yield


def run_until_done(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; SIGTERM and Ctrl-C cancel it, and it kills its guests on the way.

    This holds for any number of signals: asyncio's own handler would exit at the second Ctrl-C.
    """
    before = {number: signal.getsignal(number) for number in _ENDING}

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
