"""Fixtures of tests of whole runs, with made-up guests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import memnotify as mn
import pytest
from memnotify.mailpatch import originals as on_file

from tests.support.campaigns import Bench, Guests
from tests.support.fleet_lab import FleetLab, share_environment
from tests.support.posted import Post

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser, which a module starts once."""
    from tests.support.browser import chromium  # few modules need it

    with chromium() as found:
        yield found


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


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user other folders; return that of registered series."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "data/memnotify/series"


@pytest.fixture
def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Post:
    """Return made-up mails of v4, instead of those on file."""
    made = Post(tmp_path)
    monkeypatch.setattr(on_file, "FILE", made.file)
    return made


@pytest.fixture
def fleet_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FleetLab:
    """Return hosts that are folders, which use the packages of this environment."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    share_environment(monkeypatch, tmp_path)
    return FleetLab(tmp_path)
