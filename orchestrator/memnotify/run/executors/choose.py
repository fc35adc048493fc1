"""Chooses the executor of a run. Dask is imported only if there is a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from memnotify.extras import extra
from memnotify.model import Cell
from memnotify.run.executors.local import Local
from memnotify.run.executors.protocol import Cluster, Executor
from memnotify.run.guests import GuestRunner
from memnotify.run.services import RunOptions, Services


@asynccontextmanager
async def executor(
    cluster: Cluster | None, guests: GuestRunner, services: Services, options: RunOptions
) -> AsyncIterator[Executor]:
    """Open the executor of a run: that of a cluster, or this process with its `guests`.

    Raises InfrastructureError if the cluster does not answer, and InputError if none of its hosts
    can run cells.
    """
    if cluster is None:
        yield Local(guests)
        return
    with extra("fleet", "a cluster"):
        from memnotify.run.executors.dask_client import connected
    async with connected(cluster, services, options) as found:
        yield found


async def look_at(
    cluster: Cluster, cells: Sequence[Cell], services: Services, options: RunOptions
) -> None:
    """Tell what hosts a cluster has, before anything is built. Raises as `executor` does.

    Raises InputError if a cell is larger than every host.
    """
    with extra("fleet", "a cluster"):
        from memnotify.run.executors.dask_client import connected
    async with connected(cluster, services, options, announce=True) as found:
        found.refuse_too_large(cells)
