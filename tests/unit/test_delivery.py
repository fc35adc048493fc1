"""Kernels and images on their way to another host's store: whole or not at all, from where it
stopped, and nothing that does not fit its digest."""

from __future__ import annotations

import asyncio
import errno
import json
from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InfrastructureError
from memnotify.run.executors import delivery
from memnotify.store import MANIFEST, Artifact, Store

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
