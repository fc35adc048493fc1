"""Steps of scenarios for guests of 64 MiB, and a runner of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memnotify.guest.held import Holder
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.guest.view import View, Watcher
from memnotify.guest.watchdog import Limits
from memnotify.model import Arch, BootFiles, Cell, CellResult, KernelRequest
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.scenario import (
    Balloon,
    ClientKind,
    Clients,
    Hog,
    Scenario,
    Step,
)

from tests.support.bases import modern

SECOND = 10**9
MIB = 1024  # KiB
Find = Callable[..., Path]


def make_cell(*steps: Step, machine: str = "pc", **changes: Any) -> Cell:
    defaults = {"start_s": 2, "duration_s": 5, "memory_mib": 64, "log_records": 20_000}
    options: dict[str, Any] = defaults | changes
    return Cell(
        request=KernelRequest(base=modern(), series="none", arch=Arch.X86_64),
        machine=load_machine(machine),
        memory_mib=options["memory_mib"],
        clients=1,
        scenario=Scenario(
            name="test",
            start_ns=options["start_s"] * SECOND,
            duration_ns=options["duration_s"] * SECOND,
            sample_ns=SECOND // 10,
            steps=steps,
        ),
        log_records=options["log_records"],
    )


def clients(count: int, kind: ClientKind = ClientKind.POLL, **fields: Any) -> Step:
    return Step(at_ns=0, action=Clients(kind=kind, count=count, **fields))


def balloon(*, at: int, mib: int, settle_ns: int = 2 * SECOND) -> Step:
    return Step(at_ns=at * SECOND, action=Balloon(target_kib=mib * MIB, settle_ns=settle_ns))


def hog(*, mib: int) -> Step:
    return Step(at_ns=SECOND, action=Hog(rate_kib_s=20 * MIB, ceiling_kib=mib * MIB))


def qemus() -> list[int]:
    """Return the child processes of this one that are not reaped."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children]


class Runner:
    """Runs cells, and checks after each whether anything was left behind."""

    def __init__(self, files: BootFiles, folder: Path) -> None:
        self.files = files
        self.folder = folder

    def __call__(
        self,
        cell: Cell,
        *,
        on_stage: Callable[[str], None] = lambda stage: None,
        on_view: Callable[[View], None] = lambda view: None,
        limits: Limits | None = None,
        holder: Holder | None = None,
    ) -> tuple[CellResult, RecordLog]:
        before = len(list(Path("/proc/self/fd").iterdir())), qemus()
        result = asyncio.run(
            run_cell(
                cell,
                files=self.files,
                folder=self.folder,
                watcher=Watcher(on_stage=on_stage, on_view=on_view, holder=holder),
                limits=limits,
            )
        )
        assert (len(list(Path("/proc/self/fd").iterdir())), qemus()) == before
        assert {"records.parquet", "console.log", "qmp.jsonl"} <= {
            path.name for path in self.folder.iterdir()
        }
        log = read_records(self.folder / "records.parquet")
        assert (result.records, result.lost_records) == (len(log), log.lost)
        return result, log


def bare_metal(folder: Path, code: str) -> Path:
    """Return a multiboot image of 32-bit code, which QEMU starts with interrupts off."""
    magic, flags, base = 0x1BADB002, 0x10000, 0x100000
    size = 32 + len(bytes.fromhex(code))
    header = (magic, flags, -(magic + flags) % 2**32, base, base, base + size, 0, base + 32)
    path = folder / "bare"
    words = b"".join(word.to_bytes(4, "little") for word in header)
    path.write_bytes((words + bytes.fromhex(code)).ljust(8192, b"\0"))
    return path
