"""What a worker of a Dask cluster does for a run: guests in a thread of their own.

Dask's own thread answers the scheduler, whatever the guests do. QEMU is killed when the thread that
started it ends, so a worker that dies, however that happens, leaves no guest behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import pickle
import platform
import re
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from distributed import Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from memnotify.campaign.plan import cell_id
from memnotify.errors import InfrastructureError, no_space
from memnotify.guest import qemu
from memnotify.guest.probe import kvm_problem
from memnotify.guest.templates import Templates
from memnotify.guest.view import Watcher
from memnotify.process import CommandLog
from memnotify.results.summary import Job
from memnotify.run.attempt import failed, try_once
from memnotify.run.executors import delivery
from memnotify.run.executors.parcel import (
    PLUGIN,
    READY,
    STARTS,
    HostFacts,
    Parcel,
    Returned,
    facts,
    identity,
    pack,
    program,
    qemu_version,
)
from memnotify.run.executors.protocol import BOOTS, CORES, KVM, MEMORY, OWN, Attempted
from memnotify.run.guests import GuestRunner
from memnotify.run.ledger import Ledger
from memnotify.run.need import need
from memnotify.store import Artifact, Store

T = TypeVar("T")

SUPPLY = 1e9
"""How much a host has of the resource that only says what it is; a cell wants 1 of it."""

_MOMENT_S = 0.1
"""What is said in such a moment goes to the scheduler together."""

_GONE = ("cancelled", "released", "forgotten")
"""States of a task that nobody wants here any more."""


class CellHost(WorkerPlugin):  # type: ignore[misc]
    """The part of ours in a worker; it is sent to all workers, also to those that come later."""

    name = PLUGIN
    idempotent = True

    def __init__(self) -> None:
        self._running: dict[str, _Guest] = {}
        self._checked: set[str] = set()
        self._said: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self.problem: str | None = None

    async def setup(self, worker: Worker) -> None:
        """Offer what the host has; a host without QEMU offers nothing.

        `problem` is None when that is done. Raises what keeps the host from running cells.
        """
        self.problem = "its start has not finished"
        try:
            await self._set_up(worker)
            self.problem = None
        except Exception as error:
            self.problem = str(error)
            raise
        worker.log_event(READY, {"host": self.host, "address": worker.address})

    async def _set_up(self, worker: Worker) -> None:
        self._running, self._checked, self._said = {}, set(), {}
        self._worker = worker
        self.store = Store()
        self.incoming = delivery.Incoming(self.store)
        self._ledger = Ledger(self.store.folder("ledger"))
        self._templates = Templates(self.store)
        self._log = CommandLog(self.store.folder("logs") / "commands.jsonl")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=PLUGIN, daemon=True)
        self._thread.start()
        capacity = self._ledger.capacity
        offered = worker.state.total_resources
        resources: dict[str, float] = {
            MEMORY: capacity.memory_mib,
            CORES: capacity.cores,
            BOOTS: max(2, capacity.cores // 2),
        }
        resources = {name: offered.get(name, most) for name, most in resources.items()}
        if (version := await asyncio.to_thread(qemu_version)) is not None:
            resources[identity(program(), version)] = SUPPLY
            resources[f"{OWN}{platform.machine()}"] = SUPPLY
            if await asyncio.to_thread(kvm_problem) is None:
                resources[KVM] = SUPPLY
        await worker.set_resources(**resources)

    async def teardown(self, worker: Worker) -> None:
        """End all guests, and wait until they are gone."""
        await self.stop(None)
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, 10)

    def transition(self, key: Any, start: Any, finish: Any, **_: Any) -> None:
        """End the guest of a task that was cancelled, or whose client has gone."""
        if finish in _GONE and (found := self._running.get(str(key))) is not None:
            found.cancel()

    @property
    def host(self) -> str:
        """The name of this host for users; a job of a batch system is named after its node."""
        name = str(self._worker.name)
        job = re.fullmatch(r"\w+Cluster-(\d+)(-\d+)?", name)
        return name if job is None else f"{platform.node()}-{job[1]}"

    def facts(self) -> HostFacts:
        """Return what this host is."""
        return facts(
            address=self._worker.address,
            name=self.host,
            threads=self._worker.state.nthreads,
            memory_mib=int(self._worker.state.total_resources.get(MEMORY, 0)),
            offers=frozenset(self._worker.state.total_resources),
        )

    async def stop(self, run: str | None) -> None:
        """End the guests of a run, or all of them; return when they are gone."""
        ending = [guest for guest in self._running.values() if run in (None, guest.run)]
        for guest in ending:
            guest.cancel()
        if ending:
            await asyncio.wait([guest.gone for guest in ending])

    async def run(self, parcel: Parcel) -> Returned:
        """Run a parcel in our thread."""
        guest = _Guest(parcel.run, self._loop)
        self._running[parcel.key] = guest
        guest.start(lambda: self._attempt(parcel, parcel.key))
        try:
            return await asyncio.shield(guest.gone)
        except asyncio.CancelledError:
            guest.cancel()
            await asyncio.wait([guest.gone])
            raise  # a worker that is being closed has Dask run it elsewhere
        finally:
            del self._running[parcel.key]

    async def _attempt(self, parcel: Parcel, key: str) -> Returned:
        tell = functools.partial(self._tell, parcel.run, key)
        tell(stage=STARTS)
        started = time.monotonic()
        try:
            with self.store.draft("cell", {"id": parcel.id}) as draft:
                attempted = await self._in_turn(parcel, draft.path, tell)
                files = await asyncio.to_thread(pack, draft.path)
        except OSError as error:  # not even the files of a failure can be kept
            seconds = time.monotonic() - started
            kind = "disk-full" if no_space(error) else "storage"
            attempted = failed(
                self._job(parcel),
                InfrastructureError(kind, f"on {self.host}: {error}"),
                Path("none"),
                seconds=seconds,
            )
            files = ()
        self._said.pop(key, None)  # that it has begun is no news any more
        return Returned(
            host=self.host,
            machine=dataclasses.replace(attempted.machine, name=self.host),
            result=attempted.result,
            verdict=attempted.verdict,
            files=files,
        )

    async def _in_turn(self, parcel: Parcel, folder: Path, tell: Callable[..., None]) -> Attempted:
        cell = parcel.cell
        try:
            self._check(parcel)
            kernel = await self._artifact("kernel", cell.kernel, tell)
            image = await self._artifact("image", cell.image, tell)
            job = self._job(parcel, kernel, image)
            wanted = need(cell, cores=self._ledger.capacity.cores)
            waiting = functools.partial(self._waits, wanted, tell)
            guests = GuestRunner(
                ledger=self._ledger,
                runner=parcel.runner,
                templates=None if parcel.cold else self._templates,
                log=self._log,
            )
            async with self._ledger.claim(wanted, waiting=waiting):
                watcher = Watcher(on_stage=lambda stage: tell(stage=stage))
                return await try_once(job, guests, folder, watcher)
        except InfrastructureError as error:
            return failed(self._job(parcel), error, folder)

    def _waits(self, wanted: Any, tell: Callable[..., None]) -> None:
        tell(stage=f"waiting for {self._ledger.obstacle(wanted)}")

    def _job(
        self, parcel: Parcel, kernel: Artifact | None = None, image: Artifact | None = None
    ) -> Job:
        cell = parcel.cell
        none = Path("none")
        return Job(
            id=parcel.id,
            name=parcel.name,
            cell=cell,
            kernel=kernel or Artifact("kernel", cell.kernel, none, {}, {}),
            image=image or Artifact("image", cell.image, none, {}, {}),
        )

    def _check(self, parcel: Parcel) -> None:
        """Raise InfrastructureError if this host cannot give the records of the cell's id."""
        cell = parcel.cell
        if cell_id(cell) != parcel.id:
            raise InfrastructureError("internal", f"{parcel.id} is not the id of {parcel.name}")
        if cell.hardware in self._checked:
            return
        if qemu.hardware_digest(cell, cell.accel) != cell.hardware:
            raise InfrastructureError("other-qemu", f"{self.host} has {qemu_version()}")
        self._checked.add(cell.hardware)

    async def _artifact(self, kind: str, key: str, tell: Callable[..., None]) -> Artifact:
        def ask(kind: str, key: str) -> None:
            tell(stage=f"waiting for its {kind}", kind=kind, wants=key)

        return await self.incoming.get(kind, key, ask)

    def _tell(self, run: str, key: str, **said: Any) -> None:
        """Say something about a cell, with what else is said in this moment. In our thread."""
        if not self._said:
            self._loop.call_later(_MOMENT_S, self._say)
        self._said.setdefault(key, []).append((run, {"key": key, **said}))
        if "wants" in said:
            self._say()

    def _say(self) -> None:
        found: dict[str, list[dict[str, Any]]] = {}
        for events in self._said.values():
            for run, said in events:
                found.setdefault(run, []).append(said)
        self._said.clear()
        with contextlib.suppress(Exception):  # a worker that is being closed tells nothing
            for run, told in found.items():
                event = {"host": self.host, "address": self._worker.address, "said": told}
                self._worker.loop.add_callback(self._worker.log_event, run, event)


