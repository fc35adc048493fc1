"""Runs a command over SSH with our standard input and output, byte for byte.

Fabric's own way is for short texts: it decodes what it reads, keeps all output in memory, reads one
byte of input in 10 ms and waits for the input's end, and hands Ctrl-C on instead of ending.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from contextlib import suppress
from typing import Protocol, TextIO

_PIECE = 32 << 10


class Channel(Protocol):
    """The part of paramiko.Channel that is used; the command runs."""

    def recv(self, nbytes: int) -> bytes: ...
    def recv_stderr(self, nbytes: int) -> bytes: ...
    def sendall(self, s: bytes) -> None: ...
    def shutdown_write(self) -> None: ...
    def recv_exit_status(self) -> int: ...


def pipe(channel: Channel) -> int:
    """Return the status of a command, or a negative one, once its output has been written.

    Raises OSError if its standard output cannot be written.
    """
    threading.Thread(target=_give, args=(channel,), daemon=True).start()
    errors = threading.Thread(target=_take_errors, args=(channel,), daemon=True)
    errors.start()
    out = _descriptor(sys.stdout)
    while piece := channel.recv(_PIECE):
        if out is not None:
            _write(out, piece)
    errors.join()
    return channel.recv_exit_status()


def _give(channel: Channel) -> None:
    # Its end is not waited for: a command may end without having read anything.
    file = _descriptor(sys.stdin)
    with suppress(OSError):
        while file is not None and (piece := os.read(file, _PIECE)):
            channel.sendall(piece)
    with suppress(OSError, EOFError):  # the command has ended
        channel.shutdown_write()


def _take_errors(channel: Channel) -> None:
    # Read to its end, even if nobody hears it: the command would wait.
    file = _descriptor(sys.stderr)
    while piece := channel.recv_stderr(_PIECE):
        try:
            if file is not None:
                _write(file, piece)
        except OSError:
            file = None


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):  # it is closed
        return None


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        try:
            rest = rest[os.write(file, rest) :]
        except BlockingIOError:  # who gave it to us reads it without waiting
            select.select([], [file], [])
