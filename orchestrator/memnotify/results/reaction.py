"""reaction.json: the figures of `memnotify compare` of one cell, noted when it has run.

To read a log of 10,000 records takes longer than everything else that a comparison does with a
cell. A note counts only if it was made by the same code as ours, and if the cell's manifest has its
digest, which is checked with those of the other results; otherwise the log is read.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from memnotify import scenario, units
from memnotify.check import metrics, reaction
from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.jsontext import parse
from memnotify.records import clients, exits, layout, zones
from memnotify.records import log as records_log
from memnotify.records.log import Columns, RecordLog
from memnotify.records.parquet import read_columns
from memnotify.results import identical
from memnotify.results.dataset import REACTION as REACTION
from memnotify.results.folder import MANIFEST, RECORDS, read_json, to_json
from memnotify.results.identical import order_of

MAKERS = (clients, exits, layout, metrics, reaction, records_log, scenario, units, zones)
"""The modules that make the figures: all of this package that `check.reaction` imports."""

_ORDER = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacted:
    """What a comparison needs of a log: its figures, and what `identical.CellLog` has of it."""

    figures: Mapping[str, float | None]
    order: str
    lacking: bool

    @classmethod
    def of(cls, log: RecordLog | Columns) -> Self:
        """Return it for a whole log, or for all its records of the kinds of `reaction.FIELDS`."""
        columns = log if isinstance(log, Columns) else Columns.of(log, reaction.FIELDS)
        return cls(
            figures=dataclasses.asdict(reaction.react(columns)),
            order=order_of(columns.kinds),
            lacking=bool(log.lost or log.torn),
        )


def note_reaction(folder: Path, log: RecordLog) -> None:
    """Write the note of a cell into its folder, before that is sealed. Raises OSError."""
    maker, found = _maker(), Reacted.of(log)
    if maker is not None and all(map(_is_figure, found.figures.values())):
        note = {"maker": maker, **dataclasses.asdict(found)}
        (folder / REACTION).write_text(to_json(note), encoding="utf-8")


def reacted_in(folder: Path, log: RecordLog | None = None) -> Reacted | None:
    """Return it for the cell in a folder, from the note or from the log; None without a log.

    `log` is its log, if that has been read. Raises InputError if the log cannot be read.
    """
    if not (folder / RECORDS).exists():
        return None
    if (found := _noted(folder)) is not None:
        return found
    known = read_columns(folder / RECORDS, reaction.FIELDS) if log is None else log
    return Reacted.of(known)


def _noted(folder: Path) -> Reacted | None:
    """Return what a note says; None if there is none of ours."""
    try:
        note = read_json(folder / REACTION)
        files = read_json(folder / MANIFEST).get("files")
    except InputError:
        return None
    return _read(note) if isinstance(files, dict) and REACTION in files else None


def reacted_as_noted(text: str | None) -> Reacted | None:
    """Return what the text of a note says, whose digest was checked; None if it is not of ours."""
    if text is None:
        return None
    try:
        note = parse(text)
    except (ValueError, RecursionError):
        return None
    return _read(note) if isinstance(note, dict) else None


def _read(note: Mapping[str, Any]) -> Reacted | None:
    """Return what a note says, if it is one of ours. Somebody may have sent the run."""
    figures, order, lacking = (note.get(key) for key in ("figures", "order", "lacking"))
    if (
        note.get("maker") == _maker()
        and isinstance(figures, dict)
        and figures.keys() == reaction.UNITS.keys()
        and all(map(_is_figure, figures.values()))
        and isinstance(order, str)
        and _ORDER.fullmatch(order)
        and isinstance(lacking, bool)
    ):
        return Reacted(figures=figures, order=order, lacking=lacking)
    return None


def _is_figure(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # no NaN is, and an integer may be too large


@functools.cache
def _maker() -> str | None:
    """Return a digest of what makes the figures and the rest of a note; None without sources."""
    files = [str(module.__file__) for module in (*MAKERS, identical)] + [__file__]
    try:
        sources = [Path(file).read_text(encoding="utf-8") for file in files]
    except (OSError, ValueError):
        return None
    return digest_value([np.__version__, *sources])
