"""A question to a cell's results: `wakeups>0`, `outcome!=ok`."""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from orchestrator.check.metrics import Metrics
from orchestrator.errors import InputError

WORDS = ("outcome", "repeatability")
NUMBERS = (
    *(field.name for field in dataclasses.fields(Metrics) if field.name != "batches"),
    "lost_records",
    "torn_records",
    "guest_seconds",
    "wall_seconds",
)
"""The fields of `memnotify show --json` that can be asked for."""

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "==": operator.eq,
        "=": operator.eq,
        "!=": operator.ne,
        "<=": operator.le,
        ">=": operator.ge,
        "<": operator.lt,
        ">": operator.gt,
    }
)
_SHAPE = re.compile(r"\s*(\w+)\s*([=!<>]=|[=<>])\s*(\S+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether a figure or a word of a verdict compares so with a value."""

    text: str
    field: str
    relation: str
    value: float | str

    def holds(self, verdict: Mapping[str, Any]) -> bool:
        """Answer it. A figure that a cell does not have (no first wakeup) fulfils nothing."""
        found = verdict[self.field]
        return found is not None and _OPERATORS[self.relation](found, self.value)


def parse_question(text: str) -> Question:
    """Read `FIELD OP VALUE`. Raises InputError."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise InputError(f"{text!r} is no question", hint="for example wakeups>0, or outcome!=ok")
    field, relation, value = shape.groups()
    if field in WORDS:
        if relation not in ("==", "=", "!="):
            raise InputError(f"{text}: {field} is a word, and takes = or !=")
        return Question(text=text, field=field, relation=relation, value=value)
    if field not in NUMBERS:
        there = ", ".join((*WORDS, *NUMBERS))
        raise InputError(f"{text}: show has no figure {field}", hint=f"there are {there}")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{text}: {value} is no number")
    return Question(text=text, field=field, relation=relation, value=number)
