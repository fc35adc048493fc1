"""One QEMU process: its sockets, the files that it leaves in a folder, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NoReturn, TypeVar

from memnotify.errors import InfrastructureError
from memnotify.guest import qemu
from memnotify.guest.backing import Parts, memfd
from memnotify.guest.console import KernelConsole, open_pipe
from memnotify.guest.privileges import QemuUser, qemu_user
from memnotify.guest.qmp import Monitor, number, open_monitor
from memnotify.guest.usage import MemoryMeter, OomWatch
from memnotify.guest.watchdog import CpuClock
from memnotify.model import CONSOLE, Accel, BootFiles, Cell
from memnotify.process import CommandLog, Spawned, spawn
from memnotify.rights import Rights

T = TypeVar("T")

_DESCRIPTION = "machine.cfg"
_STDERR = "qemu.log"
_TRANSCRIPT = "qmp.jsonl"
_STDERR_CHARACTERS = 2000
_LOOK_SECONDS = 1.0


@dataclass(slots=True)
class Vm:
    """One guest on the host, and what is learnt about it while it runs."""

    cell: Cell
    parts: Parts
    argv: list[str]
    user: QemuUser
    rights: Rights
    description: int  # the file from which QEMU reads it
    fds: tuple[int, ...]  # of all files that argv refers to
    gdb: socket.socket | None  # QEMU's end: where it waits for gdb, or the other end of a stub
    lines: tuple[socket.socket, ...]  # QEMU's ends behind more serial ports
    console: KernelConsole
    transcript: IO[str]
    folder: Path
    qemu_version: str = ""
    qemu_uid: int | None = None
    cpu_seconds: float = 0.0
    memory_bytes: int = 0  # host memory taken, QEMU's own and the guest's
    may_end: bool = False  # QEMU was told to end, or somebody else may do so


@contextmanager
def open_vm(
    cell: Cell,
    parts: Parts,
    *,
    files: BootFiles,
    accel: Accel,
    folder: Path,
    tape: qemu.Tape | None = None,
    gdb: Path | socket.socket | None = None,
    lines: Sequence[socket.socket] = (),
) -> Iterator[Vm]:
    """Prepare a guest that leaves console.log, qmp.jsonl, machine.cfg and qemu.log in `folder`.

    All files are opened here, because QEMU may run as a user who cannot reach any of them. With
    `gdb`, gdb can connect to a socket of that name; or we speak its protocol (guest/stub.py) at the
    other end of that socket, which QEMU gets. With `lines`, there is a serial port for each of
    these sockets, and time passes as on the host. Raises OSError.
    """
    user = qemu_user()
    with ExitStack() as stack:
        description = memfd(stack, _DESCRIPTION)
        boots = (user.readable(stack, path) for path in (files.kernel, files.initramfs))
        fds = [description, *boots]
        if tape is not None:
            events = os.O_RDONLY if tape.play else os.O_RDWR | os.O_CREAT
            fds.append(stack.enter_context(user.lent(tape.events, events)))
            fds.append(stack.enter_context(user.lent(tape.snapshots, os.O_RDWR)))
        listener = stack.enter_context(_listen(gdb)) if isinstance(gdb, Path) else None
        stub = gdb if isinstance(gdb, socket.socket) else None
        names = list(map(qemu.inherited, fds))
        argv = qemu.command_line(
            cell,
            accel=accel,
            description=names[0],
            files=BootFiles(kernel=names[1], initramfs=names[2]),
            disks=parts.disks,
            tape=None if tape is None else qemu.OpenTape(names[3], names[4], tape.play),
            gdb=None if listener is None else listener.fileno(),
            stub=None if stub is None else qemu.OpenStub(stub.fileno(), paced=bool(lines)),
        )
        console = stack.enter_context((folder / CONSOLE).open("wb"))
        transcript = stack.enter_context(
            (folder / _TRANSCRIPT).open("w", buffering=1, encoding="utf-8")
        )
        yield Vm(
            cell=cell,
            parts=parts,
            argv=argv,
            user=user,
            rights=user.rights(accel),
            description=description,
            fds=tuple(fds),
            gdb=listener or stub,
            lines=tuple(lines),
            console=KernelConsole(console),
            transcript=transcript,
            folder=folder,
        )


def _listen(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(str(path))
        sock.listen(1)
    except BaseException:
        sock.close()
        raise
    return sock


async def live(
    vm: Vm,
    conduct: Callable[[Monitor, CpuClock], Awaitable[T]],
    *,
    patience: float,
    log: CommandLog | None,
) -> T:
    """Start QEMU, return what `conduct` returns, and kill it.

    `patience` is the timeout for one QMP command, in seconds. Raises InfrastructureError: `spawn`,
    `qemu-died`, `host-oom`, or whatever `open_monitor` and `Monitor.execute` raise; and OSError if
    the guest's output cannot be written.
    """
    with ExitStack() as ours, ExitStack() as theirs:
        our_qmp, their_qmp = map(_closing, (ours, theirs), socket.socketpair())
        our_console, their_console = open_pipe(ours, theirs)
        fds = qemu.Descriptors(
            qmp=their_qmp.fileno(),
            console=their_console.fileno(),
            log=vm.parts.region.fd,
            disks=vm.parts.disks,
            memories=vm.parts.memories,
            state=vm.parts.state,
            lines=tuple(line.fileno() for line in vm.lines),
        )
        text = qemu.machine_description(vm.cell, fds)
        (vm.folder / _DESCRIPTION).write_text(text, encoding="utf-8")
        os.write(vm.description, text.encode())
        for fd in (fds.console, *(disk.fd for disk in fds.disks)):
            vm.user.lend(fd)
        listening: tuple[int, ...] = ()
        if vm.gdb is not None:
            # If our own end stayed open, gdb would wait forever for a QEMU that is dead.
            listening = (theirs.enter_context(vm.gdb).fileno(),)
        for line in vm.lines:
            theirs.enter_context(line)
        copier = asyncio.create_task(vm.console.copy(our_console))
        try:
            async with await spawn(
                qemu.located(vm.argv),
                log=log,
                output=vm.folder / _STDERR,
                pass_fds=(*vm.fds, *listening, *fds.numbers()),
                rights=vm.rights,
            ) as child:
                theirs.close()
                attended = _attend(vm, child, our_qmp, conduct, patience)
                return await first(attended, _cut_off(copier))
        finally:
            # The console only ends once nobody holds the other end.
            theirs.close()
            await copier


async def _cut_off(copier: asyncio.Task[None]) -> NoReturn:
    """Raise what ends the console's copying early: without it the guest would wait forever."""
    await asyncio.shield(copier)
    while True:  # it ended with QEMU, which is reported elsewhere
        await asyncio.Event().wait()


