"""What is said to QEMU's gdbstub, with a made-up one at the other end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable

import pytest
from memnotify.errors import InfrastructureError
from memnotify.guest.stub import Stub


def packet(text: bytes) -> bytes:
    return b"$%s#%02x" % (text, sum(text) & 0xFF)


def talk(use: Callable[[Stub], Awaitable[object]], answers: Iterable[bytes]) -> list[bytes]:
    """Let `use` talk to a stub that gives these answers, and return what it was asked."""
    asked: list[bytes] = []

    async def main() -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=theirs)

        async def answer() -> None:
            for text in answers:
                await reader.readuntil(b"$")
                words = (await reader.readuntil(b"#"))[:-1]
                assert packet(words)[-2:] == await reader.readexactly(2)
                asked.append(words)
                writer.write(b"+" + text if text.startswith(b"$") else b"+" + packet(text))

        answering = asyncio.create_task(answer())
        async with Stub(ours, patience=0.5) as stub:
            await use(stub)
        await answering
        writer.close()

    asyncio.run(main())
    return asked


def test_a_watchpoint_is_set_and_taken_back() -> None:
    async def use(stub: Stub) -> None:
        await stub.watch(0x1000, 4)
        await stub.unwatch(0x1000, 4)

    assert talk(use, [b"OK", b"OK"]) == [b"Z2,1000,4", b"z2,1000,4"]


def test_reports_of_stops_are_no_answers() -> None:
    async def use(stub: Stub) -> None:
        await stub.watch(0x1000, 4)

    stopped = packet(b"T05thread:01;watch:1000;")
    assert talk(use, [stopped + packet(b"OK")]) == [b"Z2,1000,4"]


def test_nonsense_and_silence_are_failures() -> None:
    async def use(stub: Stub) -> None:
        with pytest.raises(InfrastructureError, match="answered b'E01' to b'Z2,10,4'"):
            await stub.watch(0x10, 4)
        with pytest.raises(InfrastructureError, match="did not answer within"):
            await stub.unwatch(0x10, 4)

    assert talk(use, [b"E01"]) == [b"Z2,10,4"]


def test_registers_and_memory_are_read_and_written() -> None:
    async def use(stub: Stub) -> None:
        assert await stub.register(16) == 0x1234
        await stub.set_register(0, -1)
        assert await stub.read(0x1000, 1026) == b"\x01" * 1024 + b"\x02\x03"
        assert await stub.read(0x2000, 4) is None
        await stub.write(0x3000, b"x" * 1025)
        assert not await stub.choose(1)

    answers = [b"3412000000000000", b"OK", b"01" * 1024, b"0203", b"E14", b"OK", b"OK", b"E22"]
    asked = talk(use, answers)
    assert asked[:5] == [b"p10", b"P0=" + b"f" * 16, b"m1000,400", b"m1400,2", b"m2000,4"]
    assert asked[5:] == [b"M3000,400:" + b"78" * 1024, b"M3400,1:78", b"Hg2"]


def test_a_register_that_is_no_number_is_a_failure() -> None:
    async def use(stub: Stub) -> None:
        with pytest.raises(InfrastructureError, match="answered b'xxxx'"):
            await stub.register(0)

    talk(use, [b"xxxx"])
