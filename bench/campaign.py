"""How much sooner a campaign of 48 small cells is done with two guests at a time than with one.

It runs `memnotify run` as users type it, start-up included, with kernel, image and template in the
store. The two sides alternate; the ratio is that of the best of each, because a busy host only adds
time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from memnotify import process
from memnotify.environment import PYTHON
from memnotify.results.folder import MANIFEST, RunFolder, read_json
from memnotify.store import Store

CELLS = 48
TARGET = 1.8
ROUNDS = 2
PATIENCE_S = 1800.0
MEMNOTIFY = (sys.executable, "-m", "memnotify.cli.main")

CAMPAIGN = f"""\
name = "campaign"
[kernel]
base = "6.1"
[matrix]
series = "none"
memory_mib = 64
clients = [1, 20, 50, 100]
repeat = {CELLS // 4}
machine = "pc-swap"
scenario = "short"
[scenario.short]
start_s = 2
duration_s = 20
log_records = 20000
[[scenario.short.step]]
at_s = 0
clients = {{ kind = "poll", count = "matrix" }}
[[scenario.short.step]]
at_s = 1
hog = {{ rate_mib_s = 3, ceiling_percent = 100 }}
"""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def timed_run(campaign: Path, folder: Path, *, jobs: int) -> tuple[float, float]:
    """Run the campaign; return wall time, and CPU time of all guests, in seconds."""
    started = time.monotonic()
    output = folder.with_suffix(".txt")
    words = [*MEMNOTIFY, "run", str(campaign), "-o", str(folder), "-j", str(jobs)]
    process.run(words, output=output, timeout=PATIENCE_S, allow=[PYTHON])
    seconds = time.monotonic() - started
    run = RunFolder(folder)
    manifests = [read_json(run.cell(row.id) / MANIFEST) for row in run.plan()]
    assert [manifest["outcome"] for manifest in manifests] == ["ok"] * len(manifests)
    return seconds, sum(manifest["qemu_cpu_seconds"] for manifest in manifests)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    walls: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        campaign = Path(name) / "campaign.toml"
        # Put kernel, image and template into the store.
        campaign.write_text(CAMPAIGN.replace(f"repeat = {CELLS // 4}", "repeat = 1"))
        timed_run(campaign, Path(name) / "warm", jobs=2)
        campaign.write_text(CAMPAIGN)
        for number in range(ROUNDS):
            for jobs, seconds in walls.items():
                wall, guests = timed_run(campaign, Path(name) / f"{number}-{jobs}", jobs=jobs)
                say(f"-j {jobs}: {wall:.1f} s, of which guests' CPU {guests:.1f} s")
                seconds.append(wall)
    one, two = min(walls[1]), min(walls[2])
    print(f"{CELLS} cells, -j 1  {one:7.1f} s")
    print(f"{CELLS} cells, -j 2  {two:7.1f} s")
    print(f"ratio            {one / two:7.2f}    (target ≥ {TARGET} on 2 idle cores)")
    if args.json is not None:
        rows = [
            {"name": f"{CELLS} cells with -j 1", "value": one, "unit": "s", "better": "lower"},
            {"name": f"{CELLS} cells with -j 2", "value": two, "unit": "s", "better": "lower"},
            {"name": "-j 1 / -j 2", "value": one / two, "unit": "ratio", "better": "higher"},
        ]
        targets = (None, None, TARGET)
        shown = [row | {"target": target} for row, target in zip(rows, targets, strict=True)]
        args.json.write_text(json.dumps(shown, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
