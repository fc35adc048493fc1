"""Makes the order for a cell of a run: what is sent to a cluster, and what its host must have."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Collection

from memnotify.model import Clock
from memnotify.results.summary import Job
from memnotify.run.executors.dask_batches import Order
from memnotify.run.executors.dask_hosts import Hosts
from memnotify.run.executors.parcel import Parcel, identity, program, qemu_version
from memnotify.run.executors.protocol import BOOTS, CORES, MEMORY
from memnotify.run.guests import CellRunner
from memnotify.run.need import need


class Orders:
    """Makes the orders of one run, whose name on the cluster is `run`."""

    def __init__(self, run: str, hosts: Hosts, runner: CellRunner, *, cold: bool) -> None:
        self._run = run
        self._hosts = hosts
        self._runner = runner
        self._cold = cold
        self._identity = identity(program(), qemu_version() or "")

    def of(self, job: Job, avoid: Collection[str]) -> Order:
        """Return a new order for a cell; if possible, not for a host whose name is in `avoid`."""
        key = f"cell-{job.id}-{uuid.uuid4().hex[:12]}"
        parcel = Parcel(
            run=self._run,
            key=key,
            id=job.id,
            name=job.name,
            cell=job.cell,
            cold=self._cold,
            runner=self._runner,
        )
        wanted = need(job.cell, cores=self._hosts.least_cores())
        boots = self._cold or job.cell.clock is Clock.REAL
        return Order(
            key=key,
            # As bytes: the scheduler would read it and write it again.
            parcel=pickle.dumps(parcel),
            only=self._hosts.choice(avoid),
            resources={
                MEMORY: wanted.memory_mib,
                CORES: wanted.cores,
                **dict.fromkeys((self._identity, *self._hosts.wanted), 1),
                **({BOOTS: 1} if boots else {}),
            },
        )
