"""A run of which one guest was made by somebody hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from memnotify.cli.main import main
from memnotify.model import Cell, CellResult, Finding, Outcome
from memnotify.records.layout import CheckResult, Kind
from memnotify.records.log import VIEWS, RecordLog
from memnotify.records.parquet import write_records
from memnotify.results.folder import read_json, seal_results

from tests.support.campaigns import Bench, Guests, S, fails, made_up_log, record

HOSTILE = (
    "<script>x</script> ]]> # SKIP | \x1b[31m\x00\x9b31m\ufffe \u202e`*[a](b)\nok 9 y"
    "\n[[ATTACHMENT|/etc/passwd]]"
)


ZONE = b"<b>\x1b]0;"
TASK = b"<script>\x1b]0;"


def hostile(cell: Cell, folder: Path) -> CellResult:
    (folder / "console.log").write_bytes(b"\xff\n" + HOSTILE.encode())
    task = record(Kind.SELF_CHECK, 12 * S)
    named = task.view(VIEWS[Kind.SELF_CHECK])
    named["name"], named["result"], named["error"] = TASK, CheckResult.FAILED, 2**32 - 1
    records = np.concatenate([made_up_log(cell, ZONE).records, task])
    records["commit"] = np.arange(1, len(records) + 1)
    write_records(RecordLog(records, lost=0, torn=0), folder / "records.parquet")
    outcome = Outcome(finding=Finding.PANIC, detail=HOSTILE)
    return CellResult(outcome=outcome, guest_ns=S, wall_seconds=1.0, records=0, lost_records=0)


def hostile_run(tmp_path: Path) -> Path:
    """Return the folder of a run: one cell ok, one hostile, one failed, and one that is gone."""
    folder = Bench(tmp_path).run(Guests(hostile, fails, fails, fails), limit=1)
    ok = next(row.id for row in folder.verdicts() if str(row.outcome) == "ok")
    folder.cell(ok).rename(tmp_path / "gone")
    return folder.path


def rewrite(file: Path, verdict: dict[str, Any]) -> None:
    """Change a verdict, like somebody who knows of the manifest's digests."""
    file.write_text(json.dumps(verdict))
    manifest = read_json(file.with_name("manifest.json"))
    del manifest["seal"]
    seal_results(file.parent, manifest)


def report(run: Path, suffix: str) -> str:
    file = run.with_name(f"report{suffix}")
    assert main(["report", str(run), "-o", str(file)]) == 0
    return file.read_text()
