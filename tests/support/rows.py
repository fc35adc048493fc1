"""A cell's row of verdict.json, for tests without a guest."""

from __future__ import annotations

from typing import Any


def row(cell_id: str, **given: Any) -> dict[str, Any]:
    """Return the keys of every verdict, with made-up values except for those given."""
    return {
        "id": cell_id,
        "name": f"cell {cell_id}",
        "base": "6.1",
        "series": "v4",
        "arch": "x86_64",
        "machine": "pc-swap",
        "memory_mib": 64,
        "scenario": "squeeze",
        "clients": 1,
        "repeat": 1,
        "repeatability": "exact",
        "outcome": "ok",
        "detail": "",
        "lost_records": 0,
        "guest_seconds": 40.0,
        "wall_seconds": 1.0,
        **given,
    }


BATCH = {"at_s": 1.0, "clients": 100, "spread_ms": 1.0}


def full_row(**changes: Any) -> dict[str, Any]:
    """Return a verdict with all figures that the table has."""
    sizes = (100, 100, 100, 100)
    batches = [
        {**BATCH, "wakeups": size, "after_ms": 10_678.0 if index else None}
        for index, size in enumerate(sizes)
    ]
    return {
        "id": "0123456789abcdef",
        "name": "a-name",
        "base": "6.1",
        "series": "v4",
        "arch": "x86_64",
        "machine": "pc-swap",
        "memory_mib": 64,
        "scenario": "squeeze",
        "clients": 200,
        "repeat": 1,
        "outcome": "ok",
        "detail": "",
        "wakeups": 400,
        "clients_woken": 200,
        "max_batch": 100,
        "first_wakeup_ms": 1234.567,
        "swapped_out_before_first": 12345,
        "swapped_out": 23456,
        "oom_kills": 0,
        "batches": batches,
        "lost_records": 0,
        "guest_seconds": 40.0,
        "wall_seconds": 1.0,
        "repeatability": "exact",
        **changes,
    }
