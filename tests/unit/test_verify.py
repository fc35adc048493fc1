"""What `run --verify` says of cells that ran once more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from memnotify.cli.cluster import print_verified
from memnotify.model import Outcome
from memnotify.report.board import Board
from memnotify.report.plain import plain_console
from memnotify.run import verify
from memnotify.run.executors.protocol import Executor
from memnotify.run.verify import Verified


class Elsewhere:
    """An executor whose cells run on one host, whatever they are asked to leave."""

    def __init__(self, host: str) -> None:
        self.host = host

    @asynccontextmanager
    async def turn(self, job: Any, *, waiting: Any) -> AsyncIterator[Any]:
        yield self

    def leave(self, host: str) -> bool:
        return True

    async def attempt(self, folder: Path, watcher: Any) -> Any:
        return SimpleNamespace(host=self.host, result=SimpleNamespace(outcome=Outcome()))


@pytest.mark.parametrize("host", ["a", "b"])
def test_the_same_host_is_no_second_one(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = SimpleNamespace(id="1", name="n")
    same = Verified(id="1", name="n", hosts=("a", "b"), records=3, same=True)
    monkeypatch.setattr(verify, "_chosen", lambda *_: [(job, "a")])
    monkeypatch.setattr(verify, "_compared", lambda *_: same)
    folder = SimpleNamespace(path=tmp_path, cell=lambda id: tmp_path)
    executor = cast(Executor, Elsewhere(host))
    board = cast(Board, SimpleNamespace(note=print, warn=print))
    [found] = asyncio.run(
        verify.verify([], executor, folder=cast(Any, folder), count=1, board=board)
    )
    assert found.same is (host == "b")
    assert found.detail == ("" if found.same else "every other host was lost, so it ran on a again")


@pytest.mark.parametrize(
    ("found", "good"), [([True, True], True), ([True, False], False), ([], False)]
)
def test_where_nothing_was_compared_nothing_is_verified(
    found: list[bool], good: bool, tmp_path: Path
) -> None:
    (tmp_path / "verified.json").write_text(json.dumps([{"same": same} for same in found]))
    folder = cast(Any, SimpleNamespace(path=tmp_path))
    assert print_verified(plain_console(), folder) is good
