"""What we tell QEMU's gdbstub: to stop the guest where it writes to an address.

gdb itself is not needed for that, nor are the symbols of anything. QMP resumes the guest, so this
only speaks while it is stopped. The guest does not notice.
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self

from memnotify.errors import InfrastructureError

_STOPPED = b"TSWX"  # how the reports begin that QEMU sends whenever the guest stops


class Stub:
    """A session with the gdbstub of one QEMU, over a connected socket. An async context manager."""

    def __init__(self, sock: socket.socket, *, patience: float) -> None:
        self._sock = sock
        self._patience = patience
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(sock=self._sock)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def watch(self, address: int, size: int) -> None:
        """Stop the guest after each write to these bytes, in whatever process."""
        await self._do(b"Z2,%x,%x" % (address, size))

    async def unwatch(self, address: int, size: int) -> None:
        """Take back what `watch` did."""
        await self._do(b"z2,%x,%x" % (address, size))

    async def _do(self, command: bytes) -> None:
        said = await self._ask(command)
        if said != b"OK":
            raise _nonsense(command, said)

    async def _ask(self, command: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._patience):
                self._writer.write(_packet(command))
                await self._writer.drain()
                while True:
                    await self._reader.readuntil(b"$")
                    said = (await self._reader.readuntil(b"#"))[:-1]
                    await self._reader.readexactly(2)
                    self._writer.write(b"+")
                    if said[:1] not in _STOPPED:
                        return said
        except TimeoutError as error:
            text = f"QEMU's gdbstub did not answer within {self._patience:g} s"
            raise InfrastructureError("gdbstub", text) from error
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise InfrastructureError("gdbstub", f"QEMU's gdbstub is gone: {error}") from error


def _packet(command: bytes) -> bytes:
    return b"$%s#%02x" % (command, sum(command) & 0xFF)


def _nonsense(command: bytes, said: bytes) -> InfrastructureError:
    return InfrastructureError(
        "gdbstub", f"QEMU's gdbstub answered {said[:80]!r} to {command[:80]!r}"
    )
