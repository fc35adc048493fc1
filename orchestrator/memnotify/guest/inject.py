"""Starts a program in a stopped guest, in a child of the process that runs there at the moment.

Nothing in the guest waits for that, so nothing of it has to be there before. The process is made to
call fork(), and then stands where it stood, with the registers that it had. The child is made to
get memory, to write the program's files, and to execute one of them. Each system call is one that
we put into the registers, and a breakpoint behind the instruction returns the guest to us. The
files come in pieces through the child's memory.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qemu.qmp import EventListener

from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.qmp import Monitor
from memnotify.guest.stub import Stub
from memnotify.model import Arch

_PAGE = 4096
_LOOK_BYTES = 64 << 10  # how far from its place a process is searched for a system call
_PIECE = 32 << 10  # bytes of a file in one write()
_MAGIC = 0x6D6E6F7466  # in a register that no system call changes: only our two processes have it
_MOST_STOPS = 10_000  # of other processes at our breakpoint
_RIP, _FLAGS, _CS = 16, 17, 18
_RIGHTS = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class _Abi:
    """How a program of an architecture makes a system call; registers have gdb's numbers."""

    instruction: bytes
    number: int  # register
    arguments: tuple[int, ...]
    kept: int  # a register for _MAGIC
    word: int  # bytes
    calls: Mapping[str, int]


_ABIS = {
    Arch.X86_64: _Abi(
        instruction=b"\x0f\x05",
        number=0,
        arguments=(5, 4, 3, 10, 8, 9),
        kept=15,
        word=8,
        calls={
            "write": 1,
            "open": 2,
            "close": 3,
            "mmap": 9,
            "fork": 57,
            "execve": 59,
            "mkdir": 83,
            "getuid": 102,
            "sched_yield": 24,
            "kill": 62,
        },
    ),
    Arch.I386: _Abi(
        instruction=b"\xcd\x80",
        number=0,
        arguments=(1, 2, 3, 4, 5, 6),
        kept=5,  # the file of an anonymous mmap(), and otherwise unused
        word=4,
        calls={
            "write": 4,
            "open": 5,
            "close": 6,
            "mmap": 192,
            "fork": 2,
            "execve": 11,
            "mkdir": 39,
            "getuid": 199,
            "sched_yield": 158,
            "kill": 37,
        },
    ),
}


