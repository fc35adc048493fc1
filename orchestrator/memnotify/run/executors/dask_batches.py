"""What goes to the scheduler of a cluster, and comes from it, those of a moment together.

Each message costs scheduler and client a millisecond, whether it is about one cell or twenty. So
cells are handed over, and results fetched, at the end of a moment that is short beside any guest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future

from memnotify.run.executors import dask_worker

SHORTEST_S, LONGEST_S = 0.02, 0.5
TIMES = 30
"""A moment is so many times longer than it took to hand over the cells of the last one, within
these bounds: on a busy host, or with many cells, exchanges are fewer and larger."""

NO_CODE = {"distributed.diagnostics.computations.nframes": 0}
"""Settings of Dask without which each message has the source text of the function that sends it."""


@dataclass(slots=True, eq=False)
class Order:
    """A cell for the cluster: Dask's name of the task, the packed parcel, and what it needs.

    `only` are the addresses of the workers that may have it; None: any. `future` is set when it has
    been handed over, or `failure` if that was not possible.
    """

    key: str
    parcel: bytes
    only: Sequence[str] | None
    resources: Mapping[str, float]
    future: Future | None = None
    failure: Exception | None = None
    dropped: bool = False


class Batches:
    """Hands over orders, and fetches results."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._orders: list[Order] = []
        self._end: asyncio.Future[None] | None = None
        self._moment_s = SHORTEST_S

    async def result(self, order: Order) -> Any:
        """Hand over an order, and return its result. Raises what `await` of its future raises."""
        self._orders.append(order)
        await self._moment()
        if order.failure is not None:
            raise order.failure
        if order.future is None:
            raise asyncio.CancelledError
        await order.future.exception()  # only until it is done: the result comes with others
        await self._moment()
        return await order.future

    def drop(self, order: Order) -> None:
        """Do not hand over an order that waits for that."""
        order.dropped = True

    async def _moment(self) -> None:
        """Wait until the moment ends in which this is called."""
        if self._end is None:
            loop = asyncio.get_running_loop()
            self._end = loop.create_future()
            loop.call_later(self._moment_s, self._ends)
        # One of many who wait may be cancelled, and must not cancel what they wait for.
        await asyncio.shield(self._end)

    def _ends(self) -> None:
        assert self._end is not None
        end, self._end = self._end, None
        self._hand_over()
        end.set_result(None)

    def _hand_over(self) -> None:
        """Submit all orders that wait, those with the same needs in one message."""
        orders, self._orders = self._orders, []
        if not orders:
            return
        began = time.monotonic()
        alike: dict[Any, list[Order]] = {}
        for order in orders:
            if not order.dropped:
                only = None if order.only is None else tuple(order.only)
                alike.setdefault((only, tuple(order.resources.items())), []).append(order)
        for (only, resources), some in alike.items():
            try:
                futures = self._client.map(
                    dask_worker.run_packed,
                    [order.parcel for order in some],
                    key=[order.key for order in some],
                    pure=False,
                    retries=0,
                    workers=None if only is None else list(only),
                    resources=dict(resources),
                )
            except Exception as error:  # of these alone: others wait for this moment too
                for order in some:
                    order.failure = error
                continue
            for order, future in zip(some, futures, strict=True):
                order.future = future
        took = time.monotonic() - began
        self._moment_s = min(LONGEST_S, max(SHORTEST_S, TIMES * took))
