"""Compares what was published about an experiment with a run of its campaign.

campaigns/published/<campaign>.toml has the published figures as data; campaigns/README.md explains
its keys.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from memnotify import toml
from memnotify.axes import POINT, REPEAT
from memnotify.campaign.schema import CampaignTable
from memnotify.check.distance import Curve
from memnotify.check.experiment import Figures, figures
from memnotify.errors import InputError
from memnotify.places import CAMPAIGNS, data_files
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.results.folder import CAMPAIGN, RECORDS, RunFolder
from memnotify.results.published_series import SeriesTable, curves
from memnotify.results.verdict import Verdict

_NAMES = tuple(field.name for field in dataclasses.fields(Figures))
_AXES = tuple(axis for axis in POINT if axis != REPEAT)

Number = Annotated[float, Field(allow_inf_nan=False)]


class FigureTable(toml.Table):
    """One published figure, and what of ours it is compared with."""

    figure: str = Field(description="Our figure: one of Figures in check/experiment.py.")
    cells: dict[str, str | int] = Field(description="Which cells, by values of axes.")
    says: str = Field(description="What was published, in words.")
    unit: str = Field(default="", description="The unit of value.")
    value: Number | None = Field(default=None, description="The published number, if there is one.")
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0, description="Our guest relative to the machine of 2008."
    )
    at_least: Number | None = Field(
        default=None, description="The smallest value with which it agrees, in unit, before scale."
    )
    at_most: Number | None = Field(
        default=None, description="The largest value with which it agrees, in unit, before scale."
    )
    from_step: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Only from the start of this step on, numbered from 0."
    )
    until_step: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Only until the start of this step."
    )
    note: str = Field(default="", description="Printed below the table.")
    why_not: str = Field(default="", description="The reason, printed if ours does not agree.")
    alternative: bool = Field(
        default=False, description="Another reading, to be refuted: that it differs is no fault."
    )

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.figure not in _NAMES:
            raise ValueError(f"no figure {self.figure!r}; figures are {', '.join(_NAMES)}")
        if strange := sorted(self.cells.keys() - set(_AXES)):
            raise ValueError(
                f"cells cannot be selected by {strange[0]}, only by {', '.join(_AXES)}"
            )
        if self.at_least is None and self.at_most is None:
            raise ValueError("at_least or at_most must state what agrees")
        return self


class PublishedTable(toml.Table):
    """What was published about one experiment; `memnotify published` compares a run with it."""

    source: str = Field(description="Who published it, and when.")
    machine: str = Field(description="The machine on which it was measured.")
    assumed: list[str] = Field(
        default_factory=list, description="What was left open, or what we do differently."
    )
    figure: Annotated[list[FigureTable], Field(min_length=1)] = Field(description="The figures.")
    series: list[SeriesTable] = Field(default_factory=list, description="The series of samples.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A published figure and ours, the median of `cells` cells on `bases` and `arches`.

    `expected` is `published` scaled to our guest. `agrees` is None if no cell has run.
    """

    figure: str
    chosen: str
    says: str
    unit: str
    published: float | None
    expected: float | None
    reproduced: float | None
    ratio: float | None
    agrees: bool | None
    cells: int
    bases: tuple[str, ...]
    arches: tuple[str, ...]
    note: str
    alternative: bool


def load_published(name: str) -> PublishedTable:
    """Return what was published about the experiment that a campaign repeats.

    Raises InputError if there is nothing, or if it is invalid.
    """
    folder = CAMPAIGNS / "published"
    file = folder / f"{name}.toml"
    known = ", ".join(path.stem for path in data_files(folder, "*.toml"))
    if not file.is_file():
        raise InputError(
            f"campaign {name} does not reproduce a published experiment", hint=f"of {known}"
        )
    return toml.load(file, PublishedTable)


def has_published_series(folder: RunFolder) -> bool:
    """Return whether series were published about the experiment that a run's campaign repeats."""
    try:
        return bool(load_published(_campaign_of(folder)).series)
    except InputError:
        return False


def _campaign_of(folder: RunFolder) -> str:
    return toml.load(folder.path / CAMPAIGN, CampaignTable).name


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedComparison:
    """What was published about a run's campaign, compared with the run: figures and series."""

    table: PublishedTable
    figures: tuple[Compared, ...]
    curves: tuple[Curve, ...]


def compare_published(folder: RunFolder) -> PublishedComparison:
    """Compare a run with what was published about its campaign.

    Raises InputError if the folder is not a run's, or nothing was published about its campaign.
    """
    folder.plan()
    table = load_published(_campaign_of(folder))
    cells = [
        (verdict, read_records(records))
        for verdict in folder.verdicts()
        if (records := folder.cell(verdict.id) / RECORDS).is_file()
    ]
    series = CAMPAIGNS / "published" / "series"
    return PublishedComparison(
        table=table,
        figures=tuple(_compare(wanted, cells) for wanted in table.figure),
        curves=tuple(curve for wanted in table.series for curve in curves(wanted, series, cells)),
    )


def _between(log: RecordLog, wanted: FigureTable) -> RecordLog:
    """Return the records from the start of one step to the start of another."""
    steps, times = log.kind(Kind.STEP), log.records["time_ns"]
    chosen = np.ones(len(times), bool)
    for number, after in ((wanted.from_step, True), (wanted.until_step, False)):
        begun = steps["time_ns"][steps["step"] == number] if number is not None else []
        if len(begun):
            chosen &= (times >= begun[0]) == after
        elif number is not None:
            chosen &= not after
    return log.only(chosen)


def _compare(wanted: FigureTable, cells: Sequence[tuple[Verdict, RecordLog]]) -> Compared:
    picked = [
        (verdict, getattr(figures(_between(log, wanted)), wanted.figure))
        for verdict, log in cells
        if all(verdict.point[key] == value for key, value in wanted.cells.items())
    ]
    ours = [value for _, value in picked]
    there = [float(value) for value in ours if value is not None]
    reproduced = statistics.median(there) if there else None
    expected = None if wanted.value is None else wanted.value * wanted.scale
    agrees = None
    if ours:
        # A cell without the figure (for example because nobody was woken) does not agree.
        agrees = len(there) == len(ours) and all(
            (wanted.at_least is None or value >= wanted.at_least * wanted.scale)
            and (wanted.at_most is None or value <= wanted.at_most * wanted.scale)
            for value in there
        )
    return Compared(
        figure=wanted.figure,
        chosen=" ".join(str(value) for value in wanted.cells.values()),
        says=wanted.says,
        unit=wanted.unit,
        published=wanted.value,
        expected=expected,
        reproduced=reproduced,
        ratio=reproduced / expected if reproduced is not None and expected else None,
        agrees=agrees,
        cells=len(ours),
        bases=tuple(dict.fromkeys(str(verdict.point["base"]) for verdict, _ in picked)),
        arches=tuple(dict.fromkeys(str(verdict.point["arch"]) for verdict, _ in picked)),
        note="; ".join(filter(None, (wanted.note, wanted.why_not if agrees is False else ""))),
        alternative=wanted.alternative,
    )
