"""Prints the result of running a cell again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memnotify.text import printable

Row = Mapping[str, Any]

_SHOWN = 4  # fields of one record


def replay_lines(row: Row, *, outcome: str) -> list[str]:
    """Return what `memnotify replay` prints about one run, from its --json output.

    `outcome` is how the cell ended the first time.
    """
    # Another QEMU comes first: it alone can make a difference. memnotify changes with each commit.
    of_qemu = [line for line in row["changed"] if "QEMU" in line]
    lines = [*of_qemu, _agreement(row)]
    if row["outcome"] != outcome:
        why = f": {row['detail']}" if row["detail"] else ""
        lines.append(f"the outcome was {outcome}, now {row['outcome']}{why}")
    was, now = row["missing"]
    if was != now:
        lines.append(f"{was:,} records were lost or torn, now {now:,}")
    lines += [line for line in row["changed"] if line not in of_qemu]
    return [printable(line) for line in lines]


def _agreement(row: Row) -> str:
    first, second = row["records"]
    apart = f"times differ by up to {row['greatest_ns']:,} ns"
    if row["agreement"] == "exact":
        return f"identical: {first:,} records"
    if row["agreement"] == "times":
        late = f"{row['late']:,} of {first:,} records"
        return f"same records, but {late} differ in time, {apart}; first {_record(row['first'])}"
    count = f"{first:,} records" if first == second else f"{first:,} records, now {second:,}"
    where = _record(row["first_differing"])
    return f"different: {count}, {row['differing']:,} differ; {apart} before the first: {where}"


def _record(found: Row) -> str:
    was, now = found["kinds"]
    where = f"record {found['record']:,}"
    if was != now:
        return f"{where}: {_kind(was)}, now {_kind(now)}"
    return f"{where} ({was}): {_changed(found['fields'])}"


def _kind(kind: str | None) -> str:
    return kind or "nothing"


def _changed(fields: Sequence[Sequence[Any]]) -> str:
    words = [f"{name} was {was}, now {now}" for name, was, now in fields[:_SHOWN]]
    return "; ".join([*words, "…"] if len(fields) > _SHOWN else words)