class Injector:
    """Makes system calls in a guest that is stopped in a process, and leaves it stopped there."""

    def __init__(self, monitor: Monitor, stub: Stub, *, arch: Arch) -> None:
        self._monitor = monitor
        self._stub = stub
        self._abi = _ABIS[arch]
        self._events: EventListener = monitor.listen("GUEST_PANICKED", "STOP")
        self._at = 0  # the address of the instruction of a system call

    async def start(self, folder: str, files: Mapping[str, bytes], argv: Sequence[str]) -> None:
        """Write files into a new folder of the guest, and execute argv[0] there.

        Raises InputError if no process runs, or one without root's rights, and InfrastructureError
        if the guest refuses a call, for example without memory.
        """
        await self._stub.know_registers()
        saved = await self._save()
        self._at = await self._find()
        if await self._call("getuid") != 0:
            await self._restore(saved)
            raise InputError(
                "the process that wrote this record is not root's, so it cannot start a shell",
                hint="stop at a record of the guest program, such as a sample",
            )
        await self._fork(saved)
        await self._in_child(folder, files, argv)

    async def _save(self) -> dict[int, int]:
        cpu = 0
        while not await self._stub.register(_CS) & 3:
            cpu += 1
            if not await self._stub.choose(cpu):
                raise InputError(
                    "the guest stands in its kernel, where no shell can start",
                    hint="memnotify gdb looks at it, or memnotify dump",
                )
        return {number: await self._stub.register(number) for number in range(_FLAGS + 1)}

    async def _restore(self, saved: Mapping[int, int]) -> None:
        for number, value in saved.items():
            await self._stub.set_register(number, value)

    async def _find(self) -> int:
        """Return the address of an instruction that makes a system call.

        What happens to look like one serves as well: it is at no address that others get to.
        """
        here = await self._stub.register(_RIP) // _PAGE * _PAGE
        for away in range(0, _LOOK_BYTES, _PAGE):
            for page in {here - away, here + away}:
                content = await self._stub.read(page, _PAGE)
                if content is not None and (found := content.find(self._abi.instruction)) >= 0:
                    return page + found
        raise InputError(
            "the process that wrote this record makes no system call near its place",
            hint="stop at a neighbouring record",
        )

    async def _prepare(self, name: str, *arguments: int) -> None:
        abi = self._abi
        await self._stub.set_register(abi.kept, _MAGIC & (1 << 8 * abi.word) - 1)
        await self._stub.set_register(abi.number, abi.calls[name])
        for register, value in zip(abi.arguments, arguments, strict=False):
            await self._stub.set_register(register, value)
        await self._stub.set_register(_RIP, self._at)

    async def _call(self, name: str, *arguments: int) -> int:
        """Make a system call and return what it returns, which may be an error."""
        await self._prepare(name, *arguments)
        after = self._at + len(self._abi.instruction)
        await self._stub.stop_at(after)
        await self._until_ours(after)
        await self._stub.pass_by(after)
        return await self._result()

    async def _result(self) -> int:
        bits = 8 * self._abi.word
        value = await self._stub.register(self._abi.number) & (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value

    async def _until_ours(self, after: int) -> None:
        """Let the guest run until one of our two processes stands behind its system call."""
        magic = _MAGIC & (1 << 8 * self._abi.word) - 1
        for _ in range(_MOST_STOPS):
            await self._monitor.execute("cont")
            await self._stopped()
            if await self._stub.register(_RIP) != after:
                continue
            if await self._stub.register(self._abi.kept) == magic:
                return
            await self._stub.pass_by(after)
            await self._stub.step()
            await self._stopped()
            await self._stub.stop_at(after)
        raise InfrastructureError("inject", "the guest does not return from a system call")

    async def _stopped(self) -> None:
        """Wait until a breakpoint stops the guest; a rendezvous is answered by the host."""
        pauses = False
        while True:
            event = await self._events.get()
            if event["event"] == "GUEST_PANICKED":
                pauses = True
            elif pauses:
                pauses = False
            else:
                return

    async def _fork(self, saved: Mapping[int, int]) -> None:
        """Make the process fork, restore it, and wait until the child is there too."""
        await self._prepare("fork")
        after = self._at + len(self._abi.instruction)
        await self._stub.stop_at(after)
        parent = False
        while True:
            await self._until_ours(after)
            result = await self._result()
            if result == 0 and parent:
                break
            if result == 0:
                await self._prepare("sched_yield")  # Linux 2.6.24 lets the child run first
                continue
            await self._restore(saved)
            if result < 0:
                await self._stub.pass_by(after)
                raise _refused("fork", result)
            parent = True
        await self._stub.pass_by(after)

    async def _in_child(self, folder: str, files: Mapping[str, bytes], argv: Sequence[str]) -> None:
        # Processes that run on would change what somebody wants to look at. This leaves out init.
        await self._call("kill", -1, signal.SIGSTOP)
        size = _PAGE + _PIECE
        flags = 0x02 | 0x20 | 0x8000  # private, anonymous, there at once
        place = await self._call("mmap", 0, size, 7, flags, _MAGIC & 0xFFFFFFFF, 0)
        bits = 8 * self._abi.word
        if -_PAGE < place < 0:
            raise _refused("mmap", place)
        place &= (1 << bits) - 1
        await self._stub.write(place, self._abi.instruction)
        self._at, data = place, place + _PAGE

        async def need(name: str, *arguments: int) -> int:
            result = await self._call(name, *arguments)
            if -_PAGE < result < 0 and (name, result) != ("mkdir", -errno.EEXIST):
                raise _refused(name, result)
            return result

        await self._stub.write(data, folder.encode() + b"\0")
        await need("mkdir", data, _RIGHTS)
        for name, content in files.items():
            await self._stub.write(data, f"{folder}/{name}".encode() + b"\0")
            created = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            file = await need("open", data, created, _RIGHTS)
            for start in range(0, len(content), _PIECE):
                piece = content[start : start + _PIECE]
                await self._stub.write(data, piece)
                if await need("write", file, data, len(piece)) != len(piece):
                    raise _refused("write", -errno.ENOSPC)
            await need("close", file)
        pointers, texts = b"", b""
        for word in argv:
            place = data + (len(argv) + 1) * self._abi.word + len(texts)
            pointers += place.to_bytes(self._abi.word, "little")
            texts += word.encode() + b"\0"
        await self._stub.write(data, pointers + bytes(self._abi.word) + texts)
        first = data + (len(argv) + 1) * self._abi.word
        end = data + len(argv) * self._abi.word  # an empty environment
        await self._execute(files, argv, (first, data, end))

    async def _execute(
        self, files: Mapping[str, bytes], argv: Sequence[str], arguments: tuple[int, int, int]
    ) -> None:
        """Execute the program, and wait until it stands at its first instruction."""
        first = _entry(files[argv[0].rpartition("/")[2]])
        after = self._at + len(self._abi.instruction)
        await self._prepare("execve", *arguments)
        for address in (after, first):
            await self._stub.stop_at(address)
        magic = _MAGIC & (1 << 8 * self._abi.word) - 1
        while True:
            await self._monitor.execute("cont")
            await self._stopped()
            at, kept = await self._stub.register(_RIP), await self._stub.register(self._abi.kept)
            if at == after and kept == magic:
                raise _refused("execve", await self._result())
            if at == first and kept == 0:
                break
            if at == first:  # another program has code there too
                await self._stub.pass_by(first)
                await self._stub.step()
                await self._stopped()
                await self._stub.stop_at(first)
        for address in (after, first):
            await self._stub.pass_by(address)


def _entry(program: bytes) -> int:
    """Return the address at which an ELF program starts."""
    size = 8 if program[4] == 2 else 4
    return int.from_bytes(program[24 : 24 + size], "little")


def _refused(name: str, result: int) -> InfrastructureError:
    why = os.strerror(-result) if 0 < -result < _PAGE else f"result {result}"
    return InfrastructureError("inject", f"the guest refused {name}(): {why}")
