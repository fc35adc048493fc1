"""The fixture that runs campaigns with a made-up QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import MadeUp

from orchestrator.guest import qemu


@pytest.fixture
def lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[MadeUp]:
    yield MadeUp(tmp_path, monkeypatch, capsys)
    qemu.version.cache_clear()
