"""Words that messages have in common."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from memnotify.places import command
from memnotify.text import counted, known_names


def test_one_is_not_several() -> None:
    assert [counted(n, "client") for n in (0, 1, 2)] == ["0 clients", "1 client", "2 clients"]


def test_a_name_that_is_not_known() -> None:
    assert known_names("pc-swp", ["pc", "pc-swap"]) == "did you mean pc-swap?"
    assert known_names("toaster", ["pc", "pc-swap"]) == "there are: pc, pc-swap"
    assert known_names("toaster", []) is None
    assert known_names("2", ["1", "32"]) == "there are: 1, 32"  # 32 is no slip of the pen


def test_a_hint_names_the_program_as_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / ".venv" / "bin" / "memnotify"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for typed in (".venv/bin/memnotify", ".venv/bin/pytest"):
        monkeypatch.setattr(sys, "argv", [typed])
        assert command("show runs/x") == ".venv/bin/memnotify show runs/x"
    monkeypatch.setattr(sys, "argv", ["main.py"])
    assert command("show runs/x") == "memnotify show runs/x"
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert command("show runs/x") == "memnotify show runs/x"
