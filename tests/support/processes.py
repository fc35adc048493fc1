"""Waiting for something to happen, and for processes to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def alive(pid: int) -> bool:
    """Return whether a process runs; whoever inherited an orphan may be slow to reap it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False  # the second if it ends between open() and read()
    return state not in "ZX"


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def having(word: str, what: str) -> list[Path]:
    """Return the files /proc/PID/`what` (cmdline, environ) of processes that contain a word."""
    return [file for file in Path("/proc").glob(f"[0-9]*/{what}") if word.encode() in _read(file)]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
