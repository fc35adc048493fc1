"""The guest's serial console, kept in a file that a babbling guest cannot grow without end."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import deque
from typing import BinaryIO

CAP = 8 << 20  # bytes of the beginning that are kept
TAIL = 64 << 10  # bytes of the end that are kept besides
_CHUNK = 16 << 10

_PANIC = re.compile(rb"Kernel panic - not syncing[^\r\n]*")
_OOM = re.compile(rb"Out of memory: Kill(?:ed)? process[^\r\n]*")


class Console:
    """Copies what comes in from a socket to a file, until the other end closes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._written = 0
        self._cut = 0
        self._tail: deque[bytes] = deque()
        self.panic: str | None = None
        self.oom: str | None = None

    def begin(self, text: bytes) -> None:
        """Start with what the guest's console said before it came to us. Raises OSError."""
        self._look(text)
        self._keep(text)

    async def copy(self, sock: socket.socket) -> None:
        """Read to the end of file; the socket is closed then. Raises OSError of the file."""
        reader, writer = await asyncio.open_connection(sock=sock)
        unfinished = b""
        try:
            while chunk := await self._read(reader):
                lines, newline, rest = (unfinished + chunk).rpartition(b"\n")
                self._look(lines + newline)
                unfinished = rest[-_CHUNK:]
                self._keep(chunk)
        finally:
            writer.close()
            self._look(unfinished)
            self._finish()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(_CHUNK)
        except ConnectionError:  # QEMU was killed with data of ours unread
            return b""

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
