"""A guest in the other thread of a worker: when it is gone, whatever ended it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("distributed")

from memnotify.errors import InfrastructureError
from memnotify.guest import qemu
from memnotify.run.executors import dask_worker
from memnotify.run.executors.dask_worker import CellHost
from memnotify.run.executors.parcel import Parcel

PATIENCE_S = 20.0


class Host(CellHost):
    """A host whose guests do nothing until they are cancelled, and then take a moment to end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.begun = threading.Event()
        self.ended = 0

    async def _attempt(self, parcel: Parcel, key: str) -> Any:
        self.begun.set()
        if key == "fails":
            raise OSError("no")
        try:
            await asyncio.sleep(0 if key == "quick" else 3600)
        finally:
            await asyncio.sleep(0.1)
            self.ended += 1
        return key


@pytest.fixture
def host() -> Iterator[Host]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield Host(loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def parcel(key: str) -> Parcel:
    return cast(Parcel, SimpleNamespace(run="r", key=key))


async def cancelled(host: Host, task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(PATIENCE_S):
            await task


def test_what_a_guest_gives_comes_back(host: Host) -> None:
    assert str(asyncio.run(host.run(parcel("quick")))) == "quick"
    with pytest.raises(OSError, match="no"):
        asyncio.run(host.run(parcel("fails")))
    assert host._running == {}


def test_a_cancelled_guest_is_gone_first(host: Host) -> None:
    async def go() -> None:
        task = asyncio.create_task(host.run(parcel("long")))
        await asyncio.to_thread(host.begun.wait, PATIENCE_S)
        await cancelled(host, task)
        assert host.ended == 1

    asyncio.run(go())
    assert host._running == {}


def test_a_guest_that_never_began_is_gone_too(host: Host) -> None:
    async def go() -> None:
        host._loop.call_soon_threadsafe(time.sleep, 0.3)  # it computes a verdict
        task = asyncio.create_task(host.run(parcel("long")))
        await asyncio.sleep(0.05)
        await cancelled(host, task)

    asyncio.run(go())
    assert (host.ended, host._running) == (0, {})


def test_all_guests_of_a_run_end_at_once(host: Host) -> None:
    async def go() -> None:
        tasks = [asyncio.create_task(host.run(parcel(f"long{number}"))) for number in range(3)]
        await asyncio.to_thread(host.begun.wait, PATIENCE_S)
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            await host.stop("another")
            assert len(host._running) == 3
            await host.stop("r")
        assert await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(go())
    assert host._running == {}


def test_each_cell_is_the_one_of_its_id(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = SimpleNamespace(hardware="h", accel="tcg", id="one")
    monkeypatch.setattr(dask_worker, "cell_id", lambda cell: cell.id)
    monkeypatch.setattr(qemu, "hardware_digest", lambda cell, accel: "h")
    host._check(cast(Parcel, SimpleNamespace(id="one", name="n", cell=cell)))
    with pytest.raises(InfrastructureError, match="two is not the id of n"):
        host._check(cast(Parcel, SimpleNamespace(id="two", name="n", cell=cell)))


def test_what_is_said_in_a_moment_is_one_message(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    heard = threading.Event()

    def log_event(topic: str, event: dict[str, Any]) -> None:
        sent.append((topic, event))
        heard.set()

    worker = SimpleNamespace(
        address="tcp://w",
        name="nodea",
        log_event=log_event,
        loop=SimpleNamespace(add_callback=lambda call, *args: call(*args)),
    )
    monkeypatch.setattr(host, "_worker", worker, raising=False)

    def talk() -> None:
        for key in ("ended", "runs"):
            host._tell("topic", key, stage="starts")
        host._said.pop("ended")  # as when a cell has ended

    host._loop.call_soon_threadsafe(talk)
    assert heard.wait(PATIENCE_S)
    heard.clear()
    host._loop.call_soon_threadsafe(
        lambda: host._tell("topic", "lacks", stage="waits", kind="image", wants="key")
    )
    assert heard.wait(PATIENCE_S)
    who = {"host": "nodea", "address": "tcp://w"}
    wants = {"key": "lacks", "stage": "waits", "kind": "image", "wants": "key"}
    assert sent == [
        ("topic", {**who, "said": [{"key": "runs", "stage": "starts"}]}),
        ("topic", {**who, "said": [wants]}),
    ]
