"""Writes a report of a run's folder in one of several formats."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType

from memnotify import toml
from memnotify.errors import InputError
from memnotify.files import write_whole
from memnotify.report.cells import CellReport, ExpectReport, RunReport
from memnotify.report.expect import in_words, status_of
from memnotify.report.junit import junit
from memnotify.report.ktap import ktap
from memnotify.report.markdown import markdown
from memnotify.report.page.page import page
from memnotify.results.expectations import expectations
from memnotify.results.folder import CAMPAIGN, CONSOLE
from memnotify.results.looked import Looked
from memnotify.results.timeline import timeline_of

Format = Callable[[Sequence[Looked], Path], str]


def _of_one(write: Callable[[RunReport], str]) -> Format:
    """Return a format that has no trend."""

    def written(runs: Sequence[Looked], output: Path) -> str:
        if len(runs) > 1:
            raise InputError(
                f"{output}: this format is of one run",
                hint="a trend is in a report ending in .html",
            )
        return write(read_report(runs[0]))

    return written


FORMATS: MappingProxyType[str, Format] = MappingProxyType(
    {".html": page, ".xml": _of_one(junit), ".ktap": _of_one(ktap), ".md": _of_one(markdown)}
)
"""Formats by file suffix."""

_CONSOLE_BYTES = 4096  # of the end, where a panic would be


def make_report(runs: Sequence[Looked], output: Path) -> None:
    """Write a report to a file, in the format given by the file's suffix.

    Of several runs of one campaign, it shows the newest one and the trend.

    Raises InputError if there is no run, one of its results is damaged, the suffix is unknown, or
    the file cannot be written.
    """
    write = FORMATS.get(output.suffix)
    if write is None:
        raise InputError(
            f"{output}: the suffix selects no known format",
            hint=f"use a name that ends in one of {' '.join(FORMATS)}",
        )
    # A lone surrogate cannot be encoded.
    write_whole(output, write(runs, output).encode(errors="backslashreplace"))


def read_report(looked: Looked) -> RunReport:
    """Return the data of a run's report. Raises InputError as `make_report` does."""
    run = looked.run
    cells = tuple(
        _cell(looked, row.id, row.name)
        if row.id in looked.whole
        else CellReport(id=row.id, name=row.name)
        for row in run.plan()
    )
    campaign, _ = toml.read(run.path / CAMPAIGN)
    verdicts = [cell.verdict for cell in cells if cell.verdict is not None]
    expected = tuple(
        ExpectReport(
            says=result.says, what=result.what, result=in_words(result), status=status_of(result)
        )
        for result in expectations(run, verdicts)
    )
    name = str(campaign.get("name", run.path.name))
    return RunReport(name=name, cells=cells, expected=expected)


def _cell(looked: Looked, cell_id: str, name: str) -> CellReport:
    folder = looked.whole[cell_id]
    log = folder / CONSOLE
    return CellReport(
        id=cell_id,
        name=name,
        verdict=looked.verdict(cell_id),
        log=_from_here(log) if log.is_file() else None,
        console=_end(log) if log.is_file() else "",
        events=timeline_of(folder),
    )


def _from_here(path: Path) -> str:
    """Return a path as a CI service finds it that runs its jobs in the current folder."""
    path, here = path.absolute(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _end(file: Path) -> str:
    with file.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _CONSOLE_BYTES))
        return log.read().decode(errors="replace")
