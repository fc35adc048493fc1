"""A program that is started in a stopped guest, with a made-up guest of two processes at most."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import struct
from dataclasses import dataclass, field
from typing import Any

import pytest
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest.inject import Injector
from memnotify.model import Arch
from qemu.qmp import EventListener, Message

RAX, RIP, CS = 0, 16, 18
ARGUMENTS = (5, 4, 3, 10, 8, 9)
TEXT, HEAP, ENTRY = 0x400000, 0x700000, 0x10000
NAMES = {
    1: "write",
    2: "open",
    3: "close",
    9: "mmap",
    24: "sched_yield",
    57: "fork",
    59: "execve",
    62: "kill",
    83: "mkdir",
    102: "getuid",
}
PROGRAM = b"\x7fELF\x02".ljust(24, b"\0") + struct.pack("<Q", ENTRY) + b"x" * 40_000


@dataclass
class Process:
    name: str
    registers: dict[int, int]


@dataclass
class Guest:
    """A guest, its QEMU's monitor and its gdbstub. It only executes system calls."""

    uid: int = 0
    child_first: bool = False
    refuses: str = ""
    segment: int = 0x33
    text: bytes = b"\x90\x0f\x05\xc3"
    events: list[EventListener] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    executed: tuple[bytes, ...] = ()
    breakpoints: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        registers = {number: 100 + number for number in range(18)}
        self.parent = Process("parent", {**registers, RIP: TEXT + 0x123, CS: self.segment})
        self.before = dict(self.parent.registers)
        self.queue = [self.parent]
        self.memory = bytearray(1 << 20)
        self.open = ""

    @property
    def now(self) -> Process:
        return self.queue[0]

    def listen(self, *names: str) -> EventListener:
        self.events.append(EventListener(names))
        return self.events[-1]

    async def execute(self, command: str) -> None:
        assert command == "cont"
        if self.now.registers == self.before:
            self.queue.reverse()  # it runs on, until it is the other one's turn
        else:
            self._call(self.now)
        stopped = self.now.registers[RIP] in self.breakpoints
        assert stopped, "it would run for ever"
        for listener in self.events:
            await listener.put(Message({"event": "STOP"}))

    def _text(self, address: int) -> bytes:
        return bytes(self.memory[address - HEAP :]).split(b"\0")[0]

    def _call(self, process: Process) -> None:
        values = process.registers
        name = NAMES[values[RAX]]
        a, b, c = (values[number] for number in ARGUMENTS[:3])
        values[RIP] += 2
        result = 0
        self.done.append((process.name, name))
        if name == self.refuses:
            result = -errno.ENOMEM
        elif name == "getuid":
            result = self.uid
        elif name == "kill":
            assert (a - (1 << 64), b) == (-1, signal.SIGSTOP)
        elif name == "mmap":
            result = HEAP
        elif name == "mkdir":
            result = -errno.EEXIST
        elif name == "open":
            assert b & os.O_CREAT
            self.open, result = self._text(a).decode(), 7
            self.files[self.open] = b""
        elif name == "write":
            assert a == 7
            self.files[self.open] += bytes(self.memory[b - HEAP : b - HEAP + c])
            result = c
        elif name == "execve":
            (first,) = struct.unpack_from("<Q", self.memory, b - HEAP)
            self.executed = (self._text(a), self._text(first))
            process.registers = dict.fromkeys(range(18), 0) | {RIP: ENTRY, CS: 0x33}
            return
        elif name == "fork":
            child = Process("child", {**values, RAX: 0})
            values[RAX] = 99
            self.queue = [child, process] if self.child_first else [process, child]
            return
        elif name == "sched_yield":
            self.queue.reverse()
        values[RAX] = result % (1 << 64)

    # The gdbstub.

    async def know_registers(self) -> None:
        return None

    async def choose(self, cpu: int) -> bool:
        return False

    async def register(self, number: int) -> int:
        return self.now.registers[number]

    async def set_register(self, number: int, value: int) -> None:
        self.now.registers[number] = value % (1 << 64)

    async def stop_at(self, address: int) -> None:
        self.breakpoints.add(address)

    async def pass_by(self, address: int) -> None:
        self.breakpoints.discard(address)

    async def read(self, address: int, size: int) -> bytes | None:
        if address == TEXT:
            return self.text.ljust(size, b"\0")
        return None

    async def write(self, address: int, content: bytes) -> None:
        self.memory[address - HEAP : address - HEAP + len(content)] = content


def start(guest: Guest) -> None:
    async def main() -> None:
        made: Any = guest
        injector = Injector(made, made, arch=Arch.X86_64)
        files = {"start": PROGRAM, "seed": b"s"}
        await injector.start("/debug", files, ["/debug/start"])

    asyncio.run(asyncio.wait_for(main(), 10))


@pytest.mark.parametrize("child_first", [False, True])
def test_a_child_writes_and_executes_and_its_parent_runs_on(child_first: bool) -> None:
    guest = Guest(child_first=child_first)
    start(guest)
    assert guest.executed == (b"/debug/start", b"/debug/start")
    assert guest.files == {"/debug/start": PROGRAM, "/debug/seed": b"s"}
    assert guest.parent.registers == guest.before and not guest.breakpoints
    assert [name for who, name in guest.done if who == "parent"] == ["getuid", "fork"]
    own = [name for who, name in guest.done if who == "child" and name != "sched_yield"]
    assert own[:3] == ["kill", "mmap", "mkdir"]  # the others are stopped first
    assert own.count("write") == 3 and own[-1] == "execve"


@pytest.mark.parametrize("name", ["mmap", "open", "write", "execve"])
def test_a_refused_call_is_named(name: str) -> None:
    with pytest.raises(InfrastructureError, match=rf"refused {name}\(\): "):
        start(Guest(refuses=name))


def test_a_process_that_is_not_roots_is_left_as_it_was() -> None:
    guest = Guest(uid=99)
    with pytest.raises(InputError, match="is not root's"):
        start(guest)
    assert guest.parent.registers == guest.before
    assert guest.done == [("parent", "getuid")] and not guest.breakpoints


def test_a_guest_in_its_kernel_is_refused() -> None:
    with pytest.raises(InputError, match="stands in its kernel"):
        start(Guest(segment=0x10))


def test_a_process_without_a_system_call_in_sight_is_refused() -> None:
    with pytest.raises(InputError, match="makes no system call near its place"):
        start(Guest(text=b"\x90"))


def test_a_refused_fork_leaves_the_process_as_it_was() -> None:
    guest = Guest(refuses="fork")
    with pytest.raises(InfrastructureError, match=r"refused fork\(\): Cannot allocate memory"):
        start(guest)
    assert guest.parent.registers == guest.before and not guest.breakpoints
