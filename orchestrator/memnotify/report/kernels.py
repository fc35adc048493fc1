"""The tables of `memnotify kernel list`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memnotify.report.grid import Column, Grid, Row

Rows = Sequence[Mapping[str, Any]]


def bases_table(rows: Rows) -> Grid:
    """Return a table with one row per base; `rows` come from `list_kernels`."""
    columns = (
        Column(name="base"),
        Column(name="arch"),
        Column(name="series", wraps=True),
        Column(name="source", wraps=True),
        *([Column(name="file", wraps=True)] if any(row["file"] for row in rows) else []),
    )
    return Grid(columns, tuple(map(_base, rows)))


def _base(row: Mapping[str, Any]) -> Row:
    source = row["source"]
    return Row(
        {
            "base": row["base"],
            "arch": " ".join(row["arches"]),
            "series": " ".join(row["series"]),
            "source": f"{source['version']}, {source['origin']}" if source else "not fetched",
            "file": row["file"] or "",
        }
    )


def builds_table(rows: Rows) -> Grid:
    """Return a table with one row per kernel that has been built."""
    columns = (
        *(Column(name=name) for name in ("base", "series", "arch")),
        Column(name="variant", gives_way=2),
        Column(name="key"),
        Column(name="built", title="built (UTC)", gives_way=1),
        Column(name="cc", title="compiler", gives_way=3),
    )
    found = []
    for row in rows:
        for build in row["builds"]:
            texts = {"key": build["key"][:12], "built": build["built"][:-3]}
            found.append(Row({"base": row["base"], **build}, texts))
    return Grid(columns, tuple(found))
