"""How long the commands that read a run take over cells of 12,500 clients, and in how much memory.

The run is made up as in compare.py: a million records for each of two cells, which is 80 for each
client. The commands are run as users type them, start-up included.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from compare import MEASURED, PATIENCE_S, made_up_cell, make_run
from guests import Figure, parser, publish, say

from orchestrator import process
from orchestrator.store import Store

CLIENTS = 12_500
RECORDS = 1_000_000
SECONDS = 10.0
GIB = 2.0


def main() -> int:
    args = parser(__doc__).parse_args()
    figures = []
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        folder = Path(name)
        cells = [made_up_cell(series, 0, CLIENTS) for series in ("v3", "v4")]
        total = make_run(folder / "run", cells, RECORDS)
        say(f"{len(cells)} cells of {CLIENTS} clients, {total} records")
        cost = folder / "cost.json"
        first = next((folder / "run" / "cells").iterdir()).name
        for command in (["show"], ["show", first], ["check"], ["compare"]):
            words = [sys.executable, "-c", MEASURED, cost, command[0], folder / "run", *command[1:]]
            process.run(words, output=folder / "table.txt", timeout=PATIENCE_S, check=False)
            taken = json.loads(cost.read_text())
            what = "show, a cell" if command[1:] else command[0]
            figures += [
                Figure(f"{what}, CPU time", taken["cpu_s"], "s", SECONDS),
                Figure(f"{what}, peak RSS", taken["peak_kib"] / 2**20, "GiB", GIB),
            ]
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
