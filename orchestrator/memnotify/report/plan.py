"""Prints `memnotify run --plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from memnotify.report.plain import plain_table
from memnotify.text import counted, printable

Row = Mapping[str, Any]


def print_plan(console: Console, found: Row) -> None:
    """Print what a run would do; `found` is run.preview's Preview as a mapping."""
    bases = found["bases"]
    if len(bases) > 1:
        _line(console, "the first base that is available, builds and boots is used:")
    for base in bases:
        _line(console, f"base {base['base']}, source {base['source']}")
    table = plain_table("base", "series", "arch", "cells", "kernel")
    for row in found["kernels"]:
        arch = " ".join(filter(None, (row["arch"], row["variant"])))
        _add(table, row["base"], row["series"], arch, str(row["cells"]), row["state"])
    console.print(table)
    _guests(console, found["guests"])
    capacity = found["capacity"]
    total, available = found["memory_mib"], found["available_mib"]
    _line(
        console,
        f"{counted(found['cells'], 'cell')}; guests may use {capacity['memory_mib']} MiB of the "
        f"host's {total} MiB and {counted(capacity['cores'], 'core')}; {available} MiB are "
        "available now",
    )


def _guests(console: Console, rows: Sequence[Row]) -> None:
    table = plain_table("machine", "memory", "cells", "host resources each", "")
    for row in rows:
        taken = f"{row['takes_mib']} MiB, {counted(row['cores'], 'core')}"
        fits = "" if row["fits"] else "too large for this host"
        _add(table, row["machine"], f"{row['memory_mib']} MiB", str(row["cells"]), taken, fits)
    console.print(table)


def _add(table: Any, *words: str) -> None:
    table.add_row(*(Text(printable(word)) for word in words))


def _line(console: Console, text: str) -> None:
    console.print(Text(printable(text)), soft_wrap=True)
