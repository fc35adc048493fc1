"""Fixtures of several unit tests."""

from __future__ import annotations

import pytest


@pytest.fixture
def host_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep other programs on this host from influencing a ledger."""
    monkeypatch.setattr("memnotify.host.available_mib", lambda: 10**6)
