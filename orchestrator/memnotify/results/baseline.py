"""Baselines: the figures of a run as a small text file, which a repository keeps for CI.

A baseline is a TOML file that people review as they review code: one table for each cell, sorted,
with every figure on a line of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from memnotify import toml
from memnotify.axes import AXES, DEFAULTS, Value, chosen
from memnotify.check.change import parse_limit
from memnotify.check.reaction import UNITS, react
from memnotify.digest import digest_value
from memnotify.errors import InputError
from memnotify.files import write_whole, writing
from memnotify.model import Outcome, Repeatability
from memnotify.parallel import each
from memnotify.places import command
from memnotify.records.parquet import read_records
from memnotify.results.comparison import COMPARED, Inputs
from memnotify.results.folder import RECORDS, RunFolder, read_verdict
from memnotify.series.own import branch_of
from memnotify.text import known_names, shown

FOLDER = Path("baselines")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SCHEMA = 1
_DIGITS = 16
_ROUNDED = 3
_TOOLS = ("kernel", "image", "hardware")

_Digest = Annotated[str, toml.spelled(r"[0-9a-f]{1,64}", "a digest")]
_Line = Annotated[str, toml.spelled(r"\S(.*\S)?", "one line of text")]


class CellTable(toml.Table):
    """A cell of a baseline: where it is in the matrix, what it ran with, and its figures.

    `steps` is the digest of its scenario, `records` that of its log, and `inputs` those of kernel,
    guest program, and QEMU with machine. `records` is empty if the log lost some. `exact`: the same
    inputs give the same records again.
    """

    name: _Line
    outcome: _Line
    exact: bool
    axes: dict[str, str | int]
    steps: _Digest
    records: _Digest | Literal[""]
    inputs: dict[str, _Line]
    figures: dict[str, Annotated[float, Field(allow_inf_nan=False)]]

    @field_validator("axes")
    @classmethod
    def _all_axes(cls, axes: dict[str, str | int]) -> dict[str, str | int]:
        axes = {**{name: DEFAULTS[name] for name in COMPARED if name in DEFAULTS}, **axes}
        for name in COMPARED:
            if type(axes.get(name)) is not AXES[name].kind:
                what = "a whole number" if AXES[name].kind is int else "a string"
                raise ValueError(f"{name} is missing, or is not {what}")
        if strange := axes.keys() - set(COMPARED):
            raise ValueError(f"there is no axis {min(strange)}")
        return axes

    @field_validator("inputs")
    @classmethod
    def _all_inputs(cls, inputs: dict[str, str]) -> dict[str, str]:
        if inputs.keys() != set(_TOOLS):
            raise ValueError(f"the keys are not {', '.join(_TOOLS)}")
        return inputs

    @field_validator("figures")
    @classmethod
    def _known(cls, figures: dict[str, float]) -> dict[str, float]:
        if strange := figures.keys() - UNITS.keys():
            raise ValueError(f"there is no figure {shown(min(strange))}")
        return figures

    @field_validator("outcome")
    @classmethod
    def _outcome(cls, text: str) -> str:
        Outcome.parse(text)
        return text

    @property
    def place(self) -> tuple[Value, ...]:
        """Where it is in the matrix: a branch is the same series at another commit."""
        axes = {**self.axes, "series": branch_of(str(self.axes["series"]))}
        return (*(axes[name] for name in COMPARED), self.steps)


class BaselineTable(toml.Table):
    """A whole baseline. `limits` are those of --fail-if."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    qemu: str
    limits: list[str] = Field(default_factory=list)
    cell: Annotated[list[CellTable], Field(min_length=1)]

    @field_validator("limits")
    @classmethod
    def _limits(cls, limits: list[str]) -> list[str]:
        for text in limits:
            parse_limit(text, UNITS)
        return limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The cells of a run as a baseline has them; `absent` are names of those without results."""

    qemu: str
    cells: tuple[CellTable, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a baseline is: the file of a NAME is baselines/NAME.toml, below the current folder."""

    path: Path

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the place that a user names. Raises InputError."""
        is_file = name.endswith(".toml")
        if not is_file and not _NAME.fullmatch(name):
            raise InputError(
                f"{shown(name)} is not a name of a baseline",
                hint="use letters, digits, dots, _ and -, or a path that ends in .toml",
            )
        return cls(Path(name) if is_file else FOLDER / f"{name}.toml")

    def load(self) -> BaselineTable:
        """Read a baseline. Raises InputError that says in one line what is wrong with it."""
        if not self.path.exists():
            names = sorted(file.stem for file in self.path.parent.glob("*.toml"))
            hint = known_names(self.path.stem, names)
            hint = hint or f"`{command('baseline save NAME RUN')}` makes one"
            raise InputError(f"there is no baseline {self.path}", hint=hint)
        value, lines = toml.read(self.path)
        found = value.get("schema")
        if found != SCHEMA:
            said = "no schema" if found is None else f"schema {shown(found)}"
            raise InputError(
                f"{said}: this version of memnotify reads schema {SCHEMA}",
                file=self.path,
                line=lines.nearest(("schema",)) or 1,
                hint=f"`{command('baseline save')}` writes it again",
            )
        table = toml.check(BaselineTable, value, path=self.path, lines=lines)
        places: dict[Any, int] = {}
        for at, cell in enumerate(table.cell):
            if places.setdefault(cell.place, at) != at:
                raise InputError(
                    f"cell[{at}]: {cell.name} occurs twice",
                    file=self.path,
                    line=lines.nearest(("cell", at)),
                )
        return table

    def save(self, found: Measured, limits: Sequence[str]) -> bool:
        """Write a baseline, and return whether it has changed. Raises InputError."""
        text = "".join(_text(found, limits))
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.read_text(encoding="utf-8") == text:
                return False
        write_whole(self.path, text.encode())
        return True


def measured(path: Path, *, say: Callable[[str], object]) -> Measured:
    """Return the cells of a run that have results, sorted by name.

    `say` gets a line for each cell with damaged results. Raises InputError if there are none.
    """
    run = RunFolder(path)
    whole, damaged = run.results()
    for line in damaged:
        say(line)
    rows = {row.id: row for row in run.plan()}
    made = [
        cell
        for cell in each(
            lambda item: _measured(rows[item[0]].inputs, rows[item[0]].name, item[1]),
            list(whole.items()),
        )
        if cell is not None
    ]
    if not made:
        hint = damaged[0] if damaged else f"see {command(f'show {path}')}"
        raise InputError(f"no cell of {path} has results", hint=hint)
    names = {cell.name for cell in made}
    return Measured(
        qemu=_qemu(run, next(iter(whole))),
        cells=tuple(sorted(made, key=lambda cell: (cell.name, cell.steps))),
        absent=tuple(row.name for row in rows.values() if row.name not in names),
    )


def _qemu(run: RunFolder, cell_id: str) -> str:
    return str(run.manifest(cell_id).versions.get("qemu", "unknown"))


def _measured(inputs: Inputs, name: str, folder: Path) -> CellTable | None:
    verdict, file = read_verdict(folder), folder / RECORDS
    if verdict.outcome.infrastructure is not None or not file.exists():
        return None
    log = read_records(file)
    whole = not (log.lost or log.torn)
    figures = dataclasses.asdict(react(log))
    records = np.ascontiguousarray(log.records).tobytes()
    return CellTable(
        name=name,
        outcome=str(verdict.outcome),
        exact=whole and verdict.repeatability == Repeatability.EXACT,
        axes={axis: AXES[axis].read(inputs, cell_id=verdict.id) for axis in COMPARED},
        steps=digest_value(inputs["scenario"])[:_DIGITS],
        records=hashlib.blake2b(records, digest_size=_DIGITS // 2).hexdigest() if whole else "",
        inputs={tool: str(inputs[tool])[:_DIGITS] for tool in _TOOLS},
        figures={
            name: round(float(value), _ROUNDED)
            for name, value in figures.items()
            if value is not None
        },
    )


def _text(found: Measured, limits: Sequence[str]) -> Iterator[str]:
    """Yield the text of a baseline. It does not depend on where and when it is made."""
    yield "# The figures of a run, for `memnotify baseline compare`; `baseline save` writes them.\n"
    yield f"schema = {SCHEMA}\nqemu = {_quoted(found.qemu)}\n"
    if limits:
        listed = "".join(f"    {_quoted(text)},\n" for text in limits)
        yield f"limits = [\n{listed}]\n"
    for cell in found.cells:
        yield f"\n[[cell]]\nname = {_quoted(cell.name)}\n"
        yield f"outcome = {_quoted(cell.outcome)}\nexact = {str(cell.exact).lower()}\n"
        yield f"axes = {_inline(chosen(cell.axes))}\n"
        yield f"steps = {_quoted(cell.steps)}\nrecords = {_quoted(cell.records)}\n"
        yield f"inputs = {_inline(cell.inputs)}\n[cell.figures]\n"
        for name in UNITS:
            if name in cell.figures:
                yield f"{name} = {_plain(cell.figures[name])}\n"


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _quoted(text: str) -> str:
    # A string of JSON is one of TOML, except for a character that no name has.
    return json.dumps(text, ensure_ascii=False)


def _inline(values: Mapping[Any, Value]) -> str:
    pairs = (
        f"{key} = {_quoted(value) if isinstance(value, str) else value}"
        for key, value in values.items()
    )
    return f"{{ {', '.join(pairs)} }}"
