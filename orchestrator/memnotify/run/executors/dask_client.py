"""Runs cells on the hosts of a Dask cluster, and brings each result home as soon as it is ready.

Dask decides where a cell runs, moves waiting cells to idle hosts, and notices hosts that are gone.
This says what a cell needs, sends kernels and images to hosts that lack them, keeps cells from
hosts that cannot run them, and runs a second copy of a cell whose host is far slower than others.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker
from distributed.client import CancelledError

from memnotify.campaign.plan import cell_name
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.view import Watcher
from memnotify.model import Cell, Outcome
from memnotify.results.manifest import Move
from memnotify.results.summary import Job
from memnotify.run.attempt import failed
from memnotify.run.executors import dask_worker
from memnotify.run.executors.dask_arrival import arrived
from memnotify.run.executors.dask_batches import NO_CODE, Batches, Order
from memnotify.run.executors.dask_cells import Cells, Copy, UnderWay, was_slow
from memnotify.run.executors.dask_connection import opened
from memnotify.run.executors.dask_hosts import Hosts
from memnotify.run.executors.dask_orders import Orders
from memnotify.run.executors.dask_supply import Supply
from memnotify.run.executors.parcel import (
    READY,
    STARTS,
    HostFacts,
    Returned,
    refuse_other_versions,
    unpack,
)
from memnotify.run.executors.protocol import Attempted, Cluster, Turn
from memnotify.run.need import need
from memnotify.run.services import RunOptions, Services
from memnotify.text import counted

HOSTS_LOST = "hosts-lost"
"""The failure of a cell whose hosts died one after the other: perhaps it kills them."""

_LOOK_S = 1.0
_LONG_S = 5.0
_ENDING_S = 20.0


class OnDask:
    """The executor; `connected` makes one."""

    def __init__(
        self, client: Client, cluster: Cluster, services: Services, options: RunOptions
    ) -> None:
        self.hosts = Hosts(options.tags)
        self.client = client
        self._cluster = cluster
        self._board = services.board
        self._run = f"memnotify-{uuid.uuid4().hex}"
        self._orders = Orders(self._run, self.hosts, services.runner, cold=options.cold)
        self._cells = Cells(self.hosts)
        self._supply = Supply(client, services.store, services.board)
        self._batches = Batches(client)
        self._begun = False
        self._inside = 0
        self._room = asyncio.Event()
        self._background: set[asyncio.Task[Any]] = set()
        self._failure: InfrastructureError | None = None

    async def begin(self, *, announce: bool) -> None:
        """Wait for the hosts, and tell which there are.

        Raises InputError if none gives our records or has the tags of the run, and
        InfrastructureError if none can run cells.
        """
        self.client.subscribe_topic(READY, self._on_ready)
        self.client.subscribe_topic(self._run, self._on_event)
        self.client.subscribe_topic("all", self._on_cluster)
        found = await arrived(self.client, self._cluster)
        refuse_other_versions(found)
        for facts in found:
            self._join(facts, announce=announce)
        self.hosts.refuse_none()
        self._begun = True
        self._start(self._watch())

    def _join(self, facts: HostFacts, *, announce: bool) -> None:
        told = self.hosts.join(facts)
        if told and announce:
            self._board.warn(told)
        elif announce:
            self._board.note(
                f"host {facts.name}: {facts.cores} cores and {facts.memory_mib} MiB for guests"
            )
        self._room.set()

    def refuse_too_large(self, cells: Sequence[Cell]) -> None:
        """Raise InputError for a cell that is larger than every host."""
        cores = self.hosts.least_cores()
        self.hosts.refuse_if_never({cell_name(cell): need(cell, cores=cores) for cell in cells})

    async def end(self) -> None:
        """End what is left of the run on all hosts, and wait for that."""
        for task in self._background:
            task.cancel()
        if self.client.status != "running":
            return  # workers end their guests themselves when they have no scheduler
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_ENDING_S):
                await self._cancel(self._cells.copies())
                await self.client.run(dask_worker.stop, self._run, on_error="ignore")

    @asynccontextmanager
    async def turn(self, job: Job, *, waiting: Callable[[str], None]) -> AsyncIterator[Turn]:
        """Wait until the cluster has use for another cell: each host has some in reserve."""
        began = time.monotonic()
        while self._failure is None and self._inside >= self.hosts.slots() * self._cells.each():
            if not self.hosts.fit() and time.monotonic() - began > _LONG_S:
                waiting("a host: the cluster has none")
                began = time.monotonic() + 10 * _LONG_S
            self._room.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._room.wait()
        self._inside += 1
        try:
            yield _Turn(job, self)
        finally:
            self._inside -= 1
            self._room.set()

    async def result(
        self, job: Job, watcher: Watcher, avoid: Collection[str]
    ) -> tuple[Returned, Sequence[Move]]:
        """Run a cell somewhere; return the first result, and where it was given in vain.

        Raises what a worker raised, and InfrastructureError if there is no cluster any more.
        """
        cell = UnderWay(job, watcher)
        self._submit(cell, avoid)
        try:
            while True:
                if self._failure is not None:
                    raise self._failure
                cell.changed.clear()
                wake = asyncio.ensure_future(cell.changed.wait())
                try:
                    waits = {copy.task for copy in cell.copies} | {wake}
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    wake.cancel()
                for copy in [copy for copy in cell.copies if copy.task.done()]:
                    if self._ended(cell, copy):
                        return copy.task.result(), cell.lost
                if cell.again is not None:
                    self._submit(cell, cell.again)
                    cell.again = None
        finally:
            rest = list(cell.copies)
            for copy in rest:
                copy.task.cancel()
                self._cells.drop(cell, copy)
            if rest and self._failure is None:
                self._start(self._cancel(rest))

    async def _cancel(self, copies: Collection[Copy]) -> None:
        """Have the cluster forget copies of cells, and end their guests."""
        for copy in copies:
            self._batches.drop(copy.order)
        futures = [copy.order.future for copy in copies if copy.order.future is not None]
        if futures:
            await self.client.cancel(futures, force=True)

    def _ended(self, cell: UnderWay, copy: Copy) -> bool:
        """Note the end of a copy; return whether it decides: not if it failed and another runs."""
        address = copy.host
        failure = copy.failure()
        if failure is None:
            self._cells.returned(copy)
        self._cells.drop(cell, copy)
        if failure is None or not cell.copies:
            return True
        if address is not None:
            name = self.hosts.name(address)
            cell.leaves(name, f"{failure.kind}: {failure.message}")
            self.note(name, failure.kind)
        return False

    def note(self, name: str, failure: str | None) -> None:
        """Note that a host has returned a result or a failure."""
        if why := self.hosts.returned(name, failure):
            self._board.warn(f"host {name} gets no more cells: {why}")

    def _submit(self, cell: UnderWay, avoid: Collection[str]) -> None:
        order = self._orders.of(cell.job, avoid)
        task = asyncio.ensure_future(self._wait(order))
        self._cells.add(cell, Copy(order, task))

    async def _wait(self, order: Order) -> Returned:
        try:
            returned = await self._batches.result(order)
        except KilledWorker as error:
            raise InfrastructureError(
                HOSTS_LOST, f"several hosts died while they ran it, {error.last_worker.name} last"
            ) from error
        except CancelledError as error:
            if asyncio.current_task() in self._background or self.client.status == "running":
                raise InfrastructureError("cancelled", "the cluster cancelled it") from error
            raise self._no_scheduler() from error
        if not isinstance(returned, Returned):
            raise InfrastructureError("host", "what was received is not a result")
        return returned

    def _no_scheduler(self) -> InfrastructureError:
        return self._fail(
            InfrastructureError(
                "scheduler",
                f"the scheduler at {self._cluster.address} is gone",
                hint="what has come home is kept: run the same command again",
            )
        )

    def _fail(self, why: InfrastructureError) -> InfrastructureError:
        """End all cells, as they can run no more; the first reason counts."""
        if self._failure is None:
            self._failure = why
            for cell in self._cells:
                cell.changed.set()
            self._room.set()
        return self._failure

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _on_event(self, event: tuple[float, Any]) -> None:
        """Handle a worker's message about cells of ours."""
        address, host = event[1]["address"], event[1]["host"]
        for said in event[1]["said"]:
            if "wants" in said:
                self._start(self._supply.send(said["kind"], said["wants"], address, host))
            cell = self._cells.began(said["key"], address)
            if cell is not None and said["stage"] != STARTS:
                cell.watcher.on_stage(f"{said['stage']} on {host}")

    def _on_ready(self, event: tuple[float, Any]) -> None:
        if self._begun:
            self._start(self._look_at(event[1]["address"]))

    async def _look_at(self, address: str) -> None:
        """Add a host that has come later, or that has come back."""
        with contextlib.suppress(Exception):
            found = await self.client.run(dask_worker.describe, workers=[address])
            alone = not len(self.hosts)
            if address not in self.hosts:
                self._join(found[address], announce=True)
            if alone:  # what waits for a host was not offered to this one
                for cell in self._cells:
                    await self._place_again(cell)

    async def _place_again(self, cell: UnderWay) -> None:
        waiting = [copy for copy in cell.copies if copy.host is None]
        for copy in waiting:
            copy.task.cancel()
            self._cells.drop(cell, copy)
        await self._cancel(waiting)
        if not cell.copies:
            cell.want()

    def _on_cluster(self, event: tuple[float, Any]) -> None:
        said = event[1]
        if said.get("action") != "remove-worker":
            return
        address = said["worker"]
        name, state = self.hosts.name(address), self.hosts.leave(address)
        if state is None:
            return
        why = "it left the cluster" if said.get("expected") else "it was lost"
        count, stranded = self._cells.lose(address, name, why)
        moved = f"{counted(count, 'cell')} must run elsewhere" if count else "it had no cells"
        self._board.warn(f"host {name}: {why}; {moved}")
        for cell in stranded:
            self._start(self._place_again(cell))

    async def _watch(self) -> None:
        """Look for cells whose host is slow, and for a cluster that has no hosts any more."""
        alone_since: float | None = None
        while True:
            await asyncio.sleep(_LOOK_S)
            now = time.monotonic()
            if self.client.status != "running":
                self._no_scheduler()
                return
            alone_since = None if self.hosts.fit() else alone_since or now
            if alone_since is not None and now - alone_since > self._cluster.patience_s:
                text = f"{self._cluster.address} has no hosts that can run cells"
                self._fail(InfrastructureError("no-hosts", text))
                return
            for cell, name in self._cells.slow():
                self._board.warn(f"{cell.job.name} is slow on {name}: it also runs elsewhere")
                cell.want(avoid=[move.host for move in cell.lost])


