"""Sends kernels and images to hosts of a cluster that ask for them."""

from __future__ import annotations

from typing import Any

from memnotify.report.board import Board
from memnotify.run.executors import dask_worker, delivery
from memnotify.store import MANIFEST, Store


class Supply:
    """What this host's store can give to others; `client` is Dask's."""

    def __init__(self, client: Any, store: Store, board: Board) -> None:
        self._client = client
        self._store = store
        self._board = board
        self._sending: set[tuple[str, str, str]] = set()

    async def send(self, kind: str, key: str, address: str, name: str) -> None:
        """Send an artifact to a host, from where the last transfer ended.

        If that fails, it is told, and the host asks again if it still wants the artifact.
        """
        wanted = (kind, key, address)
        if wanted in self._sending or kind not in delivery.KINDS:
            return
        self._sending.add(wanted)
        try:
            await self._send(kind, key, address)
        except Exception as error:
            self._board.warn(f"{kind} {key[:16]} for host {name}: {error}")
        finally:
            self._sending.discard(wanted)

    async def _send(self, kind: str, key: str, address: str) -> None:
        run, workers = self._client.run, [address]
        if (artifact := self._store.get(kind, key)) is None:
            return
        manifest = artifact.file(MANIFEST).read_bytes()
        there = (await run(dask_worker.begin, kind, key, manifest, workers=workers))[address]
        if there is None:
            return
        for file, at, data in delivery.pieces(artifact, there):
            await run(dask_worker.piece, kind, key, file, at, data, workers=workers)
        await run(dask_worker.finish, kind, key, workers=workers)
