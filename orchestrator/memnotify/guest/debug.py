"""gdb on a guest: a new one, or one replayed from a tape, which can also run backward.

gdb starts and stops the guest. The host only answers the guest's requests at a rendezvous. After
going back, the same requests come again.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify import places, process
from memnotify.errors import InputError
from memnotify.guest import probe, qemu
from memnotify.guest.backing import new_parts
from memnotify.guest.mailbox import encode_scenario
from memnotify.guest.qmp import Monitor
from memnotify.guest.region import Region
from memnotify.guest.stopped import window_of
from memnotify.guest.symbols import write_symbols
from memnotify.guest.vm import live, open_vm
from memnotify.guest.watchdog import CpuClock, Limits
from memnotify.model import BootFiles, Cell
from memnotify.process import CommandLog
from memnotify.records import layout
from memnotify.records.layout import Reason, State
from memnotify.units import KIB_PER_MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugFiles:
    """The files that make up a guest, and those that gdb needs besides.

    `vmlinux` is the guest's kernel with debug information, if there is one.
    """

    boot: BootFiles
    system_map: Path
    agent: Path
    vmlinux: Path | None = None


def need_gdb() -> None:
    """Raise InputError if there is no gdb."""
    if shutil.which("gdb") is None:
        raise InputError("gdb is not installed", hint="install the package gdb")


async def debug_cell(
    cell: Cell,
    files: DebugFiles,
    *,
    tape: qemu.Tape | None,
    record: int | None,
    script: Path | None,
    log: CommandLog,
) -> int:
    """Run gdb on a guest that has just been switched on, and return gdb's exit status.

    gdb takes the terminal, or runs the commands in `script`. If `record` is given, gdb starts where
    the record of that number, from 0, has just become valid.

    Raises InputError if gdb is missing or the image is too old, InfrastructureError if QEMU fails.
    """
    need_gdb()
    window = window_of(files.agent, log)
    accel = await asyncio.to_thread(probe.choose, cell.accel, cell.clock)
    # A socket's path must be short, so it is not in the run's folder.
    with tempfile.TemporaryDirectory(prefix="memnotify-") as name:
        folder = Path(name)
        symbols, gdb = folder / "symbols", folder / "gdb"
        if files.vmlinux is None:
            write_symbols(files.system_map, symbols, arch=cell.request.arch)
        else:
            symbols = files.vmlinux
        settings: dict[str, Any] = {
            "symbols": str(symbols),
            "socket": str(gdb),
            "recording": tape is not None,
            "record": record,
            "record_bytes": layout.RECORD.itemsize,
            "window": window.address,
            "window_records": window.records,
        }
        with (
            new_parts(cell, folder) as parts,
            open_vm(
                cell,
                parts,
                accel=accel,
                files=files.boot,
                folder=folder,
                tape=None if tape is None else _copy(tape, folder),
                gdb=gdb,
            ) as vm,
        ):
            vm.may_end = True  # gdb's `kill` ends QEMU

            async def conduct(monitor: Monitor, cpu: CpuClock) -> int:
                return await _attend(cell, parts.region, monitor, settings, script, log)

            return await live(vm, conduct, patience=Limits().qmp_seconds, log=log)


def _copy(tape: qemu.Tape, folder: Path) -> qemu.Tape:
    """Copy a tape, because QEMU writes to the snapshot file."""
    copy = qemu.Tape(folder, play=True)
    shutil.copyfile(tape.events, copy.events)
    shutil.copyfile(tape.snapshots, copy.snapshots)
    return copy


async def _attend(
    cell: Cell,
    region: Region,
    monitor: Monitor,
    settings: dict[str, Any],
    script: Path | None,
    log: CommandLog,
) -> int:
    """Run gdb until it exits, and serve the guest meanwhile."""
    reading, writing = os.pipe()
    argv = ["gdb", "-q", "-nx", "-x", str(places.IMAGES / "gdb" / "guest.py")]
    if script is not None:
        argv += ["-batch", "-x", str(script)]
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C is for gdb
    answering = asyncio.create_task(_answer(cell, region, monitor, writing))
    try:
        async with await process.spawn(
            argv,
            env={"MEMNOTIFY_GDB": json.dumps({**settings, "answers": reading})},
            pass_fds=[reading],
            interactive=True,
            log=log,
        ) as gdb:
            return await gdb.wait()
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        loop.remove_signal_handler(signal.SIGINT)
        os.close(reading)
        os.close(writing)


async def _answer(cell: Cell, region: Region, monitor: Monitor, answers: int) -> None:
    """Serve the guest's request each time it stops, and tell gdb."""
    mail = encode_scenario(cell.scenario)
    events = monitor.listen("GUEST_PANICKED")
    while True:
        await events.get()
        ask = region.ask()
        if ask.state == State.FAILED:
            said = f"-the guest program failed: {ask.failure}"
        elif ask.state != State.RENDEZVOUS:
            said = "-kernel panic"
        elif ask.reason == Reason.READY:
            region.post(mail)
            said = "+the guest has booted and starts its scenario"
        elif ask.reason == Reason.BALLOON_SET:
            await monitor.execute("balloon", value=ask.arg << 10)
            said = f"+balloon to {ask.arg / KIB_PER_MIB:.1f} MiB"
        elif ask.reason == Reason.BALLOON_SETTLED:
            said = "+the balloon has settled" if ask.arg else "+the balloon has not settled"
        else:
            said = "-the scenario has ended"
        os.write(answers, said.encode() + b"\n")
