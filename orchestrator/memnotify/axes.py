"""The axes of a campaign's matrix: the parameters of cells. Every list of axes comes from here.

A new axis needs a line in AXES and, if users choose its values, a key in campaign/schema.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from memnotify.model import Cell

Value = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis.

    `kind` is the type of its values. `path` leads to the value: through the attributes of a cell,
    and through the keys of a cell's inputs in plan.json and manifest.json. `in_verdict`: whether
    every verdict has it. A campaign may lack the axis if there is a `default`, which no file has.
    """

    name: str
    kind: type[str] | type[int]
    path: tuple[str, ...]
    in_verdict: bool = True
    default: Value | None = None

    def of(self, cell: Cell) -> Value:
        """Return the value of a cell on this axis."""
        found: Any = cell
        for name in self.path:
            found = getattr(found, name)
        value: Value = found
        return value

    def read(self, inputs: Mapping[str, Any], *, cell_id: str) -> Value:
        """Return the value on this axis from the inputs of a cell.

        Raises KeyError if it is missing, and ValueError if it has the wrong type.
        """
        found: Any = inputs
        for key in self.path:
            if not isinstance(found, Mapping) or key not in found:
                if self.default is not None:
                    return self.default
                raise KeyError(key)
            found = found[key]
        return self._checked(found, cell_id)

    def _checked(self, value: Any, cell_id: str) -> Value:
        if isinstance(value, str) and self.kind is str:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and self.kind is int:
            return value
        what = "a whole number" if self.kind is int else "a string"
        raise ValueError(f"{self.name} of {cell_id} is {value!r}, not {what}")


AXES: Mapping[str, Axis] = MappingProxyType(
    {
        axis.name: axis
        for axis in (
            Axis(name="base", kind=str, path=("request", "base")),
            Axis(name="series", kind=str, path=("request", "series")),
            Axis(name="setting", kind=str, path=("setting",), default=""),
            Axis(name="arch", kind=str, path=("request", "arch")),
            Axis(name="machine", kind=str, path=("machine", "name")),
            Axis(name="memory_mib", kind=int, path=("memory_mib",)),
            Axis(name="scenario", kind=str, path=("scenario", "name")),
            Axis(name="clients", kind=int, path=("clients",)),
            Axis(name="repeat", kind=int, path=("repeat",)),
            Axis(name="clock", kind=str, path=("clock",), in_verdict=False),
            Axis(name="seed", kind=int, path=("seed",), in_verdict=False),
        )
    }
)
"""All axes by name, in the order that verdicts use."""

REPEAT = "repeat"
"""The axis along which only the seed differs."""

POINT = tuple(name for name, axis in AXES.items() if axis.in_verdict)
"""The axes that every verdict has."""


DEFAULTS = {name: axis.default for name, axis in AXES.items() if axis.default is not None}
"""The values of axes that a campaign may lack."""


def chosen(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return values on axes without those that stand for an axis that a campaign lacks."""
    return {name: value for name, value in values.items() if DEFAULTS.get(name) != value}


def point_of(cell: Cell) -> dict[str, Value]:
    """Return the point of a cell in the matrix, as a JSON value."""
    return {name: AXES[name].of(cell) for name in POINT}


def ordered(*first: str, among: Iterable[str] = POINT) -> tuple[str, ...]:
    """Return names of axes: first those given, then the others in their own order."""
    names = tuple(among)
    if strange := set(first) - set(names):
        raise ValueError(f"no such axis: {', '.join(sorted(strange))}")
    return (*first, *(name for name in names if name not in first))
