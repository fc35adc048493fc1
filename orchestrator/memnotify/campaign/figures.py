"""The figures of a cell that expressions can name."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from memnotify.axes import AXES, POINT
from memnotify.check.expression import ANY, Expression, Scalar, Shape, parse_expression
from memnotify.check.metrics import Metrics, WakeupsEach
from memnotify.check.zone_status import ZoneStatus
from memnotify.model import Arch, Ending, Finding, Outcome, Repeatability
from memnotify.records.layout import CheckResult
from memnotify.text import known_names, similar


def _shape(kind: Any) -> Shape:
    if dataclasses.is_dataclass(kind):
        return {name: _shape(hint) for name, hint in typing.get_type_hints(kind).items()}
    inner = [each for each in typing.get_args(kind) if each not in (types.NoneType, ...)]
    if typing.get_origin(kind) is tuple:
        return [_shape(inner[0])]
    # `float | None` is a number, or missing.
    return Scalar.WORD if kind is str else Scalar.NUMBER


_WORDS = (
    *(axis for axis in POINT if AXES[axis].kind is str),
    *("outcome", "detail", "repeatability"),
)
_NUMBERS = (
    *(axis for axis in POINT if AXES[axis].kind is int),
    *("lost_records", "torn_records", "guest_seconds", "wall_seconds"),
)

FIGURES: Mapping[str, Shape] = MappingProxyType(
    {
        **dict.fromkeys(_WORDS, Scalar.WORD),
        **dict.fromkeys(_NUMBERS, Scalar.NUMBER),
        **{name: _shape(hint) for name, hint in typing.get_type_hints(Metrics).items()},
        "wakeups_each": _shape(WakeupsEach),
        "status": _shape(ZoneStatus),
        "gates": {ANY: Scalar.NUMBER},  # by zone
        "self_check": {what.name.lower(): Scalar.NUMBER for what in CheckResult},
    }
)
"""The fields of a verdict other than its id and name."""


_KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "outcome": (str(Outcome()), *(str(Outcome(finding=finding)) for finding in Finding)),
        "arch": tuple(Arch),
        "repeatability": tuple(Repeatability),
    }
)
"""The possible values of a figure that is a word, if all are known."""


def read_comparison(text: str) -> Expression:
    """Parse a comparison of the figures of a verdict. Raises ValueError."""
    expression = parse_expression(text)
    if not expression.names:
        raise ValueError(f"{text!r} does not refer to a figure of a cell")
    for name in expression.names:
        if name not in FIGURES:
            hint = similar(name, FIGURES) or "write words in quotes"
            raise ValueError(f"{text!r}: there is no figure {name} ({hint})")
    expression.fit(FIGURES)
    for name, word in expression.words:
        known = _KNOWN.get(name, (word,))
        if word not in known and not (name == "outcome" and _is_infrastructure(word)):
            raise ValueError(f"{text!r}: {name} is never {word!r} ({known_names(word, known)})")
    return expression


def _is_infrastructure(word: str) -> bool:
    """Return whether this is an infrastructure failure: there is no list of their kinds."""
    try:
        return Outcome.parse(word).ending is Ending.INFRASTRUCTURE
    except ValueError:
        return False
