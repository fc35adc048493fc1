"""Ctrl-Z while a board is drawn: the terminal is left as it was found, and `fg` draws it again.

The signal comes to the main thread, which may be in the middle of a line. So the thread of the
board clears it and then sends the signal again; this time the process stops.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import IO


def in_foreground(file: IO[str]) -> bool:
    """Return whether what we write to a file does not go between the lines of a shell.

    It does if the file is our own terminal, and another job is in front.
    """
    try:
        return os.tcgetpgrp(file.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True  # not a terminal, or not the one whose jobs we are among


class Suspension:
    """Replaces what SIGTSTP does, from `start` to `stop`, both called in the main thread.

    `soon` has a function called by another thread, and returns whether that will happen; `aside`
    is a context in which the board is not drawn.
    """

    def __init__(
        self,
        soon: Callable[[Callable[[], None]], bool],
        aside: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._soon = soon
        self._aside = aside
        self._replaced = False
        self._cleared = False
        self._back = threading.Event()

    def start(self) -> None:
        # A signal that is ignored, or that somebody else handles, stays so.
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._asked)
            self._replaced = True

    def stop(self) -> None:
        if self._replaced:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            self._replaced = False
        self._back.set()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if not self._cleared and self._soon(self._clear):
            return
        # Not SIGSTOP: without a shell that could continue us, the kernel ignores this one.
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # it returns when we are continued
        if self._replaced:
            signal.signal(signal.SIGTSTP, self._asked)
        self._back.set()

    def _clear(self) -> None:
        with self._aside():
            self._back.clear()
            self._cleared = self._replaced
            if self._cleared:
                os.kill(os.getpid(), signal.SIGTSTP)
                self._back.wait()
            self._cleared = False
