"""A cell's row as verdict.json has it, for tests that have no guest to make one of."""

from __future__ import annotations

from typing import Any


def row(cell_id: str, **given: Any) -> dict[str, Any]:
    """Return what each verdict has, made up but for what is given."""
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