async def _attend(
    vm: Vm,
    child: Spawned,
    qmp: socket.socket,
    conduct: Callable[[Monitor, CpuClock], Awaitable[T]],
    patience: float,
) -> T:
    """Attend to one QEMU until the guest ends."""
    cpu, memory, oom = CpuClock(child.pid), MemoryMeter(child.pid), OomWatch()
    death = partial(_death, vm, child, memory, oom)
    try:
        async with open_monitor(qmp, transcript=vm.transcript, patience=patience) as monitor:
            version = await monitor.execute("query-version")
            parts = ("major", "minor", "micro")
            numbers = [number(version, "qemu", part, told="query-version") for part in parts]
            vm.qemu_version = ".".join(map(str, numbers))
            vm.qemu_uid = _user_of(child)
            return await first(conduct(monitor, cpu), death())
    except InfrastructureError as error:
        if error.kind == "qmp-lost":
            # A dying QEMU closes its sockets before it can be reaped, on a busy host by seconds.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await death()
        raise
    finally:
        vm.cpu_seconds = cpu.read()
        memory.look()
        vm.memory_bytes = memory.peak_bytes + vm.parts.taken_bytes()
        vm.parts.ours.close()


def _user_of(child: Spawned) -> int | None:
    try:
        return Path(f"/proc/{child.pid}").stat().st_uid
    except OSError:  # it has just died
        return None


async def _death(vm: Vm, child: Spawned, memory: MemoryMeter, oom: OomWatch) -> NoReturn:
    """Raise InfrastructureError when QEMU has died; until then, sample its memory."""
    code = None
    while code is None:
        memory.look()
        oom.look()
        with contextlib.suppress(TimeoutError):
            # Not wait_for(): before Python 3.12 it swallows a cancellation that comes with the end.
            async with asyncio.timeout(_LOOK_SECONDS):
                code = await child.wait()
    if vm.may_end:
        await asyncio.Event().wait()  # `conduct` deals with it
    had_mib = (memory.peak_bytes + vm.parts.taken_bytes()) >> 20
    if code == -signal.SIGKILL and (failure := oom.failure(had_mib=had_mib)) is not None:
        raise failure
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    said = (
        (vm.folder / _STDERR)
        .read_text(errors="replace", encoding="utf-8")
        .strip()[-_STDERR_CHARACTERS:]
    )
    raise InfrastructureError("qemu-died", f"QEMU exited by itself ({how}){said and ': ' + said}")


async def first(*contenders: Awaitable[T]) -> T:
    """Return the result of the first to finish, or raise its exception; cancel the others."""
    tasks = [asyncio.ensure_future(contender) for contender in contenders]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _closing(stack: ExitStack, sock: socket.socket) -> socket.socket:
    return stack.enter_context(sock)
