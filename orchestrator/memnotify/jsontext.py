"""JSON as RFC 8259 defines it.

Python's own parser reads and writes NaN and Infinity, which other programs reject.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises ValueError, also for NaN, Infinity and numbers that are too large, and RecursionError for
    a text that is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_number)


def interned(value: Any) -> Any:
    """Return a parsed value in which equal keys and short texts are one object.

    Of 100,000 values that are read one by one, they take half of the memory.
    """
    kind = type(value)
    if kind is dict:
        return {intern(key): interned(item) for key, item in value.items()}
    if kind is list:
        return [interned(item) for item in value]
    return intern(value) if kind is str and len(value) < _SHORT else value


_SHORT = 24

_ENCODERS = {indent: json.JSONEncoder(indent=indent, allow_nan=False) for indent in (None, 1)}
"""json.dumps() would make one for each value, which takes longer than a short one itself."""


def dump(value: Any, *, indent: int | None = 1) -> str:
    """Return a value as JSON text. A float that is not finite becomes null (unknown)."""
    encoder = _ENCODERS.get(indent) or json.JSONEncoder(indent=indent, allow_nan=False)
    try:
        return encoder.encode(value)
    except ValueError:
        return encoder.encode(_finite(value))


def dumped_rows(values: Iterable[Any]) -> Iterator[str]:
    """Return `dump` of a list in parts. All values are read before the first part is made.

    Only their texts are kept, which take a tenth of the memory; an error comes before any output.
    """
    texts = [dump(value) for value in values]
    return _rows(texts)


def _rows(texts: Sequence[str]) -> Iterator[str]:
    yield "[" if texts else "[]"
    for number, text in enumerate(texts):
        before = ",\n " if number else "\n "
        yield before + text.replace("\n", "\n ")  # JSON has no newline in a string
    if texts:
        yield "\n]"


def by_key(value: Mapping[str, Any]) -> str:
    """Return an object as JSON text with one key on each line.

    Python's encoder is in C only without indentation, and takes a tenth of the time then.
    """
    lines = (f" {_key(key)}: {_short(item)}" for key, item in value.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


_key = functools.cache(json.dumps)


def _short(value: Any) -> str:
    """Return a value as JSON text in one line: its encoder is made for each number otherwise."""
    kind = type(value)
    if kind is int:
        return str(value)
    return "null" if value is None else dump(value, indent=None)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
