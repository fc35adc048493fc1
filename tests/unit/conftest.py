"""Fixtures of several unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.website import Site, serve


@pytest.fixture
def host_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep other programs on this host from influencing a ledger."""
    monkeypatch.setattr("memnotify.host.available_mib", lambda: 10**6)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve a new folder."""
    (tmp_path / "site").mkdir()
    with serve(tmp_path / "site") as site:
        yield site
