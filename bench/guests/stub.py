"""Cells that take no time: a campaign of any number of them, and the guest that they have.

Workers of a cluster import this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memnotify.model import Cell, CellResult, Outcome
from memnotify.store import Artifact, Store

_CAMPAIGN = """\
name = "stub"
[kernel]
base = "6.1"
[matrix]
series = ["none", "v4"]
memory_mib = 64
clients = {clients}
machine = "pc-swap"
scenario = "squeeze"
repeat = {repeat}
[scenario.squeeze]
start_s = 10
duration_s = 45
[[scenario.squeeze.step]]
at_s = 0
clients = {{ kind = "poll", count = "matrix" }}
[[scenario.squeeze.step]]
at_s = 2
hog = {{ rate_mib_s = 3, ceiling_percent = 150 }}
[[scenario.squeeze.step]]
at_s = 8
balloon = {{ percent = 75, settle_s = 7.5 }}
"""
_SERIES = 2
_REPEAT = 1_000
"""The most that a campaign may repeat a cell."""


def write_campaign(file: Path, cells: int) -> None:
    """Write a campaign of so many cells, a multiple of 10, and of 2,000 above 10,000."""
    clients = list(range(1, max(5, cells // _SERIES // _REPEAT) + 1))
    repeat = cells // _SERIES // len(clients)
    file.write_text(_CAMPAIGN.format(clients=clients, repeat=repeat), encoding="utf-8")


async def stub(cell: Cell, **_: Any) -> CellResult:
    """Return the result of a guest that takes no time and leaves nothing."""
    return CellResult(outcome=Outcome(), guest_ns=1, wall_seconds=0.1, records=0, lost_records=0)


def artifact(store: Store, kind: str, name: str, **inputs: str) -> Artifact:
    """Return an artifact of a few bytes."""

    def build(folder: Path) -> Mapping[str, Any]:
        (folder / name).write_bytes(b"stub")
        return {"version": "6.1"}

    return store.publish(kind, {"stub": kind, **inputs}, build)
