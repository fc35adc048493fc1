"""A b4 that runs a given shell script."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from memnotify.mailpatch import lore


def fake_b4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "bin/b4"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(lore, "packaged_program", lambda name, what: str(program))
