"""How a kernel or an image gets into the store of a worker's host: by its digest, in pieces.

A worker that lacks one says so on the topic of the run; whoever runs the campaign sends it. What
has arrived stays, so a transfer that was cut off continues. It counts only when all its files have
the digests of its manifest, and the manifest's inputs have the digest that is its key.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memnotify.digest import digest_file, digest_value, seal_holds
from memnotify.errors import InfrastructureError, no_space
from memnotify.store import INCOMING, MANIFEST, PATIENCE_S, Artifact, Store

PIECE = 1 << 20
"""Bytes in one message."""

ASK_AGAIN_S = 5.0
"""A request that nobody has answered is repeated: whoever sent the artifact may have died."""

KINDS = ("kernel", "image")
_KEY = re.compile("[0-9a-f]{64}")
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")


class Incoming:
    """The side of the worker."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failures: dict[tuple[str, str], OSError] = {}

    def fail(self, kind: str, key: str, error: OSError) -> None:
        """Note that an artifact cannot be kept here; whoever waits for it is told."""
        self._failures[kind, key] = error

    async def get(self, kind: str, key: str, ask: Any) -> Artifact:
        """Return an artifact of the store; call `ask` until somebody has sent it.

        Raises InfrastructureError if nobody does.
        """
        async with self._locks[kind, key]:
            loop = asyncio.get_running_loop()
            deadline = loop.time() + PATIENCE_S
            asked: float | None = None
            size = -1
            self._failures.pop((kind, key), None)
            while (found := self._store.get(kind, key)) is None:
                now = loop.time()
                if (error := self._failures.pop((kind, key), None)) is not None:
                    failed = "disk-full" if no_space(error) else "artifact"
                    raise InfrastructureError(failed, f"{kind} {key[:16]}: {error}")
                if now > deadline:
                    raise InfrastructureError("artifact", f"{kind} {key[:16]} was not sent")
                if asked is None or now - asked > ASK_AGAIN_S:
                    here = self._size(kind, key)
                    if here == size or asked is None:
                        ask(kind, key)  # nothing has come since
                    else:
                        deadline = now + PATIENCE_S  # a slow network is no reason to give up
                    size, asked = here, now
                await asyncio.sleep(0.05)
            return found

    def _size(self, kind: str, key: str) -> int:
        return sum(file.stat().st_size for file in _place(self._store, kind, key).glob("*"))


def begin(store: Store, kind: str, key: str, manifest: bytes) -> dict[str, int] | None:
    """Return how many bytes of each file are there; None if the artifact is whole.

    Raises InfrastructureError for a manifest of something else.
    """
    if store.get(kind, key) is not None:
        return None
    files = _files(kind, key, manifest)
    place = _place(store, kind, key)
    place.mkdir(parents=True, exist_ok=True)
    (place / MANIFEST).write_bytes(manifest)
    there = {}
    for name, size in files.items():
        file = place / name
        file.touch()  # there is no piece of one that is empty
        there[name] = file.stat().st_size
        if there[name] > size:
            os.truncate(file, 0)
            there[name] = 0
    return there


def piece(store: Store, kind: str, key: str, name: str, at: int, data: bytes) -> None:
    """Write a piece of a file; it may have come before. Raises OSError."""
    if kind not in KINDS or not _KEY.fullmatch(key) or not _NAME.fullmatch(name):
        raise InfrastructureError("artifact", f"{name!r} is not a file of an artifact")
    # Without the folder it is whole: somebody has sent it to another worker of this host.
    with (
        contextlib.suppress(FileNotFoundError),
        (_place(store, kind, key) / name).open("ab") as file,
    ):
        fcntl.flock(file, fcntl.LOCK_EX)
        # Not tell(), which is from before the lock: another sender may have been faster.
        if os.fstat(file.fileno()).st_size == at:
            file.write(data)


def finish(store: Store, kind: str, key: str) -> bool:
    """Check what has arrived, and publish it; if it is damaged, remove it and return False."""
    place = _place(store, kind, key)
    with store.lock(f"{kind}-{key}"):
        if store.get(kind, key) is not None:
            return True
        with contextlib.suppress(OSError, ValueError):
            files = json.loads((place / MANIFEST).read_text(encoding="utf-8"))["files"]
            if any((place / name).stat().st_size < size for name, (size, _) in files.items()):
                return False  # another sender is not done
            if all(digest_file(place / name) == digest for name, (_, digest) in files.items()):
                place.rename(store.folder(kind) / key)
        shutil.rmtree(place, ignore_errors=True)
        return store.get(kind, key) is not None


def pieces(artifact: Artifact, there: Mapping[str, int]) -> Any:
    """Yield what is missing of an artifact: the file, the offset, and the bytes."""
    for name, start in there.items():
        with artifact.file(name).open("rb") as file:
            file.seek(at := start)
            while data := file.read(PIECE):
                yield name, at, data
                at += len(data)


def _place(store: Store, kind: str, key: str) -> Path:
    return store.root / INCOMING / f"{kind}-{key}"


def _files(kind: str, key: str, manifest: bytes) -> dict[str, int]:
    """Return the sizes of an artifact's files, according to a manifest that fits its key."""
    try:
        told = json.loads(manifest)
        files = {name: size for name, (size, _) in told["files"].items()}
        fits = (
            kind in KINDS
            and digest_value(told["inputs"]) == key
            and seal_holds(told)
            and all(_NAME.fullmatch(name) and isinstance(n, int) for name, n in files.items())
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise InfrastructureError("artifact", f"what was sent is not {kind} {key[:16]}")
    return files