class _Guest:
    """A coroutine in another thread's loop. `gone` is done when nothing of it runs any more.

    Not asyncio.run_coroutine_threadsafe(): the future of that is done as soon as it is cancelled,
    while the guest still ends. And a coroutine that is cancelled before its first step, since the
    other loop was busy, has no `finally` that could tell.
    """

    def __init__(self, run: str, there: asyncio.AbstractEventLoop) -> None:
        self.run = run
        self._here, self._there = asyncio.get_running_loop(), there
        self.gone: asyncio.Future[Returned] = self._here.create_future()
        self._task: asyncio.Task[Returned] | None = None

    def start(self, work: Callable[[], Coroutine[Any, Any, Returned]]) -> None:
        def begin() -> None:
            self._task = self._there.create_task(work())
            self._task.add_done_callback(ended)

        def ended(task: asyncio.Task[Returned]) -> None:
            self._here.call_soon_threadsafe(self._note, task)

        self._there.call_soon_threadsafe(begin)

    def cancel(self) -> None:
        """End it. In the order in which both are called, so `start` has made the task."""

        def end() -> None:
            if self._task is not None:
                self._task.cancel()

        self._there.call_soon_threadsafe(end)

    def _note(self, task: asyncio.Task[Returned]) -> None:
        if task.cancelled():
            self.gone.cancel()
        elif (error := task.exception()) is not None:
            self.gone.set_exception(error)
        else:
            self.gone.set_result(task.result())


