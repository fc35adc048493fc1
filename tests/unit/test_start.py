"""What a command imports before it does anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import memnotify
import pytest

PACKAGE = Path(memnotify.__file__).parents[1]


def bare(*words: str) -> subprocess.CompletedProcess[str]:
    """Run memnotify where no library but Python's own can be imported."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "memnotify", *words],
        env={"PYTHONPATH": str(PACKAGE), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_version_and_help_import_no_library(word: str) -> None:
    done = bare(word)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(("memnotify ", "usage: memnotify "))


def test_an_unknown_command_is_refused_without_any_library() -> None:
    done = bare("nonsense")
    assert done.returncode == 2 and "invalid choice: 'nonsense'" in done.stderr
