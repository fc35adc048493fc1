"""A run as a self-contained HTML page: no script, no network."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

from memnotify.report.cells import FIGURES, PARAMETERS, RunReport
from memnotify.report.table import summary
from memnotify.text import printable


@functools.cache
def _page() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = lambda value: printable(str(value))
    return environment.get_template("run.html.j2")


def html(run: RunReport) -> str:
    """Return a run as a page: a table of its cells, then the timeline of each."""
    verdicts = [cell.verdict for cell in run.cells if cell.verdict is not None]
    return _page().render(
        run=run,
        summary=summary(verdicts, planned=len(run.cells)),
        parameters=PARAMETERS,
        figures=FIGURES,
    )
