"""Compares the published series of an experiment with those of a run of its campaign.

campaigns/published/series/ has the published ones as CSV; campaigns/README.md explains the keys.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from memnotify import toml
from memnotify.axes import ordered
from memnotify.check.distance import Curve, Floats, distance, distance_of_moments
from memnotify.errors import InputError
from memnotify.records.clients import notified
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog, Records
from memnotify.results.verdict import Verdict
from memnotify.units import KIB_PER_MIB, NS_PER_S

PICTURES = (".svg", ".png", ".pdf")
"""File suffixes of the pictures that can be drawn of the series."""

_SAMPLED = ("free", "buffers", "cached", "active", "inactive")
_OURS = {
    "console": ("runnable", "blocked", "swapped_mib", *(f"{name}_mib" for name in _SAMPLED)),
    "seen": ("anon_mib", "swapped_mib", *(f"{name}_mib" for name in _SAMPLED)),
}
_OURS["samples"] = _OURS["seen"]
_UNITS = {"MiB": ("MiB", 1.0), "kB": ("MiB", 1 / KIB_PER_MIB), "tasks": ("tasks", 1.0)}
"""By suffix of a published column's name: the displayed unit, and the factor to convert to it."""

_OVER = ordered("machine", "scenario", "memory_mib", "clients", "series")

_Number = Annotated[float, Field(allow_inf_nan=False)]


class MomentTable(toml.Table):
    """The moment in our guest that corresponds to a row of the CSV: a sample next to an event."""

    row: Annotated[int, Field(ge=0)] = Field(description="The row, from 0.")
    at: Literal["client", "told", "end"] = Field(
        description="The client opens the device, gets its first wakeup, or the scenario ends."
    )
    client: Annotated[int, Field(ge=0)] = Field(
        default=0, description="The number of that client, from 0."
    )


class SeriesTable(toml.Table):
    """One published series of samples, over time or at moments."""

    file: Annotated[str, toml.spelled(r"[a-z0-9-]+\.csv", "the name of a CSV file")] = Field(
        description="The CSV in published/series/."
    )
    says: str = Field(description="What was published, in words.")
    cells: dict[str, str | int] = Field(description="Which cells, by values of axes.")
    ours: Literal["console", "seen", "samples"] = Field(
        description="Rounds of the console, meminfo as a client read it, or our own samples."
    )
    columns: Annotated[dict[str, str], Field(min_length=1)] = Field(
        description="Columns of the CSV, each with the one of ours that it is compared with."
    )
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0, description="Our guest relative to the machine of 2008."
    )
    seconds: str | None = Field(default=None, description="The CSV's column of time.")
    origin: Literal["wakeup", "seen"] | Annotated[int, Field(ge=0)] = Field(
        default="wakeup",
        description="What both have in common: the first wakeup, the first look, or a step.",
    )
    origin_s: _Number = Field(default=0.0, description="Seconds in the CSV at that moment.")
    hold_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0, description="The longest time that a sample stands for, in seconds."
    )
    moment: list[MomentTable] = Field(
        default_factory=list, description="Instead of seconds: the moment of each row."
    )

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        if (self.seconds is None) != bool(self.moment):
            raise ValueError("needs either seconds, or a moment for each row to compare")
        if self.moment and self.ours != "samples":
            raise ValueError('moments require ours = "samples"')
        for theirs, mine in self.columns.items():
            if theirs.rpartition("_")[2] not in _UNITS:
                raise ValueError(f"{theirs} does not end in one of {', '.join(_UNITS)}")
            if mine not in _OURS[self.ours]:
                known = ", ".join(_OURS[self.ours])
                raise ValueError(f"{self.ours} has no {mine}; there is {known}")
        return self


def curves(
    table: SeriesTable, folder: Path, cells: Sequence[tuple[Verdict, RecordLog]]
) -> Iterator[Curve]:
    """Yield every column of a series for every cell that it matches.

    Raises InputError if the CSV in `folder` does not match the table.
    """
    published = _read(folder / table.file, table)
    chosen = [
        (verdict, log)
        for verdict, log in cells
        if all(verdict.point[key] == value for key, value in table.cells.items())
    ]
    points = [verdict.point for verdict, _ in chosen]
    differ = [axis for axis in _OVER if len({str(point[axis]) for point in points}) > 1]
    for theirs, mine in table.columns.items():
        name, _, unit = theirs.rpartition("_")
        shown, factor = _UNITS[unit]
        values = np.array([float(row[theirs]) for row in published]) * factor * table.scale
        for verdict, log in chosen:
            label = " ".join(str(verdict.point[axis]) for axis in differ)
            if table.seconds is None:
                made = _moments(table, published, values, log, mine)
            else:
                made = _course(table, published, values, log, mine)
            yield Curve(
                file=table.file,
                says=table.says,
                column=name,
                unit=shown,
                cell=verdict.id,
                label=label or str(verdict.point["series"]),
                hold_s=table.hold_s,
                **made,
            )


