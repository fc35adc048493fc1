"""Running one cell: a guest from its start to its end, and what is kept of it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

from orchestrator.errors import InfrastructureError
from orchestrator.guest import probe, qemu
from orchestrator.guest.abi import Kind, encode_scenario
from orchestrator.guest.console import Console
from orchestrator.guest.decode import RecordLog, write_records
from orchestrator.guest.qmp import Monitor, open_monitor
from orchestrator.guest.region import Region
from orchestrator.guest.rendezvous import End, Host
from orchestrator.guest.verdict import judge
from orchestrator.guest.watch import CpuClock, Limits, watch
from orchestrator.model import BalloonMove, Cell, CellResult, Outcome
from orchestrator.process import CommandLog, Spawned, spawn

T = TypeVar("T")

_DESCRIPTION = "machine.cfg"
_STDERR = "qemu.log"
_EXIT_SECONDS = 5.0  # for a QEMU that has broken off its QMP session to be reaped
_STDERR_CHARACTERS = 2000


@dataclass(slots=True)
class _Guest:
    """One guest's parts, and what is learnt of it while it runs."""

    cell: Cell
    mail: bytes  # the scenario, for the mailbox
    region: Region
    disks: tuple[qemu.Disk, ...]
    console: Console
    transcript: IO[str]
    folder: Path
    limits: Limits
    on_stage: Callable[[str], None]
    qemu_version: str = ""
    cpu_seconds: float = 0.0
    moves: tuple[BalloonMove, ...] = ()
    disagreements: tuple[str, ...] = ()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(errors="replace")


async def run_cell(
    cell: Cell,
    *,
    kernel: Path,
    initramfs: Path,
    folder: Path,
    on_stage: Callable[[str], None] = lambda stage: None,
    log: CommandLog | None = None,
    limits: Limits | None = None,
) -> CellResult:
    """Run one guest and leave records.parquet, console.log and qmp.jsonl in `folder`.

    `folder` also gets machine.cfg, and qemu.log with what QEMU itself had to say. Whatever happens,
    QEMU is gone afterwards. If QEMU fails once it was started, that is an outcome
    (`infrastructure:...`), and the log up to then is kept.

    Raises InputError for a cell that is impossible, and InfrastructureError if QEMU could not be
    started or what came of it could not be written.
    """
    started = time.monotonic()
    accel = await asyncio.to_thread(probe.choose, cell.accel, cell.clock)
    mail = encode_scenario(cell.scenario)
    failure: InfrastructureError | None = None
    end = End()
    try:
        with _make_guest(cell, mail, folder, limits or Limits(), on_stage) as guest:
            argv = qemu.command_line(
                cell,
                accel=accel,
                description=folder / _DESCRIPTION,
                kernel=kernel,
                initramfs=initramfs,
                disks=guest.disks,
            )
            try:
                end = await _live(guest, argv, log)
            except InfrastructureError as error:
                if error.kind == "spawn":
                    raise
                failure = error
            records = await asyncio.to_thread(guest.region.records)
        await asyncio.to_thread(write_records, records, folder / "records.parquet")
    except OSError as error:
        kind = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "io"
        raise InfrastructureError(kind, f"{folder}: {error}") from error
    if failure is None:
        outcome = judge(end, log=records, console=guest.console, disagreements=guest.disagreements)
    else:
        outcome = Outcome(infrastructure=failure.kind, detail=str(failure))
    return CellResult(
        outcome=outcome,
        guest_ns=records.end_ns,
        wall_seconds=time.monotonic() - started,
        records=len(records),
        lost_records=records.lost,
        balloon=guest.moves,
        qemu_cpu_seconds=guest.cpu_seconds,
        versions={"qemu": guest.qemu_version, "accel": accel, **_kernel_version(records)},
        command=tuple(argv),
    )


@contextmanager
def _make_guest(
    cell: Cell, mail: bytes, folder: Path, limits: Limits, on_stage: Callable[[str], None]
) -> Iterator[_Guest]:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        Region(cell.log_records) as region,
        qemu.open_disks(cell, folder) as disks,
        (folder / "console.log").open("wb") as console,
        (folder / "qmp.jsonl").open("w", buffering=1) as transcript,
    ):
        yield _Guest(
            cell, mail, region, disks, Console(console), transcript, folder, limits, on_stage
        )


async def _live(guest: _Guest, argv: list[str], log: CommandLog | None) -> End:
    """Start QEMU, attend to it until the guest has ended, and kill it."""
    with ExitStack() as ours, ExitStack() as theirs:
        our_qmp, their_qmp = map(_closing, (ours, theirs), socket.socketpair())
        our_console, their_console = map(_closing, (ours, theirs), socket.socketpair())
        fds = qemu.Descriptors(
            qmp=their_qmp.fileno(),
            console=their_console.fileno(),
            log=guest.region.fd,
            disks=guest.disks,
        )
        guest.write(_DESCRIPTION, qemu.machine_description(guest.cell, fds))
        copier = asyncio.create_task(guest.console.copy(our_console))
        try:
            async with await spawn(
                argv, log=log, output=guest.folder / _STDERR, pass_fds=fds.numbers()
            ) as child:
                theirs.close()
                return await _attend(guest, child, our_qmp)
        finally:
            # Only when nobody holds the other end any more does the console end.
            theirs.close()
            await copier


async def _attend(guest: _Guest, child: Spawned, qmp: socket.socket) -> End:
    """See one QEMU through to the guest's end."""
    patience = guest.limits.qmp_seconds
    try:
        async with open_monitor(qmp, transcript=guest.transcript, patience=patience) as monitor:
            version = (await monitor.execute("query-version"))["qemu"]
            guest.qemu_version = f"{version['major']}.{version['minor']}.{version['micro']}"
            return await _run(guest, child, monitor)
    except InfrastructureError as error:
        if error.kind == "qmp-lost":
            # A dying QEMU closes its sockets a moment before it can be reaped.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EXIT_SECONDS):
                    await _death(guest, child)
        raise


async def _run(guest: _Guest, child: Spawned, monitor: Monitor) -> End:
    cpu = CpuClock(child.pid)
    host = Host(
        monitor=monitor,
        region=guest.region,
        scenario=guest.cell.scenario,
        mail=guest.mail,
        on_stage=guest.on_stage,
    )
    try:
        return await _first(
            host.run(),
            watch(
                region=guest.region,
                cpu=cpu,
                monitor=monitor,
                scenario=guest.cell.scenario,
                limits=guest.limits,
            ),
            _death(guest, child),
        )
    finally:
        guest.cpu_seconds = cpu.read()
        guest.moves = host.balloon.moves
        guest.disagreements = tuple(host.balloon.disagreements)


async def _death(guest: _Guest, child: Spawned) -> NoReturn:
    """Raise InfrastructureError when QEMU has died."""
    code = await child.wait()
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    said = guest.read(_STDERR).strip()[-_STDERR_CHARACTERS:]
    raise InfrastructureError("qemu-died", f"QEMU ended by itself ({how}){said and ': ' + said}")


async def _first(*contenders: Coroutine[Any, Any, T]) -> T:
    """Return what the first of several gives, or raise what it raises; cancel the others."""
    tasks = [asyncio.create_task(contender) for contender in contenders]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _closing(stack: ExitStack, sock: socket.socket) -> socket.socket:
    return stack.enter_context(sock)


def _kernel_version(records: RecordLog) -> dict[str, str]:
    boot = records.kind(Kind.BOOT)
    if not len(boot):
        return {}
    code = int(boot["kernel"][0])
    return {"kernel": f"{code >> 16}.{code >> 8 & 0xFF}.{code & 0xFF}"}
