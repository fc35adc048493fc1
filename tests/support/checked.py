"""Runs to check: cells whose logs are made up by a model of a guest."""

from __future__ import annotations

import json
from pathlib import Path

from memnotify.records.parquet import write_records
from memnotify.results.folder import seal_results

from tests.support.madeup import MadeUp, Model, S
from tests.support.rows import row

V4 = Model(clients=120, batch=100, guard_ns=10 * S, notifications=[12 * S, 13 * S, 24 * S])


def cell(run: Path, number: int, series: str, made: MadeUp | None) -> str:
    """Add a cell that has run to a run's folder; return its id."""
    name = f"{number:016x}"
    folder = run / "cells" / name
    folder.mkdir(parents=True)
    verdict = row(name, name=f"cell {number}", series=series, clients=120)
    (folder / "verdict.json").write_text(json.dumps(verdict))
    plan = run / "plan.json"
    rows = json.loads(plan.read_text()) if plan.exists() else []
    plan.write_text(json.dumps([*rows, {"id": name, "name": verdict["name"]}]))
    if made is not None:
        write_records(made.log(), folder / "records.parquet")
    seal_results(folder, {"id": name, "outcome": "ok"})
    return name
