"""Compares two logs of one cell: the first record that differs, and by how much times differ.

Works on plain structured arrays. All it knows of their fields is that a name ending in `_ns` is a
time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]

_TIME = "_ns"


class Agreement(StrEnum):
    """How far two logs agree. TIMES: the same records in the same order, at other times."""

    EXACT = "exact"
    TIMES = "times"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One record that differs: its index, its kind in both logs, and the fields that differ.

    `fields` has (name, first, second) for each. The kind is None for a log that has already ended.
    """

    index: int
    kinds: tuple[int | None, int | None]
    fields: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The result of comparing two logs.

    `records` is the length of each log. `differing` records differ in more than times, `late` only
    in times. `greatest_ns` is the greatest difference of two times before the first of the former;
    later times are not comparable. `first` is the first record that differs at all.
    """

    records: tuple[int, int]
    differing: int = 0
    late: int = 0
    greatest_ns: int = 0
    first: Difference | None = None
    first_differing: Difference | None = None

    @property
    def agreement(self) -> Agreement:
        if self.differing:
            return Agreement.DIFFERS
        return Agreement.TIMES if self.late else Agreement.EXACT


def compare(first: Rows, second: Rows, views: Mapping[Any, np.dtype[Any]]) -> Comparison:
    """Compare two logs record by record, in the order in which they were claimed.

    Both have the same dtype, with a field `kind`. `views` maps each kind to the layout of a whole
    record, of the same size, whose fields are compared.
    """
    common = min(len(first), len(second))
    a, b = first[:common], second[:common]
    # Compare bits first, to include bytes that no view names; then find what differs only in times.
    other = a.view(_bits(a)) != b.view(_bits(b))
    apart = np.zeros(common, np.int64)
    late = np.zeros(common, bool)
    for kind, view in views.items():
        rows = np.flatnonzero(other & (a["kind"] == kind) & (b["kind"] == kind))
        late[rows], apart[rows] = _times(a[rows].view(view), b[rows].view(view))
    other &= ~late
    missing = abs(len(first) - len(second))
    return Comparison(
        records=(len(first), len(second)),
        differing=int(np.count_nonzero(other)) + missing,
        late=int(np.count_nonzero(late)),
        greatest_ns=int(apart[: _first(other, common)].max(initial=0)),
        first=_difference(first, second, _first(other | late, common), views),
        first_differing=_difference(first, second, _first(other, common), views),
    )


def _bits(rows: Rows) -> np.dtype[Any]:
    return np.dtype((np.void, rows.dtype.itemsize))


def _first(flags: NDArray[np.bool_], none: int) -> int:
    return int(flags.argmax()) if flags.any() else none


def _times(a: Rows, b: Rows) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which of these unequal rows differ only in times, and by how much."""
    late = np.ones(len(a), bool)
    apart = np.zeros(len(a), np.int64)
    for name in a.dtype.names or ():
        if name.endswith(_TIME):
            # Modulo 2**64, so that negative differences are right as well.
            apart = np.maximum(apart, np.abs((a[name] - b[name]).astype(np.int64)))
        else:
            late &= a[name] == b[name]
    return late & (apart > 0), apart


def _difference(
    first: Rows, second: Rows, index: int, views: Mapping[Any, np.dtype[Any]]
) -> Difference | None:
    """Describe the record at an index; return None if both logs end there."""
    kinds = [int(log["kind"][index]) if index < len(log) else None for log in (first, second)]
    if kinds == [None, None]:
        return None
    fields: tuple[tuple[str, Any, Any], ...] = ()
    if kinds[0] is not None and kinds[0] == kinds[1]:
        a, b = first[index : index + 1], second[index : index + 1]
        # Words that the kind does not name are empty, unless something is badly wrong.
        fields = _fields(a.view(views[kinds[0]])[0], b.view(views[kinds[0]])[0])
        fields = fields or _fields(a[0], b[0])
    return Difference(index=index, kinds=(kinds[0], kinds[1]), fields=fields)


def _fields(a: Any, b: Any) -> tuple[tuple[str, Any, Any], ...]:
    return tuple(
        (name, a[name].tolist(), b[name].tolist())
        for name in a.dtype.names
        if not np.array_equal(a[name], b[name])
    )
