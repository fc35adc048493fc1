"""The first difference between two logs of the same cell."""

from __future__ import annotations

from pathlib import Path

from memnotify.records.compare import compare
from memnotify.records.layout import Kind
from memnotify.records.log import VIEWS
from memnotify.records.parquet import read_records
from memnotify.text import counted


def first_difference(one: Path, other: Path) -> str | None:
    """Compare two records.parquet bit for bit, as logs; return where they first differ, or None.

    The text names the first record that differs, and the fields in which it does. Raises InputError
    if a file is not a log of records.
    """
    if one.read_bytes() == other.read_bytes():
        return None
    first, second = read_records(one), read_records(other)
    mine, theirs = first.records, second.records
    found = compare(mine, theirs, VIEWS).first
    if found is None:  # one may be of an older version
        same = (first.lost, first.torn) == (second.lost, second.torn)
        return None if same else "the files' metadata differ"
    if None in found.kinds:
        return (
            f"{counted(len(mine), 'record')} and {len(theirs)}, of which the first "
            f"{found.index} are equal"
        )
    left, right = (Kind(kind).name for kind in found.kinds if kind is not None)
    when = int(mine["time_ns"][found.index]) / 1e9
    place = f"record {found.index} ({left}, {when:.9f} s)"
    if left != right:
        return f"{place}: {left} and {right}"
    return f"{place}: " + ", ".join(f"{name} {a} and {b}" for name, a, b in found.fields)
