"""Runs one cell: a guest from start to end, and the files that it leaves."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from memnotify.errors import InfrastructureError, no_space
from memnotify.guest import probe, qemu
from memnotify.guest.backing import Parts, new_parts
from memnotify.guest.held import Holder
from memnotify.guest.mailbox import encode_scenario
from memnotify.guest.outcome import findings, judge
from memnotify.guest.own_clients import said_by_clients
from memnotify.guest.pausing import Pauser
from memnotify.guest.qmp import Monitor
from memnotify.guest.recording import Recorder
from memnotify.guest.rendezvous import End, Host
from memnotify.guest.template import Template
from memnotify.guest.view import UNWATCHED, View, Watcher
from memnotify.guest.vm import Vm, first, live, open_vm
from memnotify.guest.watchdog import CpuClock, Limits, log_ends_ns, watch
from memnotify.model import (
    CONSOLE,
    RECORDS,
    BalloonMove,
    BootFiles,
    Cell,
    CellResult,
    Finding,
    Outcome,
)
from memnotify.process import CommandLog
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.units import BYTES_PER_MIB


async def run_cell(
    cell: Cell,
    *,
    files: BootFiles,
    folder: Path,
    start: Template | qemu.Tape | None = None,
    watcher: Watcher = UNWATCHED,
    log: CommandLog | None = None,
    limits: Limits | None = None,
) -> CellResult:
    """Run one guest and leave records.parquet, console.log and qmp.jsonl in `folder`.

    `folder` also gets machine.cfg, and qemu.log with QEMU's own output. The guest boots, or
    continues from the template that is its `start`. If that is a tape, the guest boots, and is
    recorded on the tape or replayed from it (see guest/recording.py). The `watcher` can follow
    the running guest, or have it stopped at a finding; `wall_seconds` has nothing of the time in
    which it is held. QEMU is always gone afterwards. If QEMU fails after
    it was started, that is an outcome (`infrastructure:...`), and the log up to then is kept.

    Raises InputError for an impossible cell, and InfrastructureError if QEMU cannot be started or
    its results cannot be written.
    """
    started = time.monotonic()
    accel = await asyncio.to_thread(probe.choose, cell.accel, cell.clock)
    limits = limits or Limits()
    template = start if isinstance(start, Template) else None
    tape = start if isinstance(start, qemu.Tape) else None
    session = _Session(cell, template, tape, limits, watcher, started)
    failure: InfrastructureError | None = None
    end = End()
    try:
        with (
            session.parts(folder) as parts,
            open_vm(
                cell,
                parts,
                accel=accel,
                files=files,
                folder=folder,
                tape=tape,
            ) as vm,
        ):
            if template is not None:
                vm.console.begin(template.console)
            watcher.on_view(View(parts.region, vm.console, cell.scenario, cell.programs))
            try:
                end = await session.run(vm, log)
            except InfrastructureError as error:
                if error.kind == "spawn":
                    raise
                failure = error
            ended_ns = parts.region.ended_ns()
            records = await asyncio.to_thread(
                parts.region.records, until_ns=log_ends_ns(cell, ended_ns, limits)
            )
            overwritten = parts.region.overwritten()
        await asyncio.to_thread(write_records, records, folder / RECORDS)
        if cell.programs:
            _add_said(records, folder / CONSOLE)
    except OSError as error:
        kind = "disk-full" if no_space(error) else "io"
        raise InfrastructureError(kind, f"{folder}: {error}") from error
    if failure is None:
        outcome = judge(
            end,
            log=records,
            console=vm.console,
            disagreements=session.disagreements,
            overwritten=overwritten,
            ended=bool(ended_ns),
            programs=cell.programs,
        )
    else:
        outcome = Outcome(infrastructure=failure.kind, detail=str(failure))
    return CellResult(
        outcome=outcome,
        guest_ns=records.end_ns,
        wall_seconds=time.monotonic() - started - session.held_seconds,
        records=len(records),
        lost_records=records.lost,
        balloon=session.moves,
        qemu_cpu_seconds=vm.cpu_seconds,
        memory_mib=math.ceil(vm.memory_bytes / BYTES_PER_MIB),
        versions={"qemu": vm.qemu_version, "accel": accel, **_kernel_version(records)},
        qemu_uid=vm.qemu_uid,
        command=tuple(vm.argv),
        template=None if template is None else template.key,
        start_seconds=session.start_seconds,
        console_waited=vm.console.may_have_waited,
        held=session.held_early,
        log=records,
    )


class _Session:
    """The host's side of one guest, and its results."""

    def __init__(
        self,
        cell: Cell,
        template: Template | None,
        tape: qemu.Tape | None,
        limits: Limits,
        watcher: Watcher,
        started: float,
    ) -> None:
        self.held_seconds = 0.0
        self.held_early = False
        self.moves: tuple[BalloonMove, ...] = ()
        self.disagreements: tuple[str, ...] = ()
        self.start_seconds: float | None = None
        self._cell = cell
        self._mail = encode_scenario(cell.scenario)
        self._template = template
        self._tape = tape
        self._limits = limits
        self._on_stage = watcher.on_stage
        self._holder = watcher.holder
        self._started = started

    def parts(self, folder: Path) -> AbstractContextManager[Parts]:
        folder.mkdir(parents=True, exist_ok=True)
        if self._template is None:
            return new_parts(self._cell, folder)
        return self._template.parts(self._cell, folder)

    async def run(self, vm: Vm, log: CommandLog | None) -> End:
        async def conduct(monitor: Monitor, cpu: CpuClock) -> End:
            recorder = None
            if self._tape is not None and not self._tape.play:
                recorder = Recorder(vm, monitor)
            host = Host(
                monitor=monitor,
                region=vm.parts.region,
                scenario=self._cell.scenario,
                mail=self._mail,
                on_stage=self._on_stage,
                resume=None if recorder is None else recorder.resume,
            )
            contenders = [
                self._serve(host, vm, monitor),
                watch(
                    region=vm.parts.region,
                    cpu=cpu,
                    monitor=monitor,
                    cell=self._cell,
                    limits=self._limits,
                    is_held=host.is_held,
                ),
            ]
            try:
                if self._holder is not None:
                    return await self._pausing(self._holder, host, vm, monitor, contenders)
                end = await first(*contenders)
                if recorder is not None:
                    await recorder.finish()
                return end
            finally:
                self.moves = host.balloon.moves
                self.disagreements = tuple(host.balloon.disagreements)

        return await live(vm, conduct, patience=self._limits.qmp_seconds, log=log)

    async def _pausing(
        self,
        holder: Holder,
        host: Host,
        vm: Vm,
        monitor: Monitor,
        contenders: Sequence[Awaitable[End]],
    ) -> End:
        """Return the end of a guest that is held at each kind of finding, and where it ends."""
        cell, region = self._cell, vm.parts.region

        def found(end: End, log: RecordLog, *, ended: bool = False) -> dict[Finding, str]:
            return findings(
                end,
                log=log,
                console=vm.console,
                disagreements=host.balloon.disagreements,
                overwritten=region.overwritten(),
                ended=ended,
                programs=cell.programs,
            )

        async with Pauser(
            holder,
            view=View(region, vm.console, cell.scenario, cell.programs),
            region=region,
            host=host,
            monitor=monitor,
            start_ns=cell.scenario.start_ns,
            found=lambda: found(End(), region.records()),
        ) as pauser:
            try:
                end = await first(*contenders, pauser.watch())
                ended_ns = region.ended_ns()
                log = region.records(until_ns=log_ends_ns(cell, ended_ns, self._limits))
                await pauser.at_end(found(end, log, ended=bool(ended_ns)), log)
                return end
            finally:
                self.held_seconds = pauser.held_seconds
                self.held_early = pauser.stopped

    async def _serve(self, host: Host, vm: Vm, monitor: Monitor) -> End:
        """Serve a guest from start to end."""
        if self._template is None:
            if (end := await host.boot()) is not None:
                return end
        else:
            self._on_stage("restore")
            await self._template.restore(monitor, vm.parts)
        self.start_seconds = time.monotonic() - self._started
        return await host.conduct()


def _add_said(records: RecordLog, console: Path) -> None:
    """Add what clients printed to the console, which does not carry it. Raises OSError."""
    lines = list(said_by_clients(records))
    if lines:
        with console.open("a", encoding="utf-8") as file:
            file.write("\n--- what clients printed, by client\n")
            file.writelines(f"{line}\n" for line in lines)


def _kernel_version(records: RecordLog) -> dict[str, str]:
    boot = records.kind(Kind.BOOT)
    if not len(boot):
        return {}
    code = int(boot["kernel"][0])
    return {"kernel": f"{code >> 16}.{code >> 8 & 0xFF}.{code & 0xFF}"}