async def run_packed(packed: bytes) -> Returned:
    """Run one parcel; what Dask calls on a worker."""
    parcel: Parcel = pickle.loads(packed)
    return await _here(get_worker()).run(parcel)


async def describe(dask_worker: Worker) -> HostFacts:
    """Return the facts of a worker's host."""
    return await asyncio.to_thread(_here(dask_worker).facts)


async def stop(run: str, dask_worker: Worker) -> None:
    """End the guests of a run on a worker."""
    await _here(dask_worker).stop(run)


async def begin(kind: str, key: str, manifest: bytes, dask_worker: Worker) -> dict[str, int] | None:
    """See `delivery.begin`."""
    return await _kept(dask_worker, delivery.begin, kind, key, manifest)


async def piece(kind: str, key: str, name: str, at: int, data: bytes, dask_worker: Worker) -> None:
    """See `delivery.piece`."""
    await _kept(dask_worker, delivery.piece, kind, key, name, at, data)


async def finish(kind: str, key: str, dask_worker: Worker) -> bool:
    """See `delivery.finish`."""
    return await _kept(dask_worker, delivery.finish, kind, key)


async def _kept(worker: Worker, step: Callable[..., T], kind: str, key: str, *more: Any) -> T:
    """Do a step of a delivery; whoever waits for the artifact hears if it cannot be kept here."""
    here = _here(worker)
    try:
        return await asyncio.to_thread(step, here.store, kind, key, *more)
    except OSError as error:
        here.incoming.fail(kind, key, error)
        raise


def _here(worker: Worker) -> CellHost:
    found = worker.plugins.get(PLUGIN)
    if not isinstance(found, CellHost):
        raise InfrastructureError("host", f"{worker.name} has not finished its start")
    if found.problem is not None:
        raise InfrastructureError("host", f"{worker.name}: {found.problem}")
    return found
