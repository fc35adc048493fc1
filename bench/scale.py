"""What a cell costs beside its guest, in campaigns of 10,000 and 100,000 cells; and reading a run.

The guests are stubs that take no time and leave no log. The campaigns run with the executor of one
host, and with a Dask cluster on this host. Everything between `memnotify run` and its table counts:
the plan, the digests, the ledger, the scheduler, the files.

The run that is read is made up of the same cells, by the functions that write real ones. Commands
run as users type them, start-up included. `--read 100000` reads that many cells; `--executors`
with no name runs no campaign.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from compare import MEASURED
from guests import Figure, parser, publish, say
from guests.stub import artifact, stub, write_campaign
from memnotify import process
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import cell_id, cell_name, plan_cells, plan_rows
from memnotify.environment import PYTHON
from memnotify.host import machine
from memnotify.model import CellResult, Outcome
from memnotify.places import HOME
from memnotify.report.board import QuietBoard
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.summary import Job, make_manifest, make_verdict
from memnotify.run.campaign import run_campaign
from memnotify.run.executors.protocol import Cluster
from memnotify.run.services import RunOptions, Services
from memnotify.store import Artifact, Store

CELLS = (10_000, 100_000)
MS_EACH = 5.0
GIB = 1.0
FLAT = 1.2
PATIENCE_S = 7200.0
"""Of one campaign."""

LOOKS = {"distributed.admin.system-monitor.interval": "60s"}
"""Scheduler and nannies, all in this process, look at /proc twice a second each. That takes 20 ms
of each second, or much of what is measured if a busy host makes a campaign ten times as long."""

READ = 10_000
READ_S = 30.0
READ_GIB = 2.0
COMMANDS = (
    ("show",),
    ("show", "--json"),
    ("compare",),
    ("report", "-o", "report.html"),
    ("report", "-o", "report.xml"),
)
"""What reads a run; the run comes after the first word."""


def run_stubs(executor: str, cells: int, folder: Path) -> dict[str, float]:
    """Run a campaign of stubs in this process; return what it cost."""
    store = Store(folder / "store")
    write_campaign(folder / "stub.toml", cells)
    services = Services(
        store=store,
        board=QuietBoard(),
        build_kernel=lambda request, **_: artifact(store, "kernel", "bzImage", of=request.series),
        build_image=lambda arch, **_: artifact(store, "image", "initramfs.cpio", of=arch),
        runner=stub,
    )
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(local_cluster(folder)) if executor == "dask" else None
        started, before = time.monotonic(), time.process_time()
        campaign = load_campaign(folder / "stub.toml")
        run_campaign(
            campaign,
            plan_cells(campaign),
            services,
            path=folder / "run",
            options=RunOptions(cold=True),
            cluster=cluster,
        )
        seconds, cpu = time.monotonic() - started, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "cpu_s": cpu, "peak_kib": peak}


@contextlib.contextmanager
def local_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a scheduler and a worker for each core, as processes of their own."""
    import dask
    from distributed import LocalCluster

    os.environ["PYTHONPATH"] = f"{HOME / 'orchestrator'}:{HOME / 'bench'}"
    os.environ["XDG_CACHE_HOME"] = str(folder / "there")
    with (
        dask.config.set(LOOKS),
        LocalCluster(
            n_workers=os.cpu_count(),
            threads_per_worker=2,
            memory_limit=0,
            dashboard_address=None,
            local_directory=str(folder / "dask"),
        ) as made,
    ):
        yield Cluster(address=made.scheduler_address, hosts=os.cpu_count() or 1)


def make_run(folder: Path, cells: int) -> Path:
    """Make the folder of a run of so many stubs, and return it."""
    write_campaign(file := folder / "stub.toml", cells)
    run = RunFolder(folder / "run")
    run.make()
    planned = [
        dataclasses.replace(
            cell, kernel=str(cell.request.series), image="image", hardware="hardware"
        )
        for cell in plan_cells(load_campaign(file))
    ]
    run.begin(file.read_bytes(), plan_rows(planned))
    nothing = Artifact(kind="kernel", key="", path=folder, inputs={}, facts={})
    result = CellResult(outcome=Outcome(), guest_ns=1, wall_seconds=0.1, records=0, lost_records=0)
    here = machine()
    for cell in planned:
        job = Job(id=cell_id(cell), name=cell_name(cell), cell=cell, kernel=nothing, image=nothing)
        with run.draft(job.id) as draft:
            manifest = make_manifest(job, [result], draft, machine=here)
            verdict = make_verdict(job, result, draft / RECORDS)
            run.publish(job.id, draft, manifest=manifest, verdict=verdict)
    run.finish()
    return run.path


def read_run(run: Path, cells: int) -> list[Figure]:
    """Return what each command costs that reads a run."""
    figures, cost = [], run.with_name("cost.json")
    for name, *options in COMMANDS:
        more = [str(run.with_name(one)) if one.startswith("report.") else one for one in options]
        process.run(
            [sys.executable, "-c", MEASURED, str(cost), name, str(run), *more],
            output=run.with_name("printed.txt"),
            timeout=PATIENCE_S,
            env={"PYTHONPATH": str(HOME / "orchestrator")},
            allow=[PYTHON],
        )
        taken = json.loads(cost.read_text())
        what = f"{' '.join((name, *options))}, {cells} cells"
        figures += [
            Figure(f"{what}: CPU time", taken["cpu_s"], "s", READ_S),
            Figure(f"{what}: peak RSS", taken["peak_kib"] / 2**20, "GiB", READ_GIB),
        ]
        say(f"{what}: {taken['cpu_s']:.1f} s of CPU time")
    return figures


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--cells", type=int, nargs="+", default=CELLS, metavar="N")
    options.add_argument("--executors", nargs="*", default=("local", "dask"))
    options.add_argument("--read", type=int, nargs="*", default=(READ,), metavar="N")
    options.add_argument("--run", nargs=3, metavar=("EXECUTOR", "N", "DIR"), help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.run:
        executor, cells, name = args.run
        cost = run_stubs(executor, int(cells), Path(name))
        (Path(name) / "cost.json").write_text(json.dumps(cost), encoding="utf-8")
        return 0
    figures: list[Figure] = []
    for cells in args.read:
        with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
            figures += read_run(make_run(Path(name), cells), cells)
    for executor in args.executors:
        each = {}
        for cells in args.cells:
            cost = measured(executor, cells)
            each[cells] = 1000 * cost["seconds"] / cells
            what = f"{cells} cells, {executor}"
            figures += [
                Figure(f"{what}: a cell", each[cells], "ms", MS_EACH),
                Figure(f"{what}: CPU time of a cell", 1000 * cost["cpu_s"] / cells, "ms"),
                Figure(f"{what}: peak RSS", cost["peak_kib"] / 2**20, "GiB", GIB),
            ]
        if len(each) > 1:
            ratio = each[max(each)] / each[min(each)]
            figures.append(Figure(f"{executor}: cost of a cell, most to fewest", ratio, "", FLAT))
    publish(figures, args.json)
    return 0


def measured(executor: str, cells: int) -> dict[str, float]:
    """Return what a campaign costs in a process of its own."""
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        words = [sys.executable, __file__, "--run", executor, str(cells), name]
        process.run(words, timeout=PATIENCE_S, env={"PYTHONPATH": str(HOME / "orchestrator")})
        cost: dict[str, float] = json.loads((Path(name) / "cost.json").read_text())
    say(f"{cells} cells, {executor}: {cost['seconds']:.1f} s")
    return cost


if __name__ == "__main__":
    sys.exit(main())