def _read(path: Path, table: SeriesTable) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", file=path) from error
    numbers = [*table.columns, *([table.seconds] if table.seconds else [])]
    for name in numbers:
        if not rows or rows[0].get(name) is None:
            raise InputError(f"has no column {name}", file=path, line=1)
    # A row without a time is a state that is not part of the series.
    timed = table.seconds
    kept = [(number, row) for number, row in enumerate(rows, 2) if not timed or row[timed]]
    if not kept:
        raise InputError(f"no row has a time in {timed}", file=path)
    for moment in table.moment:
        if moment.row >= len(kept):
            raise InputError(f"has no row {moment.row}, counted from 0", file=path)
    for number, row in kept:
        for name in numbers:
            if not _is_number(row[name]):
                raise InputError(f"{name} is not a number: {row[name]}", file=path, line=number)
    return [row for _, row in kept]


def _is_number(text: str | None) -> bool:
    try:
        return math.isfinite(float(text or ""))
    except ValueError:
        return False


def _course(
    table: SeriesTable,
    rows: Sequence[Mapping[str, str]],
    values: Floats,
    log: RecordLog,
    mine: str,
) -> dict[str, Any]:
    seconds = np.array([float(row[table.seconds or ""]) for row in rows]) - table.origin_s
    records = _records(table.ours, log)
    origin = _origin(table.origin, log)
    ours_s, ours = np.zeros(0), np.zeros(0)
    if origin is not None:
        ours_s = (records["time_ns"].astype(np.float64) - origin) / NS_PER_S
        ours = _column(records, mine)
    found = distance(seconds, values, ours_s, ours, hold_s=table.hold_s)
    # Our samples from long before or after do not count.
    near = (ours_s >= seconds[0] - 5) & (ours_s <= seconds[-1] + 5)
    return {
        "moments": (),
        "published_s": seconds,
        "published": values,
        "ours_s": ours_s[near],
        "ours": ours[near],
        "distance": found,
    }


def _moments(
    table: SeriesTable,
    rows: Sequence[Mapping[str, str]],
    values: Floats,
    log: RecordLog,
    mine: str,
) -> dict[str, Any]:
    samples = _records("samples", log)
    column = _column(samples, mine)
    ours = np.array([_at(moment, log, samples, column) for moment in table.moment])
    chosen = [moment.row for moment in table.moment]
    places = np.arange(len(chosen), dtype=np.float64)
    return {
        "moments": tuple(next(iter(rows[row].values())) for row in chosen),
        "published_s": places,
        "published": values[chosen],
        "ours_s": places,
        "ours": ours,
        "distance": distance_of_moments(values[chosen], ours),
    }


def _at(moment: MomentTable, log: RecordLog, samples: Records, column: Floats) -> float:
    times = samples["time_ns"]
    if moment.at == "end":
        return float(column[-1]) if column.size else float("nan")
    events = log.kind(Kind.CLIENT if moment.at == "client" else Kind.HOG)
    events = events[events["client"] == moment.client]
    if not events.size:
        return float("nan")
    # The sample before the client takes anything, or after it has stopped.
    when = events["time_ns"][0]
    place = int(np.searchsorted(times, when)) - (moment.at == "client")
    return float(column[place]) if 0 <= place < column.size else float("nan")


def _records(which: str, log: RecordLog) -> Records:
    kinds = {"console": Kind.CONSOLE, "seen": Kind.SEEN, "samples": Kind.MEMINFO}
    records = log.kind(kinds[which])
    if which == "console":
        records = records[records["error"] == 0]
    ordered: Records = records[np.argsort(records["time_ns"], kind="stable")]
    return ordered


def _column(records: Records, name: str) -> Floats:
    names = records.dtype.names or ()
    if name == "swapped_mib" and "swapped" not in names:
        used = records["swap_total"].astype(np.float64) - records["swap_free"]
        return np.asarray(used / KIB_PER_MIB, np.float64)
    field, _, unit = name.partition("_")
    values = records[field].astype(np.float64)
    return np.asarray(values / KIB_PER_MIB if unit == "mib" else values, np.float64)


def _origin(origin: str | int, log: RecordLog) -> float | None:
    if isinstance(origin, int):
        steps = log.kind(Kind.STEP)
        times = steps["time_ns"][steps["step"] == origin]
    elif origin == "seen":
        times = log.kind(Kind.SEEN)["time_ns"]
    else:
        times = notified(log)["time_ns"]
    return float(times.min()) if times.size else None


def csv_text(found: Iterable[Curve]) -> str:
    """Return the points of published and reproduced series as CSV, one per row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("series", "column", "unit", "of", "label", "seconds", "moment", "value"))
    said: set[tuple[str, str]] = set()
    for curve in found:
        sides = [(curve.cell, curve.label, curve.ours_s, curve.ours)]
        if (curve.file, curve.column) not in said:
            said.add((curve.file, curve.column))
            sides.insert(0, ("published", "published", curve.published_s, curve.published))
        for of, label, seconds, values in sides:
            for second, value in zip(seconds.tolist(), values.tolist(), strict=True):
                moment = curve.moments[int(second)] if curve.moments else ""
                time = "" if curve.moments else f"{second:.6g}"
                shown = "" if np.isnan(value) else f"{value:.6g}"
                writer.writerow(
                    (curve.file, curve.column, curve.unit, of, label, time, moment, shown)
                )
    return text.getvalue()
