"""How long the commands that read a run take over cells of 12,500 clients, and in how much memory.

The run is made up: v4 wakes a sixteenth of its watchers every quarter of a second for ten rounds,
so that each client is woken ten times. The commands run as users type them, start-up included.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from compare import MEASURED, PATIENCE_S, START, S, made_up_cell, make_run, rows
from guests import Figure, parser, publish, say
from memnotify import process
from memnotify.environment import PYTHON
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.scenario import ClientKind, Op
from memnotify.store import Store

CLIENTS = 12_500
ROUNDS = 10
ROUND_NS = 12 * S
BATCH = CLIENTS // 16
BATCH_NS = S // 4
SECONDS = 10.0
GIB = 1.0


def log() -> RecordLog:
    """Return the log of a guest in which all clients wait at once, and each wakes once a round."""
    everyone = np.arange(CLIENTS)
    fields = {"client": everyone}
    samples = START + np.arange(2 * ROUNDS * ROUND_NS // S) * S // 2
    first = START + everyone * 10**6
    end = START + ROUNDS * ROUND_NS + 2 * S
    made = [
        rows(Kind.DEVICE, samples[:1], present=1, major=1, minor=13, mode=0o444),
        rows(Kind.START, samples[:1], asked_ns=START, start_ns=START),
        rows(Kind.ZONE, samples, name=b"Normal", free=600, high=300, reserve=50, status=1),
        rows(Kind.MEMINFO, samples, total=16_000_000, free=2_400),
        rows(Kind.RECLAIM, samples, pswpout=0),
        rows(Kind.PAGING, samples, runnable=3),
        rows(Kind.CLIENT, first, client_kind=ClientKind.POLL, **fields),
        rows(Kind.POLL, first + 1000, **fields),
    ]
    for number in range(ROUNDS):
        starts = START + 15 * S + number * ROUND_NS
        told = starts + everyone // BATCH * BATCH_NS + everyone % BATCH * 10_000
        made.append(rows(Kind.WAKEUP, told, revents=1, result=1, wakeups=number, **fields))
        made.append(rows(Kind.POLL, told + 1000, polls=number + 1, **fields))
    made.append(
        rows(Kind.EXIT, np.full(CLIENTS, end + 15 * S), op=Op.CLIENTS, cpu_ns=10**6, **fields)
    )
    made.append(rows(Kind.END, samples[:1] * 0 + end + 16 * S))
    records = np.concatenate(made)
    records = records[np.argsort(records["time_ns"], kind="stable")]
    records["commit"] = np.arange(1, len(records) + 1)
    return RecordLog(records, lost=0, torn=0)


def main() -> int:
    args = parser(__doc__).parse_args()
    figures = []
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        folder = Path(name)
        cells = [made_up_cell(series, 0, CLIENTS) for series in ("v3", "v4")]
        total = make_run(folder / "run", cells, log)
        say(f"{len(cells)} cells of {CLIENTS} clients, {total} records")
        cost = folder / "cost.json"
        one = next((folder / "run" / "cells").iterdir()).name
        for command in (["show"], ["show", one], ["check"], ["compare"]):
            words = [sys.executable, "-c", MEASURED, str(cost)]
            words += [command[0], str(folder / "run"), *command[1:]]
            process.run(
                words, output=folder / "table.txt", timeout=PATIENCE_S, check=False, allow=[PYTHON]
            )
            taken = json.loads(cost.read_text())
            what = "show, a cell" if command[1:] else command[0]
            figures += [
                Figure(f"{what}, CPU time", taken["cpu_s"], "s", SECONDS),
                Figure(f"{what}, peak RSS", taken["peak_kib"] / 2**20, "GiB", GIB),
            ]
        say((folder / "table.txt").read_text())
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
