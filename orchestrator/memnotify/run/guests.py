"""Runs one guest: from its template if there is one, otherwise by booting in its turn."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from memnotify.guest.rendezvous import BOOT
from memnotify.guest.template import Template
from memnotify.guest.templates import Templates
from memnotify.guest.view import Watcher
from memnotify.model import BootFiles, Cell, CellResult
from memnotify.process import CommandLog
from memnotify.results.summary import Job
from memnotify.run.ledger import Ledger


class CellRunner(Protocol):
    """Runs one cell in a guest; `memnotify.guest.session.run_cell` is the real one.

    Leaves records.parquet, console.log and qmp.jsonl in `folder`. Raises InfrastructureError, or
    returns one as the outcome.
    """

    async def __call__(
        self,
        cell: Cell,
        *,
        files: BootFiles,
        folder: Path,
        start: Template | None,
        watcher: Watcher,
        log: CommandLog | None,
    ) -> CellResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRunner:
    """Everything needed to run guests. Without `templates`, every guest boots; boots wait for the
    ledger."""

    ledger: Ledger
    runner: CellRunner
    templates: Templates | None
    log: CommandLog

    async def run(
        self,
        job: Job,
        *,
        folder: Path,
        watcher: Watcher,
    ) -> CellResult:
        """Run a job's guest in a folder. Raises InfrastructureError and OSError."""
        template = None
        if self.templates is not None:
            template = await self.templates.get(
                job.cell,
                files=job.boot_files,
                on_stage=watcher.on_stage,
                log=self.log,
                boot=self.ledger.boot,
            )
        run = partial(
            self.runner,
            job.cell,
            files=job.boot_files,
            folder=folder,
            start=template,
            log=self.log,
        )
        if template is not None:
            return await run(watcher=watcher)
        async with self.ledger.boot() as has_booted:

            def on_stage_of_boot(stage: str) -> None:
                if stage != BOOT:
                    has_booted()
                watcher.on_stage(stage)

            return await run(watcher=dataclasses.replace(watcher, on_stage=on_stage_of_boot))
