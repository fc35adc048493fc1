"""Real guests: from the files that they boot from to their results."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from memnotify.guest.session import run_cell
from memnotify.guest.template import Template
from memnotify.guest.templates import Templates
from memnotify.model import Cell, CellResult


@dataclass(frozen=True)
class BootFiles:
    """The files that guests boot from."""

    kernel: Path
    initramfs: Path

    def template(self, cell: Cell, templates: Templates) -> Template | None:
        """Return the template of a cell; make it if it does not exist."""
        found = templates.get(
            cell,
            kernel=self.kernel,
            initramfs=self.initramfs,
            on_stage=lambda stage: None,
            log=None,
        )
        return asyncio.run(found)

    def run(self, cell: Cell, folder: Path, template: Template | None) -> CellResult:
        """Run a cell into a folder: from its template, or cold."""
        done = run_cell(
            cell,
            kernel=self.kernel,
            initramfs=self.initramfs,
            folder=folder,
            template=template,
        )
        return asyncio.run(done)
