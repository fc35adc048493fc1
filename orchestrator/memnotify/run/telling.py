"""Reports a build while it is under way: to a board if there is one, otherwise in plain lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from memnotify.errors import InfrastructureError, MemnotifyError
from memnotify.kernel.compiled import Compiled, Tell
from memnotify.kernel.source import UNREACHABLE
from memnotify.model import KernelRequest
from memnotify.report.board import Board

Say = Callable[[str], None]

_SLOW_S = 3.0
"""After this long, a waiting user is told what takes so long."""


class Telling:
    """One build, of which a board hears as soon as there is something to say."""

    def __init__(self, what: str, board: Board | None, say: Say) -> None:
        self._what = what
        self._board = board
        self._say = say
        self._began = False
        self._started = time.monotonic()

    def step(self, text: str) -> None:
        """Tell what is being done."""
        self._began = True
        if self._board is None:
            self._say(text)
        else:
            self._board.building(self._what, text)

    @property
    def tell(self) -> Tell | None:
        """The function that is told how much is compiled."""
        return None if self._board is None else self._compiled

    def _compiled(self, compiled: Compiled) -> None:
        self._began = True
        if self._board is not None:
            self._board.compiled(self._what, compiled)

    def done(self, text: str = "done") -> None:
        """Tell what the build has made."""
        if self._began and self._board is not None:
            self._board.built(self._what, f"{text}, {self._seconds()}")

    def fail(self, error: MemnotifyError) -> None:
        """Report a failure; the caller that catches the error reports the reason."""
        if self._began and self._board is not None:
            unreachable = isinstance(error, InfrastructureError) and error.kind == UNREACHABLE
            how = "not available" if unreachable else "failed"
            self._board.failed(self._what, f"{how}, {self._seconds()}")

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s"


@contextmanager
def telling(what: str, *, board: Board | None, say: Say = lambda line: None) -> Iterator[Telling]:
    """Yield what is told of a build; an error in the context is one of the build."""
    told = Telling(what, board, say)
    try:
        yield told
    except MemnotifyError as error:
        told.fail(error)
        raise


@contextmanager
def if_slow(what: str, say: Say) -> Iterator[None]:
    """Say what is being done if it takes more than some seconds."""
    timer = threading.Timer(_SLOW_S, say, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def kernel_name(request: KernelRequest) -> str:
    """Return how a board calls a kernel."""
    words = ("kernel", request.base, request.series, request.arch, request.variant)
    return " ".join(filter(None, (*words, *request.options)))
