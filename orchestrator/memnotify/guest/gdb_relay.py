"""Between a gdb that comes and goes and the gdbstub of a guest that is to stand still.

QEMU lets the guest run when gdb detaches, and ends when gdb kills it. Either is what gdb does when
its user quits, so these two packets are answered here and go no further.
"""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_PACKET = re.compile(rb"\$[^#]*#..", re.DOTALL)
_OF_THE_END = re.compile(rb"\$(?:D(?:;[0-9a-f]+)?|k|vKill;[0-9a-f]+)#..", re.DOTALL)
_OK = b"+$OK#9a"
_INTERRUPT = b"\x03"
_CHUNK = 1 << 16


class GdbRelay:
    """Listens for gdb, one at a time, at a socket of this name; `stub` is connected to QEMU.

    An async context manager.
    """

    def __init__(self, path: Path, stub: socket.socket) -> None:
        self.is_used = False
        self.path = path
        self._stub = stub
        self._gdb: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._from_stub, self._to_stub = await asyncio.open_connection(sock=self._stub)
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        self._copier = asyncio.create_task(self._copy())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._copier.cancel()
        await asyncio.gather(self._copier, return_exceptions=True)
        self._server.close()
        if self._gdb is not None:
            self._gdb.close()
        self._to_stub.close()

    async def _copy(self) -> None:
        """Hand on what QEMU says; nobody hears it when gdb is gone."""
        with suppress(OSError):
            while said := await self._from_stub.read(_CHUNK):
                if self._gdb is not None:
                    self._gdb.write(said)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_used:
            writer.close()
            return
        self.is_used, self._gdb = True, writer
        unfinished = b""
        try:
            with suppress(OSError):
                while said := await reader.read(_CHUNK):
                    unfinished = self._hand_on(unfinished + said)
                    await self._to_stub.drain()
        finally:
            self._to_stub.write(_INTERRUPT)  # it may have let the guest run
            self.is_used, self._gdb = False, None
            writer.close()

    def _hand_on(self, said: bytes) -> bytes:
        """Hand on all but what would let the guest run or end; return an unfinished packet."""
        done = 0
        for packet in _PACKET.finditer(said):
            self._to_stub.write(said[done : packet.start()])
            done = packet.end()
            if not _OF_THE_END.fullmatch(packet[0]):
                self._to_stub.write(packet[0])
            elif self._gdb is not None:
                self._gdb.write(_OK)
        begun = said.find(b"$", done)
        end = len(said) if begun < 0 else begun
        self._to_stub.write(said[done:end])
        return said[end:]
