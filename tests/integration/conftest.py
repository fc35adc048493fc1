"""Fixtures of tests of whole runs, with made-up guests."""

from __future__ import annotations

from pathlib import Path

import memnotify as mn
import pytest

from tests.support.campaigns import Bench, Guests


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a campaign of four cells, on a host on which no other program needs memory."""
    monkeypatch.setattr("memnotify.host.available_mib", lambda: 10**6)
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a campaign of four cells that has run, once for all tests of a module."""
    bench = Bench(tmp_path_factory.mktemp("finished"))
    bench.run(Guests())
    return bench


@pytest.fixture
def run(finished: Bench) -> mn.Run:
    """Return its run, as users open it."""
    return mn.open_run(str(finished.path))
