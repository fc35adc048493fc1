"""Runs cells on the hosts of a Dask cluster, and brings each result home as soon as it is there.

Dask decides where a cell runs, moves waiting cells to idle hosts, and notices hosts that are gone.
This says what a cell needs, sends kernels and images to hosts that lack them, keeps cells from
hosts that cannot run them, and runs a second copy of a cell whose host is far slower than others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from distributed import Client, Future, KilledWorker, Security
from distributed.client import CancelledError

from memnotify import __version__
from memnotify.campaign.plan import cell_name
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.view import Watcher
from memnotify.model import Cell, Clock, Outcome
from memnotify.results.manifest import Move
from memnotify.results.summary import Job
from memnotify.run.attempt import failed
from memnotify.run.executors import dask_worker, delivery
from memnotify.run.executors.dask_hosts import Hosts
from memnotify.run.executors.parcel import (
    READY,
    HostFacts,
    Parcel,
    Returned,
    identity,
    qemu_version,
    refuse_other_versions,
    unpack,
)
from memnotify.run.executors.protocol import (
    BOOTS,
    CORES,
    MEMORY,
    Attempted,
    Cluster,
    Turn,
)
from memnotify.run.need import need
from memnotify.run.services import Services
from memnotify.store import MANIFEST

HOSTS_LOST = "hosts-lost"
"""The failure of a cell whose hosts died one after the other: perhaps it kills them."""

_CONNECT_S = 20.0
_LOOK_S = 1.0
_LONG_S = 5.0
_ENDING_S = 20.0
_SLOW = 4.0
"""A cell that takes so many times longer than others did is also run elsewhere."""
_SLOW_S = 30.0
"""But not before so many seconds."""
_ENOUGH = 3
"""Results that must be there before one host can be called slow."""


@dataclass(slots=True, eq=False)
class _Copy:
    """A cell, as given to the cluster once. `host` is an address, from when it has begun there."""

    key: str
    future: Future
    task: asyncio.Task[Returned]
    only: Sequence[str] | None
    host: str | None = None
    since: float = 0.0


@dataclass(slots=True, eq=False)
class _Cell:
    """A cell that is under way."""

    job: Job
    watcher: Watcher
    copies: list[_Copy] = field(default_factory=list)
    lost: list[Move] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    again: Collection[str] | None = None
    """Another copy is wanted, away from these hosts."""


class OnDask:
    """The executor; `connected` makes one."""

    def __init__(self, client: Client, cluster: Cluster, services: Services, *, cold: bool) -> None:
        self.hosts = Hosts()
        self.client = client
        self._cluster = cluster
        self._services = services
        self._board = services.board
        self._cold = cold
        self._run = f"memnotify-{uuid.uuid4().hex}"
        self._cells: dict[str, _Cell] = {}  # by the key of each copy
        self._begun = False
        self._inside = 0
        self._room = asyncio.Event()
        self._sending: set[tuple[str, str, str]] = set()
        self._background: set[asyncio.Task[Any]] = set()
        self._failure: InfrastructureError | None = None
        self._seconds: list[float] = []
        self._identity = identity(__version__, qemu_version() or "")

    async def begin(self, *, announce: bool) -> None:
        """Wait for the hosts, and tell which there are. Raises InputError if none can run cells."""
        self.client.subscribe_topic(READY, self._on_ready)
        self.client.subscribe_topic(self._run, self._on_event)
        self.client.subscribe_topic("all", self._on_cluster)
        await self.client.register_plugin(dask_worker.CellHost())
        deadline = time.monotonic() + self._cluster.patience_s
        found: dict[str, Any] = {}
        while len(found) < self._cluster.hosts and time.monotonic() < deadline:
            found = await self.client.run(dask_worker.describe, on_error="ignore")
            if len(found) < self._cluster.hosts:
                await asyncio.sleep(0.2)
        if not found:
            raise InfrastructureError(
                "no-hosts",
                f"no worker of {self._cluster.address} can run cells after "
                f"{self._cluster.patience_s:g} s",
                hint="start workers in an environment with this version of memnotify",
            )
        refuse_other_versions(list(found.values()))
        for facts in found.values():
            self._join(facts, announce=announce)
        self._begun = True
        self._start(self._watch())

    def _join(self, facts: HostFacts, *, announce: bool) -> None:
        told = self.hosts.join(facts)
        if told and announce:
            self._board.warn(f"{told}: it gets no cells, as its records would be others")
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
        with contextlib.suppress(Exception, CancelledError):
            async with asyncio.timeout(_ENDING_S):
                if self._cells:
                    futures = [copy.future for cell in self._cells.values() for copy in cell.copies]
                    await self.client.cancel(futures, force=True)
                await self.client.run(dask_worker.stop, self._run, on_error="ignore")

    @asynccontextmanager
    async def turn(self, job: Job, *, waiting: Callable[[str], None]) -> AsyncIterator[Turn]:
        """Wait until the cluster has use for another cell: each host has one in reserve."""
        began = time.monotonic()
        while self._failure is None and self._inside >= 2 * self.hosts.slots():
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
        cell = _Cell(job, watcher)
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
                    self._drop(cell, copy)
                    returned = copy.task.result()
                    if copy.host is not None:
                        self._seconds.append(time.monotonic() - copy.since)
                    return returned, cell.lost
                if cell.again is not None:
                    self._submit(cell, cell.again)
                    cell.again = None
        finally:
            rest = [copy.future for copy in cell.copies]
            for copy in list(cell.copies):
                copy.task.cancel()
                self._drop(cell, copy)
            if rest and self._failure is None:
                self._start(self.client.cancel(rest, force=True))

    def note(self, name: str, failure: str | None) -> None:
        """Note that a host has returned a result or a failure."""
        if why := self.hosts.returned(name, failure):
            self._board.warn(f"host {name} gets no more cells: {why}")

    def _submit(self, cell: _Cell, avoid: Collection[str]) -> None:
        job = cell.job
        key = f"cell-{job.id}-{uuid.uuid4().hex[:12]}"
        parcel = Parcel(
            run=self._run,
            key=key,
            id=job.id,
            name=job.name,
            cell=job.cell,
            cold=self._cold,
            runner=self._services.runner,
        )
        wanted = need(job.cell, cores=self.hosts.least_cores())
        boots = self._cold or job.cell.clock is Clock.REAL
        only = self.hosts.choice(avoid)
        future = self.client.submit(
            dask_worker.run_parcel,
            parcel,
            key=key,
            pure=False,
            retries=0,
            workers=only,
            resources={
                MEMORY: wanted.memory_mib,
                CORES: wanted.cores,
                self._identity: 1,
                **({BOOTS: 1} if boots else {}),
            },
        )
        copy = _Copy(key, future, asyncio.ensure_future(self._wait(future)), only)
        cell.copies.append(copy)
        self._cells[key] = cell

    async def _wait(self, future: Future) -> Returned:
        try:
            returned = await future
        except KilledWorker as error:
            raise InfrastructureError(
                HOSTS_LOST, f"several hosts died while they ran it, {error.last_worker.name} last"
            ) from error
        except CancelledError as error:
            if asyncio.current_task() in self._background or self.client.status == "running":
                raise InfrastructureError("cancelled", "the cluster cancelled it") from error
            raise self._fail(error) from error
        if not isinstance(returned, Returned):
            raise InfrastructureError("host", "something else than a result was received")
        return returned

    def _fail(self, error: object) -> InfrastructureError:
        """Note that there is no cluster any more; all cells that are under way end with that."""
        if self._failure is None:
            self._failure = InfrastructureError(
                "scheduler",
                f"the scheduler at {self._cluster.address} is gone",
                hint="what has come home is kept: run the same command again",
            )
            for cell in self._cells.values():
                cell.changed.set()
            self._room.set()
        return self._failure

    def _drop(self, cell: _Cell, copy: _Copy) -> None:
        cell.copies.remove(copy)
        self._cells.pop(copy.key, None)
        self._leaves(copy)

    def _leaves(self, copy: _Copy) -> None:
        if (state := self.hosts.get(copy.host)) is not None:
            state.running -= 1
        copy.host = None

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _find(self, key: str) -> tuple[_Cell, _Copy] | None:
        cell = self._cells.get(key)
        return (
            next(((cell, copy) for copy in cell.copies if copy.key == key), None) if cell else None
        )

    def _on_event(self, event: tuple[float, Any]) -> None:
        """Handle what a worker says of a cell of ours."""
        said = event[1]
        if "wants" in said:
            self._start(self._send(said["kind"], said["wants"], said["address"]))
        if (found := self._find(said["key"])) is None:
            return
        cell, copy = found
        if copy.host != said["address"]:
            self._leaves(copy)
            copy.host, copy.since = said["address"], time.monotonic()
            if (state := self.hosts.get(copy.host)) is not None:
                state.running += 1
        if said["stage"] != "start":
            cell.watcher.on_stage(f"{said['stage']} on {said['host']}")

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
                for cell in set(self._cells.values()):
                    await self._place_again(cell)

    async def _place_again(self, cell: _Cell) -> None:
        waiting = [copy for copy in cell.copies if copy.host is None]
        for copy in waiting:
            copy.task.cancel()
            self._drop(cell, copy)
        await self.client.cancel([copy.future for copy in waiting], force=True)
        if not cell.copies:
            cell.again = ()
            cell.changed.set()

    def _on_cluster(self, event: tuple[float, Any]) -> None:
        said = event[1]
        if said.get("action") != "remove-worker":
            return
        address = said["worker"]
        name, state = self.hosts.name(address), self.hosts.leave(address)
        if state is None:
            return
        why = "it left the cluster" if said.get("expected") else "it was lost"
        self._board.warn(f"host {name}: {why}; {self._moved(address, name, why)}")

    def _moved(self, address: str, name: str, why: str) -> str:
        """Note which cells a lost host had; those that only it could have are placed anew."""
        count = 0
        for cell in set(self._cells.values()):
            for copy in cell.copies:
                if copy.host == address:
                    copy.host = None
                    cell.lost.append(Move(host=name, why=why))
                    count += 1
            if all(
                copy.only is not None and not any(each in self.hosts for each in copy.only)
                for copy in cell.copies
            ):
                self._start(self._place_again(cell))
        return f"{count} of its cells run elsewhere" if count else "it had no cells"

    async def _send(self, kind: str, key: str, address: str) -> None:
        """Send an artifact of our store to a host that lacks it."""
        if (wanted := (kind, key, address)) in self._sending or kind not in delivery.KINDS:
            return
        self._sending.add(wanted)
        try:
            run, workers = self.client.run, [address]
            if (artifact := self._services.store.get(kind, key)) is None:
                return
            manifest = artifact.file(MANIFEST).read_bytes()
            there = (await run(dask_worker.begin, kind, key, manifest, workers=workers))[address]
            if there is None:
                return
            for name, at, data in delivery.pieces(artifact, there):
                await run(dask_worker.piece, kind, key, name, at, data, workers=workers)
            await run(dask_worker.finish, kind, key, workers=workers)
        except Exception as error:  # the host asks again if it still wants it
            self._board.warn(f"{kind} {key[:16]} for host {self.hosts.name(address)}: {error}")
        finally:
            self._sending.discard(wanted)

    async def _watch(self) -> None:
        """Look for cells whose host is slow, and for a cluster that has no hosts any more."""
        alone_since: float | None = None
        while True:
            await asyncio.sleep(_LOOK_S)
            now = time.monotonic()
            if self.client.status != "running":
                self._fail(self.client.status)
                return
            alone_since = None if self.hosts.fit() else alone_since or now
            if alone_since is not None and now - alone_since > self._cluster.patience_s:
                self._failure = InfrastructureError(
                    "no-hosts", f"{self._cluster.address} has no hosts that can run cells"
                )
                self._fail(None)
                for cell in self._cells.values():
                    cell.changed.set()
                return
            if len(self._seconds) >= _ENOUGH:
                self._look_for_slow(now, max(_SLOW_S, _SLOW * median(self._seconds[-100:])))

    def _look_for_slow(self, now: float, most_s: float) -> None:
        for cell in set(self._cells.values()):
            copy = cell.copies[0] if len(cell.copies) == 1 else None
            if copy is None or copy.host is None or now - copy.since < most_s:
                continue
            name = self.hosts.name(copy.host)
            if self.hosts.idle([name]):
                usual = median(self._seconds[-100:])
                why = f"slow: {now - copy.since:.0f} s, and others took {usual:.0f} s"
                cell.lost.append(Move(host=name, why=why))
                self._board.warn(f"{cell.job.name} is slow on {name}: it also runs elsewhere")
                cell.again = [name]
                cell.changed.set()


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
        lost = [each for each in lost if each.host != host or not each.why.startswith("slow")]
        return Attempted(
            result=returned.result, verdict=returned.verdict, host=host, lost=tuple(lost)
        )

    async def hopeless(self, outcome: Outcome) -> bool:
        if outcome.infrastructure == HOSTS_LOST:
            return True
        return not self.executor.hosts.elsewhere(self.failed_on) and len(self.failed_on) > 1


@asynccontextmanager
async def connected(
    cluster: Cluster, services: Services, *, cold: bool, announce: bool = False
) -> AsyncIterator[OnDask]:
    """Connect to a cluster for one run; at its end no guest of it is left on any host.

    Raises InfrastructureError if the scheduler does not answer.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # users get our own lines
    security: Security | None = None
    if (tls := cluster.tls) is not None:
        security = Security(
            require_encryption=True,
            tls_ca_file=str(tls.ca),
            tls_client_cert=str(tls.cert),
            tls_client_key=str(tls.key),
        )
    try:
        client = await Client(
            cluster.address,
            security=security,
            asynchronous=True,
            set_as_default=False,
            timeout=_CONNECT_S,
        )
    except (OSError, ValueError, TypeError) as error:  # TimeoutError and errors of TLS are OSErrors
        text = " ".join(str(error).split()) or type(error).__name__
        raise InfrastructureError(
            "scheduler", f"cannot connect to the scheduler at {cluster.address}: {text}"
        ) from error
    executor = OnDask(client, cluster, services, cold=cold)
    try:
        await executor.begin(announce=announce)
        yield executor
    finally:
        await asyncio.shield(executor.end())
        with contextlib.suppress(Exception):
            await client.close(timeout=2)
