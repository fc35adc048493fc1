"""What we tell QEMU's gdbstub: watch this address, read and write memory and registers.

gdb itself is not needed for that, nor are the symbols of anything. QMP resumes and stops the guest,
so this only speaks while it is stopped. The guest does not notice.
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self

from memnotify.errors import InfrastructureError

_CHUNK = 1024  # bytes of memory in a packet, of which QEMU takes 4096 letters
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

    async def stop_at(self, address: int) -> None:
        """Stop the guest before it executes the instruction there, in whatever process."""
        await self._do(b"Z0,%x,1" % address)

    async def pass_by(self, address: int) -> None:
        """Take back what `stop_at` did."""
        await self._do(b"z0,%x,1" % address)

    async def know_registers(self) -> None:
        """Make it know single registers, which it does once it has been asked for a list of all."""
        await self._ask(b"qXfer:features:read:target.xml:0,ffb")

    async def choose(self, cpu: int) -> bool:
        """Address a CPU, counted from 0, until the next stop; return whether there is one."""
        return await self._ask(b"Hg%x" % (cpu + 1)) == b"OK"

    async def register(self, number: int) -> int:
        """Return a register of the CPU that stopped the guest, by gdb's number."""
        return int.from_bytes(_bytes(await self._ask(b"p%x" % number)), "little")

    async def set_register(self, number: int, value: int) -> None:
        """Set a register of that CPU; it has 64 bits also while the guest uses only 32."""
        content = (value % (1 << 64)).to_bytes(8, "little")
        await self._do(b"P%x=%s" % (number, content.hex().encode()))

    async def step(self) -> None:
        """Let that CPU execute one instruction."""
        self._writer.write(_packet(b"s"))
        await self._writer.drain()

    async def read(self, address: int, size: int) -> bytes | None:
        """Return memory as the running process sees it; None if some of it is not mapped."""
        found = b""
        while len(found) < size:
            some = min(_CHUNK, size - len(found))
            said = await self._ask(b"m%x,%x" % (address + len(found), some))
            if said.startswith(b"E"):
                return None
            found += _bytes(said)
        return found

    async def write(self, address: int, content: bytes) -> None:
        """Write memory of the running process, whether it may do so itself or not."""
        for start in range(0, len(content), _CHUNK):
            some = content[start : start + _CHUNK]
            place = b"%x,%x" % (address + start, len(some))
            await self._do(b"M%s:%s" % (place, some.hex().encode()))

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


def _bytes(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError as error:
        raise _nonsense(b"", text) from error


def _nonsense(command: bytes, said: bytes) -> InfrastructureError:
    return InfrastructureError(
        "gdbstub", f"QEMU's gdbstub answered {said[:80]!r} to {command[:80]!r}"
    )
