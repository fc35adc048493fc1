"""Real guests: from the files that they boot from to their results."""

from __future__ import annotations

import asyncio
from pathlib import Path

from memnotify.guest.session import run_cell
from memnotify.guest.template import Template
from memnotify.guest.templates import Templates
from memnotify.model import BootFiles, Cell, CellResult


def template_of(files: BootFiles, cell: Cell, templates: Templates) -> Template | None:
    """Return the template of a cell; make it if it does not exist."""
    found = templates.get(cell, files=files, on_stage=lambda stage: None, log=None)
    return asyncio.run(found)


def run_from(start: Template | None, files: BootFiles, cell: Cell, *, folder: Path) -> CellResult:
    """Run a cell into a folder: from its template, or cold."""
    return asyncio.run(run_cell(cell, files=files, folder=folder, start=start))
