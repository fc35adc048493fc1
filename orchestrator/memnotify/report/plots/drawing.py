"""Draws pictures in the form that the suffix of a file names."""

from __future__ import annotations

from pathlib import Path

from memnotify.errors import InputError
from memnotify.report.plots.picture import Picture

FORMS = (".svg", ".png", ".pdf", ".html")
"""The suffixes of the files that a picture can be written to."""


def form_of(file: Path) -> str:
    """Return the suffix of a file for a picture. Raises InputError if it is another."""
    if file.suffix not in FORMS:
        raise InputError(f"{file}: the name of a picture must end in {' or '.join(FORMS)}")
    return file.suffix


def drawn(picture: Picture, form: str) -> bytes:
    """Return the content of a file with this picture."""
    from memnotify.report.plots import page, svg

    if form == ".html":
        return page.page(picture).encode()
    if form == ".svg":
        return svg.svg(picture).encode()
    return svg.png(picture) if form == ".png" else svg.pdf(picture)
