"""What goes to a cluster and comes from it: those of a moment together, and each to its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("distributed")

from memnotify.run.executors import dask_batches
from memnotify.run.executors.dask_batches import Batches, Order
from memnotify.run.executors.dask_cells import Cells
from memnotify.run.executors.dask_hosts import Hosts


class Done:
    """A future of Dask, as far as it is used; it notes when its result is fetched."""

    def __init__(self, key: str, fetched: list[list[str]]) -> None:
        self.key = key
        self._fetched = fetched
        self.ready = asyncio.Event()

    async def exception(self) -> None:
        await self.ready.wait()

    def __await__(self) -> Any:
        self._fetched[-1].append(self.key)
        if self.key.startswith("bad"):
            raise ValueError(self.key)
        yield from asyncio.sleep(0).__await__()
        return f"result of {self.key}"


class Cluster:
    """Notes each message: the keys that it is about, where they may run, and what they need."""

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], Any, Any]] = []
        self.futures: dict[str, Done] = {}
        self.fetched: list[list[str]] = [[]]
        self.heard = asyncio.Event()

    def map(self, work: Any, parcels: list[bytes], **how: Any) -> list[Done]:
        keys = how["key"]
        assert [parcel.decode() for parcel in parcels] == keys
        self.messages.append((keys, how["workers"], how["resources"]))
        made = [Done(key, self.fetched) for key in keys]
        self.futures |= {one.key: one for one in made}
        self.heard.set()
        return made


def order(key: str, only: Any = None, **resources: float) -> Order:
    return Order(key=key, parcel=key.encode(), only=only, resources=resources or {"cores": 1})


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(dask_batches, "SHORTEST_S", 0.2)
    return Cluster()


def made(cluster: Cluster) -> Batches:
    client: Any = cluster
    return Batches(client)


async def after_a_moment(cluster: Cluster, messages: int) -> None:
    async with asyncio.timeout(20):
        while len(cluster.messages) < messages:
            await cluster.heard.wait()
            cluster.heard.clear()


def test_orders_of_a_moment_are_one_message_for_each_need(cluster: Cluster) -> None:
    async def work() -> list[Any]:
        batches = made(cluster)
        orders = [
            order("a"),
            order("b", ["w1"]),
            order("c"),
            order("d", cores=2),
            order("e", ["w1"]),
        ]
        tasks = [asyncio.ensure_future(batches.result(one)) for one in orders]
        await after_a_moment(cluster, 3)
        for future in cluster.futures.values():
            future.ready.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(work()) == [f"result of {key}" for key in "abcde"]
    assert cluster.messages == [
        (["a", "c"], None, {"cores": 1}),
        (["b", "e"], ["w1"], {"cores": 1}),
        (["d"], None, {"cores": 2}),
    ]


def test_a_failure_is_of_its_own_cell(cluster: Cluster) -> None:
    async def work() -> list[Any]:
        batches = made(cluster)
        tasks = [asyncio.ensure_future(batches.result(order(key))) for key in ("good", "bad")]
        await after_a_moment(cluster, 1)
        for future in cluster.futures.values():
            future.ready.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    good, bad = asyncio.run(work())
    assert good == "result of good" and isinstance(bad, ValueError)


def test_results_of_a_moment_are_fetched_together(cluster: Cluster) -> None:
    async def work() -> None:
        batches = made(cluster)
        tasks = [asyncio.ensure_future(batches.result(order(key))) for key in "ab"]
        await after_a_moment(cluster, 1)
        cluster.futures["a"].ready.set()
        await asyncio.sleep(0.01)
        assert cluster.fetched == [[]]  # b may still come within this moment
        cluster.futures["b"].ready.set()
        await asyncio.gather(*tasks)

    asyncio.run(work())
    assert sorted(cluster.fetched[0]) == ["a", "b"]


def test_what_is_dropped_is_not_handed_over(cluster: Cluster) -> None:
    async def work() -> None:
        batches = made(cluster)
        gone, stays = order("gone"), order("stays")
        tasks = [asyncio.ensure_future(batches.result(one)) for one in (gone, stays)]
        await asyncio.sleep(0)
        batches.drop(gone)
        tasks[0].cancel()
        await after_a_moment(cluster, 1)
        cluster.futures["stays"].ready.set()
        assert await tasks[1] == "result of stays"
        assert gone.future is None and tasks[0].cancelled()

    asyncio.run(work())
    assert [keys for keys, *_ in cluster.messages] == [["stays"]]


def test_an_error_of_the_client_reaches_each_cell(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = cluster.map

    def fails(work: Any, parcels: list[bytes], **how: Any) -> Any:
        if how["workers"]:
            raise OSError("no such worker")
        found = usual(work, parcels, **how)
        for one in found:
            one.ready.set()
        return found

    monkeypatch.setattr(cluster, "map", fails)

    async def work() -> list[Any]:
        batches = made(cluster)
        orders = [order("a", ["gone"]), order("b"), order("c", ["gone"])]
        return await asyncio.gather(*map(batches.result, orders), return_exceptions=True)

    assert list(map(str, asyncio.run(work()))) == [
        "no such worker",
        "result of b",
        "no such worker",
    ]


@pytest.mark.parametrize(
    ("seconds", "each"), [([], 2), ([0.0], 2), ([0.0] * 3, 16), ([0.1] * 5, 6), ([0.4, 9, 9], 2)]
)
def test_short_cells_have_more_in_reserve(
    seconds: list[float], each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = Cells(Hosts())
    monkeypatch.setattr(cells, "_seconds", seconds)
    assert cells.each() == each