@dataclass(slots=True)
class _Turn:
    job: Job
    executor: OnDask
    failed_on: list[str] = field(default_factory=list)

    async def attempt(self, folder: Path, watcher: Watcher) -> Attempted:
        started = time.monotonic()
        try:
            returned, lost = await self.executor.result(self.job, watcher, self.failed_on)
            unpack(returned.files, folder)
        except InputError:
            raise
        except Exception as error:
            if isinstance(error, InfrastructureError) and error.kind in ("scheduler", "no-hosts"):
                raise
            return failed(self.job, error, folder, seconds=time.monotonic() - started)
        host, failure = returned.host, returned.result.outcome.infrastructure
        self.executor.note(host, failure)
        if failure is not None:
            self.failed_on.append(host)
        # A slow host may have been faster in the end.
        lost = [each for each in lost if each.host != host or not was_slow(each)]
        return Attempted(
            result=returned.result,
            verdict=returned.verdict,
            machine=returned.machine,
            host=host,
            lost=tuple(lost),
        )

    def leave(self, host: str) -> bool:
        self.failed_on.append(host)
        return self.executor.hosts.elsewhere(self.failed_on)

    async def hopeless(self, outcome: Outcome) -> bool:
        if outcome.infrastructure == HOSTS_LOST:
            return True
        return not self.executor.hosts.elsewhere(self.failed_on) and len(self.failed_on) > 1


@asynccontextmanager
async def connected(
    cluster: Cluster, services: Services, options: RunOptions, *, announce: bool = False
) -> AsyncIterator[OnDask]:
    """Connect to a cluster for one run; at its end no guest of it is left on any host.

    Raises InfrastructureError if the scheduler does not answer.
    """
    async with opened(cluster) as client:
        executor = OnDask(client, cluster, services, options)
        try:
            with dask.config.set(NO_CODE):
                await executor.begin(announce=announce)
                yield executor
        finally:
            await asyncio.shield(executor.end())
