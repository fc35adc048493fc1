"""The orchestrator's own CPU time as a share of its guests', over the cells of the demo.

Own CPU time is all that this process uses: start-up, scheduling, QMP, decoding, figures. The
guests' is what their QEMUs use. Kernels missing from the store are built in separate processes,
which do not count.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path

from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.places import CAMPAIGNS
from memnotify.report.board import open_board
from memnotify.report.plain import plain_console
from memnotify.results.folder import MANIFEST, read_json
from memnotify.run.base_selection import Preparing, choose_base
from memnotify.run.campaign import run_campaign
from memnotify.run.services import Services
from memnotify.store import Store

TARGET = 0.03


def measure() -> tuple[float, float]:
    """Return own and guests' CPU time, in seconds."""
    campaign, store = load_campaign(CAMPAIGNS / "demo.toml"), Store()
    base = choose_base(
        campaign, Preparing(store=store, say=lambda line: print(line, file=sys.stderr))
    )
    with (
        tempfile.TemporaryDirectory(dir=store.folder("bench")) as name,
        open_board(plain_console(stderr=True)) as board,
    ):
        folder = run_campaign(
            campaign,
            plan_cells(campaign, base=base),
            Services(store=store, board=board),
            path=Path(name) / "run",
        )
        used = resource.getrusage(resource.RUSAGE_SELF)
        guests = [read_json(folder.cell(row.id) / MANIFEST) for row in folder.plan()]
    return used.ru_utime + used.ru_stime, sum(guest["qemu_cpu_seconds"] for guest in guests)


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
