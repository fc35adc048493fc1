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
