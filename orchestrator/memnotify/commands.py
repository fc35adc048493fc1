"""What is known of commands: the log of all that were started, and how one ended.

`memnotify.process` starts them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memnotify.environment import shell_line, without_secrets
from memnotify.errors import InfrastructureError

_TAIL = 20  # lines


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended: its exit code, and its output if it was captured.

    Only `stdout` is data. Anything may be in `stderr`, such as a warning of the loader.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def said(self) -> str:
        """Return all of its output, for a message."""
        return self.stdout + self.stderr


@dataclass(frozen=True)
class CommandLog:
    """A JSON-lines file with one object for each command that was started.

    `shell` is a shell line that runs it again in the same folder and environment. Without a path
    nothing is written.
    """

    path: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def write(self, entry: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        line = (json.dumps(entry, default=str) + "\n").encode()
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One write() with O_APPEND: lines of several processes do not mix.
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(fd, line)
            finally:
                os.close(fd)


def entry_of(
    argv: Sequence[str], cwd: Path | None, environment: Mapping[str, str], output: Path | None
) -> dict[str, Any]:
    """Return the object of a command for the log, without how it ended."""
    return {
        "argv": list(argv),
        "cwd": None if cwd is None else str(cwd),
        "env": without_secrets(environment),
        "output": None if output is None else str(output),
        "started": time.time(),
        "shell": shell_line(argv, cwd, environment),
    }


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_TAIL:])


def too_late(timeout: float) -> str:
    """Return the reason of a command that had so many seconds."""
    return f"timed out after {timeout:g} s, killed"


class CommandFailed(InfrastructureError):
    """A command exited with a status other than 0, could not be started, or timed out.

    A timeout sets `timed_out`; it says something about this host and nothing about the input.
    """

    def __init__(
        self, done: Completed, reason: str, output: Path | None, *, timed_out: bool = False
    ) -> None:
        text = done.said
        if output is not None:
            with contextlib.suppress(OSError):
                text = output.read_text("utf-8", errors="replace")
        tail = _tail(text)
        message = f"{shlex.join(done.argv[:6])}{' …' if len(done.argv) > 6 else ''}: {reason}"
        if tail:
            message += "\n" + "\n".join("  | " + line for line in tail.splitlines())
        super().__init__(
            "command", message, hint=None if output is None else f"full output in {output}"
        )
        self.done = done
        self.timed_out = timed_out
