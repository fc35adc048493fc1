"""Kernels and images on their way to another host's store: whole or not at all, from where it
stopped, and nothing that does not fit its digest."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from memnotify.errors import InfrastructureError
from memnotify.run.executors import delivery
from memnotify.store import MANIFEST, Artifact, Store

from tests.support.processes import wait_for

TEXT = b"0123456789abcdef"


@pytest.fixture
def artifact(store: Store, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """An artifact of two files that take several pieces."""
    monkeypatch.setattr(delivery, "PIECE", 5)

    def build(folder: Path) -> dict[str, Any]:
        (folder / "bzImage").write_bytes(TEXT)
        (folder / "config").write_bytes(b"y")
        return {}

    return store.publish("kernel", {"base": "6.1"}, build)


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return Store(tmp_path / "there")


def begin(there: Store, artifact: Artifact) -> dict[str, int] | None:
    manifest = artifact.file(MANIFEST).read_bytes()
    return delivery.begin(there, artifact.kind, artifact.key, manifest)


def send(there: Store, artifact: Artifact, most: int = 100) -> int:
    """Send so many pieces at most; return how many were sent."""
    missing = begin(there, artifact)
    assert missing is not None
    sent = list(delivery.pieces(artifact, missing))[:most]
    for name, at, data in sent:
        delivery.piece(there, artifact.kind, artifact.key, name, at, data)
    return len(sent)


def test_an_artifact_arrives_once(there: Store, artifact: Artifact) -> None:
    assert send(there, artifact) == 5
    assert there.get(artifact.kind, artifact.key) is None
    assert delivery.finish(there, artifact.kind, artifact.key)
    found = there.get(artifact.kind, artifact.key)
    assert found is not None and found.file("bzImage").read_bytes() == TEXT
    assert begin(there, artifact) is None
    assert list(there.root.glob("incoming/*")) == []


def test_it_continues_where_it_was_cut_off(there: Store, artifact: Artifact) -> None:
    assert send(there, artifact, most=2) == 2
    assert not delivery.finish(there, artifact.kind, artifact.key)
    assert begin(there, artifact) == {"bzImage": 10, "config": 0}
    assert send(there, artifact) == 3
    assert delivery.finish(there, artifact.kind, artifact.key)


def test_a_file_without_content_arrives(there: Store, store: Store) -> None:
    def build(folder: Path) -> dict[str, Any]:
        (folder / "empty").touch()
        return {}

    artifact = store.publish("image", {"empty": True}, build)
    assert send(there, artifact) == 0
    assert delivery.finish(there, artifact.kind, artifact.key)


def test_a_piece_that_another_sender_was_faster_with_comes_once(
    there: Store, artifact: Artifact
) -> None:
    begin(there, artifact)
    (place,) = there.root.glob("incoming/*")
    given = (there, artifact.kind, artifact.key, "bzImage", 0, TEXT[:5])
    with (place / "bzImage").open("ab") as file, ThreadPoolExecutor() as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        slower = pool.submit(delivery.piece, *given)
        wait_for(lambda: waits_for_lock(os.getpid()))
        file.write(TEXT[:5])
        file.flush()
        fcntl.flock(file, fcntl.LOCK_UN)
        slower.result(timeout=20)
    assert (place / "bzImage").read_bytes() == TEXT[:5]


def waits_for_lock(pid: int) -> bool:
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f" {pid} " in line for line in lines)


def test_who_waits_hears_of_each_step_that_fails(
    there: Store, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    dask_worker = pytest.importorskip("memnotify.run.executors.dask_worker")
    host = dask_worker.CellHost()
    host.store, host.incoming = there, delivery.Incoming(there)
    worker = SimpleNamespace(plugins={dask_worker.PLUGIN: host}, name="a")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    key, manifest = artifact.key, artifact.file(MANIFEST).read_bytes()
    steps = {
        "begin": dask_worker.begin("kernel", key, manifest, dask_worker=worker),
        "piece": dask_worker.piece("kernel", key, "bzImage", 0, b"x", dask_worker=worker),
        "finish": dask_worker.finish("kernel", key, dask_worker=worker),
    }
    for name, step in steps.items():
        monkeypatch.setattr(delivery, name, full)
        with pytest.raises(OSError, match="No space left"):
            asyncio.run(step)
        assert host.incoming._failures.pop(("kernel", key)).errno == errno.ENOSPC


def test_whoever_gets_something_waits_longer(
    there: Store, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_S", 0.6)
    monkeypatch.setattr(delivery, "ASK_AGAIN_S", 0.1)
    incoming = delivery.Incoming(there)

    async def slowly() -> None:
        for name, at, data in delivery.pieces(artifact, begin(there, artifact) or {}):
            await asyncio.sleep(0.3)
            delivery.piece(there, artifact.kind, artifact.key, name, at, data)
        delivery.finish(there, artifact.kind, artifact.key)

    async def both() -> Artifact:
        sending = asyncio.create_task(slowly())
        found = await incoming.get(artifact.kind, artifact.key, lambda kind, key: None)
        await sending
        return found

    assert asyncio.run(both()).key == artifact.key


def test_two_senders_do_not_mix(there: Store, artifact: Artifact) -> None:
    one = list(delivery.pieces(artifact, begin(there, artifact) or {}))
    two = list(delivery.pieces(artifact, begin(there, artifact) or {}))
    for pair in zip(one, two, strict=True):
        for name, at, data in pair:
            delivery.piece(there, artifact.kind, artifact.key, name, at, data)
    assert delivery.finish(there, artifact.kind, artifact.key)


def test_a_piece_of_what_has_arrived_is_ignored(there: Store, artifact: Artifact) -> None:
    send(there, artifact)
    delivery.finish(there, artifact.kind, artifact.key)
    delivery.piece(there, artifact.kind, artifact.key, "bzImage", 0, TEXT)
    assert not delivery.begin(there, artifact.kind, artifact.key, b"")
    assert list(there.root.glob("incoming/*")) == []


def test_what_is_damaged_is_sent_anew(there: Store, artifact: Artifact) -> None:
    send(there, artifact)
    (file,) = there.root.glob("incoming/*/bzImage")
    file.write_bytes(TEXT[::-1])
    assert not delivery.finish(there, artifact.kind, artifact.key)
    assert there.get(artifact.kind, artifact.key) is None
    assert begin(there, artifact) == {"bzImage": 0, "config": 0}


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": {"base": "6.12"}},
        {"files": {"../../x": [1, "0"]}},
        {"files": {"/etc/passwd": [1, "0"]}},
        {"facts": {"other": 1}},
    ],
)
def test_a_manifest_of_something_else_is_refused(
    there: Store, artifact: Artifact, changes: dict[str, Any]
) -> None:
    manifest = json.loads(artifact.file(MANIFEST).read_bytes()) | changes
    with pytest.raises(InfrastructureError, match="what was sent is not kernel"):
        delivery.begin(there, artifact.kind, artifact.key, json.dumps(manifest).encode())
    assert not (there.root / "incoming").exists()


@pytest.mark.parametrize(
    ("kind", "key", "name"),
    [("../x", "0" * 64, "f"), ("kernel", "../../x", "f"), ("kernel", "0" * 64, "../f")],
)
def test_no_piece_leaves_its_folder(there: Store, kind: str, key: str, name: str) -> None:
    with pytest.raises(InfrastructureError, match="is not a file of an artifact"):
        delivery.piece(there, kind, key, name, 0, b"x")


def test_who_waits_asks_and_hears_of_a_full_disk(there: Store, artifact: Artifact) -> None:
    incoming = delivery.Incoming(there)
    asked = []

    def ask(kind: str, key: str) -> None:
        asked.append((kind, key))
        incoming.fail(kind, key, OSError(errno.ENOSPC, "No space left on device"))

    with pytest.raises(InfrastructureError, match="No space left") as raised:
        asyncio.run(incoming.get(artifact.kind, artifact.key, ask))
    assert raised.value.kind == "disk-full"
    assert asked == [(artifact.kind, artifact.key)]


def test_all_who_wait_get_what_is_asked_for_once(there: Store, artifact: Artifact) -> None:
    asked = []

    def ask(kind: str, key: str) -> None:
        asked.append(kind)
        send(there, artifact)
        delivery.finish(there, kind, key)

    async def both() -> list[Artifact]:
        incoming = delivery.Incoming(there)
        waits = (incoming.get(artifact.kind, artifact.key, ask) for _ in range(2))
        return list(await asyncio.gather(*waits))

    assert [found.key for found in asyncio.run(both())] == [artifact.key] * 2
    assert asked == ["kernel"]
