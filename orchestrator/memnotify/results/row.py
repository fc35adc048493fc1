"""The row of a cell, as verdict.json has it, read back: what it says has the type it must have.

A run may have been sent by somebody, who can seal whatever he likes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from memnotify.campaign.figures import FIGURES
from memnotify.check.expression import ANY, Scalar, Shape
from memnotify.errors import InputError
from memnotify.report.cells import PARAMETERS

ALWAYS = (
    *("id", "name", *PARAMETERS),
    *("outcome", "detail", "lost_records", "guest_seconds", "wall_seconds"),
)
"""What each verdict has, whatever came out."""

_MOST = 10**24
"""No figure comes near it, and it can be counted with."""

_OUTCOME = re.compile(r"ok|(?:finding|infrastructure):.+", re.DOTALL)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    # Of Python's whole numbers some are too large for isfinite().
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (isinstance(value, int) or math.isfinite(value))
        and abs(value) < _MOST
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value) and value >= 0


def _is_outcome(value: Any) -> bool:
    return isinstance(value, str) and _OUTCOME.fullmatch(value) is not None


_MUST_BE: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        **dict.fromkeys(ALWAYS, (_is_text, "a text")),
        **dict.fromkeys(("memory_mib", "clients", "repeat"), (_is_count, "a whole number")),
        "lost_records": (_is_count, "a whole number"),
        **dict.fromkeys(("guest_seconds", "wall_seconds"), (_is_number, "a number")),
        "outcome": (_is_outcome, "an outcome"),
    }
)


def check_row(row: Mapping[str, Any], file: Path, *, cell_id: str) -> None:
    """Raise InputError that names `file`, if this is not the verdict of that cell, or a value in it
    is not what it must be."""

    def refusal(why: str) -> InputError:
        return InputError(
            f"not a verdict of this version of memnotify: {why}",
            file=file,
            hint="run the cell again",
        )

    if absent := [key for key in ALWAYS if key not in row]:
        raise refusal(f"it has no {absent[0]}")
    for key, (fits, what) in _MUST_BE.items():
        if not fits(row[key]):
            raise refusal(f"{key} is {_shown(row[key])}, not {what}")
    if row["id"] != cell_id:
        raise InputError(f"of another cell, {_shown(row['id'])}", file=file)
    for key, shape in FIGURES.items():
        # Whoever wrote it may have known fewer figures than we do.
        if row.get(key) is not None and (wrong := next(_wrong(key, row[key], shape), None)):
            raise refusal(wrong)


def _wrong(name: str, value: Any, shape: Shape) -> Iterator[str]:
    """Yield what is wrong with a figure; one that is null is not known."""
    if isinstance(shape, Scalar):
        fits = _is_text(value) if shape is Scalar.WORD else value is None or _is_number(value)
        if not fits:
            yield f"{name} is {_shown(value)}, not {shape}"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{name} is {_shown(value)}, not a list"
            return
        for at, item in enumerate(value):
            yield from _wrong(f"{name}[{at}]", item, shape[0])
            if isinstance(shape[0], Mapping):
                yield from (f"{name}[{at}] has no {key}" for key in shape[0] if key not in item)
    elif not isinstance(value, Mapping):
        yield f"{name} is {_shown(value)}, not an object"
    else:
        for key, item in value.items():
            if (inner := shape.get(key, shape.get(ANY))) is not None:
                yield from _wrong(f"{name}.{key}", item, inner)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
