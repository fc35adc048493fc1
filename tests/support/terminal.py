"""A program on a pseudo-terminal, and what the screen of that terminal shows."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

_PATIENCE_SECONDS = 60.0


def _as_a_shell_does() -> None:
    """Take the terminal, and Ctrl-C as it comes: a job in the background ignores it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """Use it as a context manager; leaving kills the program.

    `raw` is all that the program wrote. `shown` and `scrolled` are lines without trailing blanks:
    those on the screen, and those that went off its upper edge. A terminal that `reflows` breaks
    lines again when it becomes narrower; another one cuts them.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        reflows: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.5)
        self.raw = b""
        self._reflows = reflows
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = os.openpty()
        self._set_size(columns, rows)
        kept = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}
        plain = {name: value for name, value in os.environ.items() if name not in kept}
        try:
            self._child = subprocess.Popen(
                argv,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                preexec_fn=_as_a_shell_does,
                env={**plain, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(environment or {})},
            )
        finally:
            os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        os.close(self._master)

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def scrolled(self) -> list[str]:
        return [
            "".join(line[n].data for n in range(self.screen.columns)).rstrip()
            for line in self.screen.history.top
        ]

    @property
    def cursor_is_hidden(self) -> bool:
        return bool(self.screen.cursor.hidden)

    def wait_for(self, what: str | Callable[[list[str]], bool]) -> None:
        """Read until the screen shows a text, or until its lines meet a condition."""
        shows = (
            (lambda lines: any(what in line for line in lines)) if isinstance(what, str) else what
        )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not shows(self.shown):
            if time.monotonic() > deadline or not self._read():
                raise AssertionError("\n".join([f"no {what!r} in:", *self.shown]))

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, as when the user drags the corner of its window."""
        lines = self.shown[: self.screen.cursor.y + 1]
        self._keep_lines(rows)
        self.screen.resize(rows, columns)
        if self._reflows:
            broken = [
                line[at : at + columns]
                for line in lines
                for at in range(0, max(1, len(line)), columns)
            ]
            self._stream.feed(("\x1b[H\x1b[J" + "\r\n".join(broken)).encode())
        self._set_size(columns, rows)

    def _keep_lines(self, rows: int) -> None:
        """Scroll what is above the cursor away, as terminals do; pyte itself would drop it."""
        screen = self.screen
        at = screen.cursor.y
        screen.cursor.y = screen.lines - 1
        for _ in range(over := max(0, at - rows + 1)):
            screen.index()
        screen.cursor.y = at - over
        for row in range(rows, screen.lines):
            screen.buffer.pop(row, None)
        screen.lines = min(rows, screen.lines)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self, number: int | None = None) -> int:
        """Read to the end of the program, after sending it a signal if given; return its status."""
        if number is not None:
            os.kill(self._child.pid, number)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._read():
            assert time.monotonic() < deadline, "\n".join(self.shown)
        return self._child.wait(timeout=_PATIENCE_SECONDS)

    def _read(self) -> bool:
        """Feed the screen with new output; return whether there may be more."""
        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
