"""Puts data into a page: small, and so that no text of a guest can become markup.

A block is JSON, compressed with zlib and written in base64, whose alphabet has no character of
markup. The page's script expands a block when it is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from memnotify.text import printable, printable_lines


def clean(value: Any) -> Any:
    """Return a JSON value whose texts cannot control what shows them; no number is infinite."""
    kind = type(value)
    if kind is list or kind is tuple:
        # Columns of a picture have thousands of values of one or two types.
        return [clean(of) for of in value] if set(map(type, value)) - _PLAIN else _finite(value)
    if kind is dict or isinstance(value, Mapping):
        return {printable(str(key)): clean(of) for key, of in value.items()}
    if isinstance(value, str):
        # Of a lone surrogate, only an escape can be written to a file.
        return printable_lines(value)
    if isinstance(value, list | tuple):
        return [clean(of) for of in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_PLAIN = frozenset((bool, int, float, type(None)))


def _finite(values: Sequence[float | None]) -> list[float | None]:
    """Return plain values without those that JSON does not have."""
    if all(math.isfinite(value) for value in values if type(value) is float):
        return list(values)
    return [None if type(of) is float and not math.isfinite(of) else of for of in values]


def packed(spec: Any) -> Any:
    """Return a description of a picture with its rows as columns.

    The time of each sample is in many curves: as a column, all but the first cost next to nothing.
    """
    if isinstance(spec, list):
        return [packed(of) for of in spec]
    if not isinstance(spec, dict):
        return spec
    rows = spec.get("values")
    if isinstance(rows, list) and len(rows) > 2 and _same_keys(rows):
        keys = list(rows[0])
        return {"columns": {key: [row[key] for row in rows] for key in keys}}
    return {key: packed(of) for key, of in spec.items()}


def _same_keys(rows: Sequence[Any]) -> bool:
    return all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows)


def squeezed(text: str) -> str:
    """Return a text as zlib writes it, in base64."""
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def block(value: Any) -> str:
    """Return a JSON value, to be written into a page."""
    return squeezed(json.dumps(clean(value), separators=(",", ":"), allow_nan=False))


def digest(text: str) -> str:
    """Return the source of a Content-Security-Policy that allows this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
