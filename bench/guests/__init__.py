"""Shared by the programs of this folder: cells whose kernels are built, and figures."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memnotify.campaign.plan import boot_files
from memnotify.guest import qemu
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.guest.template import Template
from memnotify.guest.templates import Templates
from memnotify.guest.view import Watcher
from memnotify.image.build import ensure_image
from memnotify.kernel.build import ensure_kernel
from memnotify.model import Accel, Arch, BootFiles, Cell, CellResult, KernelRequest
from memnotify.process import CommandLog
from memnotify.scenario import Balloon, ClientKind, Clients, Hog, Op, Scenario, Step
from memnotify.store import Store

S = 10**9
MIB = 1024  # KiB


def clients(count: int) -> Step:
    return Step(at_ns=0, action=Clients(kind=ClientKind.POLL, count=count, spacing_ns=S // 1000))


def hog(*, at_s: float, rate_mib_s: int, mib: int) -> Step:
    return Step(
        at_ns=round(at_s * S), action=Hog(rate_kib_s=rate_mib_s * MIB, ceiling_kib=mib * MIB)
    )


def balloon(*, at_s: float, mib: int) -> Step:
    return Step(at_ns=round(at_s * S), action=Balloon(target_kib=mib * MIB, settle_ns=7 * S))


@dataclass(frozen=True)
class Guest:
    """A bound cell and the files that it boots from."""

    cell: Cell
    files: BootFiles

    def template(self) -> Template:
        """Return the guest's template; afterwards, it is in the user's store."""
        found = asyncio.run(
            Templates(Store()).get(
                self.cell,
                files=self.files,
                on_stage=lambda _: None,
                log=None,
            )
        )
        assert found is not None, "the guest does not boot"
        return found

    async def run_beside(
        self,
        template: Template | None,
        *,
        on_stage: Callable[[str], None] = lambda stage: None,
        keep: Path | None = None,
    ) -> CellResult:
        """Run it and require success. Its files are discarded, or go to `keep`."""
        with tempfile.TemporaryDirectory() as folder:
            result = await run_cell(
                self.cell,
                files=self.files,
                folder=keep or Path(folder),
                start=template,
                watcher=Watcher(on_stage=on_stage),
            )
        assert result.outcome.ok, result.outcome
        return result

    def run(
        self, template: Template | None, *, on_stage: Callable[[str], None] = lambda stage: None
    ) -> CellResult:
        return asyncio.run(self.run_beside(template, on_stage=on_stage))


def guest(
    *steps: Step,
    duration_s: float,
    sample_s: float,
    machine: str = "pc",
    memory_mib: int = 64,
    icount_shift: int = 1,
    log_records: int = 65_536,
) -> Guest:
    """Return a guest of Linux 6.1 with v4; missing artifacts are built."""
    profile = dataclasses.replace(load_machine(machine), icount_shift=icount_shift)
    return bind(
        Cell(
            request=KernelRequest(base="6.1", series="v4", arch=Arch.X86_64),
            machine=profile,
            memory_mib=memory_mib,
            clients=sum(step.processes for step in steps if step.op is Op.CLIENTS),
            scenario=Scenario(
                name="bench",
                start_ns=10 * S,
                duration_ns=round(duration_s * S),
                sample_ns=round(sample_s * S),
                steps=steps,
            ),
            log_records=log_records,
            accel=Accel.TCG,
        )
    )


def bind(cell: Cell) -> Guest:
    """Bind a cell to its artifacts, which are built if they are not in the store."""
    store, log = Store(), CommandLog()
    kernel = ensure_kernel(cell.request, store=store, log=log, progress=say)
    image = ensure_image(cell.request.arch, store=store, log=log)
    hardware = qemu.hardware_digest(cell, Accel.TCG)
    return Guest(
        dataclasses.replace(cell, kernel=kernel.key, image=image.key, hardware=hardware),
        boot_files(kernel, image),
    )


@dataclass(frozen=True)
class Figure:
    """One row of a program's output; without a target, it is for information only."""

    name: str
    value: float
    unit: str
    target: float | None = None
    better: str = "lower"

    def __str__(self) -> str:
        aim = "at most" if self.better == "lower" else "at least"
        wanted = "" if self.target is None else f"  (target: {aim} {self.target:g})"
        return f"{self.name:54} {self.value:10.3f} {self.unit}{wanted}"


def parser(program_doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with --json."""
    made = argparse.ArgumentParser(description=(program_doc or "").partition("\n")[0])
    made.add_argument("--json", type=Path, metavar="FILE")
    return made


def publish(figures: Sequence[Figure], file: Path | None) -> None:
    """Print figures, and write them to a file if there is one."""
    for figure in figures:
        print(figure)
    if file is not None:
        rows = [dataclasses.asdict(figure) for figure in figures]
        file.write_text(json.dumps(rows, indent=1) + "\n")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
