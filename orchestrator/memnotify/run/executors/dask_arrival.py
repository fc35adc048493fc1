"""Waits for the hosts of a cluster at the start of a run, and says why there is none."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from memnotify.errors import InfrastructureError
from memnotify.run.executors import dask_worker
from memnotify.run.executors.parcel import HostFacts
from memnotify.run.executors.protocol import Cluster
from memnotify.text import counted

_ANSWER_S = 20.0
_LOOK_S, _SELDOM_S = 0.2, 2.0
"""How often hosts are asked: at first, and when jobs of a queue may come hours later."""


async def arrived(client: Any, cluster: Cluster) -> list[HostFacts]:
    """Return the hosts that can run cells, as soon as there are as many as the cluster should have.

    `client` is Dask's. Raises InfrastructureError if there is none when its patience is over.
    """
    # The first worker that cannot have it raises; the others have it, and `describe` asks each.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_ANSWER_S):
            await client.register_plugin(dask_worker.CellHost())
    deadline, pause = time.monotonic() + cluster.patience_s, _LOOK_S
    while True:
        said = await _asked(client)
        found = [each for each in said.values() if isinstance(each, HostFacts)]
        if len(found) >= cluster.hosts or (found and time.monotonic() > deadline):
            return found
        if time.monotonic() > deadline:
            raise _none(cluster, said)
        await asyncio.sleep(pause)
        pause = min(1.2 * pause, _SELDOM_S)


async def _asked(client: Any) -> dict[str, object]:
    """Return what each worker says of itself, or the error that it answers with.

    Each is asked alone: one that was cut off a moment ago never answers, and a question to all
    would wait for it until TCP gives up, a quarter of an hour later.
    """

    async def ask(address: str) -> object:
        try:
            async with asyncio.timeout(_ANSWER_S):
                told = await client.run(dask_worker.describe, workers=[address], on_error="return")
        except TimeoutError:
            return TimeoutError(f"no answer in {_ANSWER_S:g} s")
        return told.get(address)

    known = (await client.scheduler.identity(n_workers=-1))["workers"]
    said = await asyncio.gather(*map(ask, known))
    return {address: one for address, one in zip(known, said, strict=True) if one is not None}


def _none(cluster: Cluster, said: Mapping[str, object]) -> InfrastructureError:
    """Return the error of a cluster whose workers, if there are any, all answered with an error."""
    hint = "start workers in an environment with this version of memnotify"
    if not said:
        text = f"no worker has joined {cluster.address} in {cluster.patience_s:g} s"
        return InfrastructureError("no-hosts", text, hint=hint)
    address, error = next(iter(said.items()))
    words = " ".join(str(error).split()) or type(error).__name__
    some = f"{counted(len(said), 'worker')} of {cluster.address} joined, and"
    none = "it cannot" if len(said) == 1 else "none of them can"
    text = f"{some} {none} run cells; {address} says: {words}"
    return InfrastructureError("no-hosts", text, hint=hint)
