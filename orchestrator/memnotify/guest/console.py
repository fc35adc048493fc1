"""The guest's serial console, copied to a file of bounded size."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
from collections import deque
from contextlib import ExitStack
from typing import IO, BinaryIO

CAP = 8 << 20  # bytes of the beginning that are kept
TAIL = 64 << 10  # bytes of the end that are kept, too
_CHUNK = 16 << 10
_PIPE = 1 << 20  # bytes; the most that Linux grants any user

_PANIC = re.compile(rb"Kernel panic - not syncing[^\r\n]*")
_OOM = re.compile(rb"Out of memory: Kill(?:ed)? process[^\r\n]*")


def open_pipe(ours: ExitStack, theirs: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Return the read end and the write end of a pipe; each is closed with its stack.

    The pipe holds more than a guest usually prints. A socket is unsuitable: it charges about 800
    bytes for each byte that a serial line writes, so it is full after some 300 bytes, and then the
    guest waits in host time.
    """
    reader, writer = os.pipe()
    # The kernel refuses this to a user who already has many large pipes.
    with contextlib.suppress(OSError):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE)
    return (
        ours.enter_context(os.fdopen(reader, "rb", buffering=0)),
        theirs.enter_context(os.fdopen(writer, "wb", buffering=0)),
    )


class Console:
    """Copies a pipe to a file until the other end closes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._written = 0
        self._cut = 0
        self._pipe = 0  # capacity in bytes
        self._tail: deque[bytes] = deque()
        self.panic: str | None = None
        self.oom: str | None = None

    @property
    def may_have_waited(self) -> bool:
        """Return whether the guest wrote more than the pipe holds, so that it may have waited."""
        return self._written + self._cut > self._pipe

    def begin(self, text: bytes) -> None:
        """Start with what the console printed before this process read it. Raises OSError."""
        self._look(text)
        self._keep(text)

    async def copy(self, pipe: IO[bytes]) -> None:
        """Read until the end of file, then close the pipe. Raises OSError if the file fails."""
        self._pipe = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        unfinished = b""
        try:
            while chunk := await reader.read(_CHUNK):
                lines, newline, rest = (unfinished + chunk).rpartition(b"\n")
                self._look(lines + newline)
                unfinished = rest[-_CHUNK:]
                self._keep(chunk)
        finally:
            transport.close()
            self._look(unfinished)
            self._finish()

    def _look(self, text: bytes) -> None:
        """Note the first lines that matter."""
        if self.panic is None and (found := _PANIC.search(text)):
            self.panic = found.group().decode(errors="replace")
        if self.oom is None and (found := _OOM.search(text)):
            self.oom = found.group().decode(errors="replace")

    def _keep(self, chunk: bytes) -> None:
        head = chunk[: max(0, CAP - self._written)]
        self._file.write(head)
        self._written += len(head)
        if rest := chunk[len(head) :]:
            self._tail.append(rest)
            self._cut += len(rest)
            while sum(map(len, self._tail)) - len(self._tail[0]) >= TAIL:
                self._tail.popleft()

    def _finish(self) -> None:
        tail = b"".join(self._tail)
        if self._cut > len(tail):
            self._file.write(b"\n[... %d bytes left out ...]\n" % (self._cut - len(tail)))
        self._file.write(tail)
        self._file.flush()
