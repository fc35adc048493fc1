"""One campaign on several machines: each runs a part of the cells, and the results are merged.

Every machine computes the same parts by itself, from the campaign and a file of durations.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Self, TypeVar

from memnotify.campaign.plan import cell_name
from memnotify.campaign.row import PlanRow
from memnotify.errors import InfrastructureError, InputError
from memnotify.files import new_folder, read_bytes, read_text, refuse_as_folder, resolved
from memnotify.jsontext import parse
from memnotify.model import Cell
from memnotify.results.folder import CAMPAIGN, RunFolder, copy_results


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number`, from 1, of `count`."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the part that `2/5` denotes. Raises ValueError if the text denotes none."""
        match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text!r} is not a part such as 2/5")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def of(self, cells: Sequence[Cell], durations: Mapping[str, float]) -> tuple[Cell, ...]:
        """Return the cells of this part, in their order.

        `durations` are in seconds, by the cell's name; an unknown one counts as their mean. The
        longest cell goes first, to the part with the least load (Graham's LPT rule, at most a third
        above the optimum).
        """
        usual = mean(durations.values()) if durations else 1.0
        seconds = [durations.get(cell_name(cell), usual) for cell in cells]
        load = [0.0] * self.count
        mine = []
        for index in sorted(range(len(cells)), key=lambda index: -seconds[index]):
            part = min(range(self.count), key=load.__getitem__)
            load[part] += seconds[index]
            if part == self.number - 1:
                mine.append(index)
        return tuple(cells[index] for index in sorted(mine))


def read_durations(file: Path) -> dict[str, float]:
    """Return the wall seconds of each cell by its name, from the output of `show --json`.

    Raises InputError if the file is something else.
    """
    try:
        rows = parse(read_text(file))
        found = {str(row["name"]): row["wall_seconds"] for row in rows}
        if not all(type(s) in (int, float) and 0 <= s < math.inf for s in found.values()):
            raise ValueError("not a number of seconds")
        return {name: float(some) for name, some in found.items()}
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            "not what memnotify show RUN --json prints: objects with name and wall_seconds",
            file=file,
        ) from error


def merge(parts: Sequence[RunFolder], into: RunFolder) -> list[str]:
    """Merge the results of several parts of one campaign into a new run's folder.

    The folder is either complete or absent. Returns the names of cells that have no result in any
    part. Raises InputError if the parts are not of one campaign on one base, if two of them ran a
    cell with different kernels, images or QEMUs, or if the new folder already exists.
    """
    refuse_as_folder(into.path)
    campaign = _same("another campaign", [(part, _read(part)) for part in parts])
    names = _same("another base", [(part, part.whole()) for part in parts])
    rows: dict[str, PlanRow] = {}
    holders: dict[str, RunFolder] = {}
    for part in parts:
        for row in part.plan():
            other = rows.setdefault(row.name, row)
            if other.id != row.id:
                raise InputError(
                    f"{part.path}: {row.name} was run with another {_other(row, other)} there "
                    f"({other.id}, {row.id})"
                )
            if part.has(row.id):
                holders.setdefault(row.name, part)
    place = resolved(into.path)  # a folder cannot be renamed to a link
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot hold results: {error.strerror}", file=place) from error
    try:
        with new_folder(place) as made:
            draft = RunFolder(made)
            draft.make()
            draft.begin(campaign, [rows[name] for name in names if name in rows], whole=names)
            for name, part in holders.items():
                cell_id = rows[name].id
                copy_results(part.cell(cell_id), draft.cell(cell_id))
    except OSError as error:
        raise InfrastructureError("storage", f"cannot write {into.path}: {error}") from error
    return [name for name in names if name not in holders]


_INPUTS = {"hardware": "QEMU (or machine profile)", "kernel": "kernel", "image": "image"}


def _other(one: PlanRow, two: PlanRow) -> str:
    """Return what differs between two cells of one name; QEMU first, as hosts differ in it."""
    known = [name for name in _INPUTS if name in one.inputs and name in two.inputs]
    differ = [_INPUTS[name] for name in known if one.inputs[name] != two.inputs[name]]
    return " and another ".join(differ) or "kernel, image or QEMU"


T = TypeVar("T")


def _same(other: str, found: Sequence[tuple[RunFolder, T]]) -> T:
    first = found[0]
    for part, value in found:
        if value != first[1]:
            raise InputError(f"{part.path} is of {other} than {first[0].path}")
    return first[1]


def _read(part: RunFolder) -> bytes:
    file = part.path / CAMPAIGN
    try:
        return read_bytes(file)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from error
