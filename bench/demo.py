"""How long `campaigns/demo.toml` takes: with the kernels in the store, or from nothing (--cold).

"From nothing" means an empty store, so source, kernels, image and guests all count.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from memnotify import process
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.environment import PYTHON
from memnotify.image.build import ensure_image
from memnotify.kernel.build import ensure_kernel
from memnotify.places import CAMPAIGNS
from memnotify.process import CommandLog
from memnotify.run.base_selection import Preparing, choose_base
from memnotify.store import Store

DEMO = CAMPAIGNS / "demo.toml"
WARM_TARGET_S = 25.0
COLD_TARGET_S = 1200.0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def warm_up() -> None:
    """Put everything that the demo needs into the user's store."""
    store, log, campaign = Store(), CommandLog(), load_campaign(DEMO)
    base = choose_base(campaign, Preparing(store=store, log=log, say=say))
    for request in dict.fromkeys(cell.request for cell in plan_cells(campaign, base=base)):
        ensure_kernel(request, store=store, log=log, progress=say)
        ensure_image(request.arch, store=store, log=log)


def timed_run(folder: Path, *, environment: dict[str, str], timeout: float) -> float:
    """Return the wall time of `memnotify run`, in seconds."""
    started = time.monotonic()
    process.run(
        [sys.executable, "-m", "memnotify.cli.main", "run", DEMO, "-o", folder / "run"],
        env=environment,
        allow=[PYTHON],
        output=folder / "output",
        timeout=timeout,
    )
    seconds = time.monotonic() - started
    say((folder / "output").read_text())
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cold", action="store_true", help="from an empty store")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    # Not in the system's temporary folder, which may be in memory: a cold store takes gigabytes.
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        folder = Path(name)
        if args.cold:
            what, target = "demo from nothing", COLD_TARGET_S
            environment = {"XDG_CACHE_HOME": str(folder / "cache")}
        else:
            what, target = "demo with kernels in the store", WARM_TARGET_S
            environment = {}
            warm_up()
        seconds = timed_run(folder, environment=environment, timeout=10 * target + 100)
    print(f"{what}: {seconds:.1f} s (target ≤ {target:.0f} s on 2 idle cores)")
    if args.json is not None:
        row = {"name": what, "value": seconds, "unit": "s", "target": target, "better": "lower"}
        args.json.write_text(json.dumps([row], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
