"""verdict.json: the result of a cell.

The run may come from somebody else, who can seal anything, so the types of all that is read are
checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from memnotify.axes import AXES, DEFAULTS, POINT, Value, chosen
from memnotify.campaign.figures import FIGURES
from memnotify.check.expression import ANY, Scalar, Shape
from memnotify.model import Outcome
from memnotify.text import shown

ALWAYS = (
    *("id", "name", *(axis for axis in POINT if axis not in DEFAULTS), "repeatability"),
    *("outcome", "detail", "lost_records", "guest_seconds", "wall_seconds"),
)
"""The keys that every verdict has, whatever the outcome."""

_MOST = 10**24
"""Larger than any real figure, and safe to calculate with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of a cell, and which cell it is.

    `point` has a value for each axis of the matrix. `figures` are those of its log by name, as in
    campaign.figures; null without a log. `torn_records` is also None without a log. `as_read` is
    the whole object, if it was read: another version may have written more, or less.
    """

    id: str
    name: str
    point: Mapping[str, Value]
    outcome: Outcome
    repeatability: str
    lost_records: int
    torn_records: int | None = None
    guest_seconds: float
    wall_seconds: float
    figures: Mapping[str, Any]
    as_read: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the verdict that `to_json` wrote. Raises ValueError if this is not one."""
        if absent := [key for key in ALWAYS if key not in value]:
            raise ValueError(f"it has no {absent[0]}")
        for key, (fits, what) in _MUST_BE.items():
            if not fits(value[key]):
                raise ValueError(f"{key} is {shown(value[key])}, not {what}")
        for axis in DEFAULTS:
            if axis in value and not _is_text(value[axis]):
                raise ValueError(f"{axis} is {shown(value[axis])}, not a string")
        for key, shape in FIGURES.items():
            # It may have been written by a version with fewer figures.
            if value.get(key) is not None and not _fits(value[key], shape):
                for wrong in _wrong(key, value[key], shape):
                    raise ValueError(wrong)
        try:
            outcome = Outcome.parse(value["outcome"], detail=value["detail"])
        except ValueError:
            found = shown(value["outcome"])
            raise ValueError(f"outcome is {found}, not an outcome") from None
        return cls(
            id=value["id"],
            name=value["name"],
            point={axis: value.get(axis, DEFAULTS.get(axis)) for axis in POINT},
            outcome=outcome,
            repeatability=value["repeatability"],
            lost_records=value["lost_records"],
            torn_records=value.get("torn_records"),
            guest_seconds=value["guest_seconds"],
            wall_seconds=value["wall_seconds"],
            figures={key: value[key] for key in value if key not in _NO_FIGURES},
            as_read=value,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the row of `memnotify show --json`; if it was read from a file, unchanged."""
        if self.as_read is not None:
            return dict(self.as_read)
        return {
            "id": self.id,
            "name": self.name,
            **chosen(self.point),
            "outcome": str(self.outcome),
            "detail": self.outcome.detail,
            **self.figures,
            "lost_records": self.lost_records,
            "torn_records": self.torn_records,
            "guest_seconds": self.guest_seconds,
            "wall_seconds": self.wall_seconds,
            "repeatability": self.repeatability,
        }


_NO_FIGURES = frozenset((*ALWAYS, *DEFAULTS, "torn_records"))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    # Some Python integers are too large for isfinite().
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (isinstance(value, int) or math.isfinite(value))
        and abs(value) < _MOST
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value) and value >= 0


_MUST_BE: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        **dict.fromkeys(ALWAYS, (_is_text, "a string")),
        **{axis: (_is_count, "a whole number") for axis in POINT if AXES[axis].kind is int},
        "lost_records": (_is_count, "a whole number"),
        **dict.fromkeys(("guest_seconds", "wall_seconds"), (_is_number, "a number")),
        "outcome": (_is_text, "an outcome"),
    }
)


def _fits(value: Any, shape: Shape) -> bool:
    """Return whether nothing is wrong with a figure; words for what is wrong take much longer."""
    if isinstance(shape, Scalar):
        return _is_text(value) if shape is Scalar.WORD else value is None or _is_number(value)
    if isinstance(shape, list):
        inner = shape[0]
        return isinstance(value, list) and all(
            _fits(item, inner) and (not isinstance(inner, Mapping) or inner.keys() <= item.keys())
            for item in value
        )
    return isinstance(value, Mapping) and all(
        inner is None or _fits(item, inner)
        for key, item in value.items()
        for inner in (shape.get(key, shape.get(ANY)),)
    )


def _wrong(name: str, value: Any, shape: Shape) -> Iterator[str]:
    """Yield what is wrong with a figure; null means unknown, and is valid."""
    if isinstance(shape, Scalar):
        fits = _is_text(value) if shape is Scalar.WORD else value is None or _is_number(value)
        if not fits:
            yield f"{name} is {shown(value)}, not {shape}"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{name} is {shown(value)}, not a list"
            return
        for at, item in enumerate(value):
            yield from _wrong(f"{name}[{at}]", item, shape[0])
            if isinstance(shape[0], Mapping):
                yield from (f"{name}[{at}] has no {key}" for key in shape[0] if key not in item)
    elif not isinstance(value, Mapping):
        yield f"{name} is {shown(value)}, not an object"
    else:
        for key, item in value.items():
            if (inner := shape.get(key, shape.get(ANY))) is not None:
                yield from _wrong(f"{name}.{key}", item, inner)
