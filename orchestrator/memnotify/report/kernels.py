"""The tables of `memnotify kernel list`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from memnotify.report.plain import plain_table
from memnotify.text import printable

Rows = Sequence[Mapping[str, Any]]


def bases_table(rows: Rows) -> Table:
    """Return a table with one row per base; `rows` come from `list_kernels`."""
    table = plain_table("base", "arch", "series", "source")
    for row in rows:
        source = row["source"]
        known = f"{source['version']}, {source['origin']}" if source else "not fetched"
        _add(table, row["base"], " ".join(row["arches"]), " ".join(row["series"]), known)
    return table


def builds_table(rows: Rows) -> Table:
    """Return a table with one row per kernel that has been built."""
    table = plain_table("base", "series", "arch", "variant", "key", "built (UTC)", "compiler")
    for row in rows:
        for build in row["builds"]:
            words = [build[name] for name in ("series", "arch", "variant")]
            _add(table, row["base"], *words, build["key"][:12], build["built"][:-3], build["cc"])
    return table


def _add(table: Table, *words: str) -> None:
    table.add_row(*(Text(printable(word)) for word in words))
