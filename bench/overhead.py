"""The orchestrator's own CPU time as a share of its guests', over the cells of the demo.

Own CPU time is all that the process of `memnotify run` uses, from its start to the printed table:
imports, scheduling, QMP, decoding, figures. The guests' is what their QEMUs use. Kernels missing
from the store are built before.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from compare import MEASURED
from demo import DEMO, say, warm_up
from memnotify import process
from memnotify.environment import PYTHON
from memnotify.results.folder import MANIFEST, RunFolder, read_json
from memnotify.store import Store

TARGET = 0.03
PATIENCE_S = 1000.0


def measure() -> tuple[float, float]:
    """Return own and guests' CPU time, in seconds."""
    warm_up()
    # Not in the system's temporary folder, which may be in memory.
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        folder = Path(name)
        cost, output = folder / "cost.json", folder / "output"
        words = [
            sys.executable,
            "-c",
            MEASURED,
            *map(str, (cost, "run", DEMO, "-o", folder / "run")),
        ]
        process.run(words, output=output, allow=[PYTHON], timeout=PATIENCE_S)
        say(output.read_text())
        run = RunFolder(folder / "run")
        guests = [read_json(run.cell(row.id) / MANIFEST) for row in run.plan()]
        own: float = json.loads(cost.read_text())["cpu_s"]
    return own, sum(guest["qemu_cpu_seconds"] for guest in guests)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    own, guests = measure()
    print(f"own CPU time      {own:8.2f} s")
    print(f"guests' CPU time  {guests:8.2f} s")
    print(f"ratio             {own / guests:8.4f}    (target ≤ {TARGET})")
    if args.json is not None:
        row = {
            "name": "orchestrator CPU / guest CPU",
            "value": own / guests,
            "unit": "ratio",
            "target": TARGET,
            "better": "lower",
        }
        args.json.write_text(json.dumps([row], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
