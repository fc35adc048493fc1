"""How long `memnotify compare` takes over 1,000 cells with 10 M records, and in how much memory.

The run is made up, but written by the functions that write real ones. Each cell has the samples of
a minute with two zones, 200 clients that wait and wake again and again, and swapping. The command
runs as users type it, start-up included; the best of several runs counts, as a busy host only adds
time.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from guests import Figure, parser, publish, say
from memnotify import process
from memnotify.campaign.plan import cell_id, cell_name, plan_rows
from memnotify.environment import PYTHON
from memnotify.guest.machine import load_machine
from memnotify.host import machine
from memnotify.model import Arch, Cell, CellResult, KernelRequest, Outcome
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.reaction import note_reaction
from memnotify.results.summary import Job, make_manifest, make_verdict
from memnotify.scenario import ClientKind, Clients, Op, Scenario, Step
from memnotify.store import Artifact, Store

SERIES = ("v3", "v4", "v5", "v6")
CELLS = 1_000
RECORDS_EACH = 10_000
CLIENTS = 200
SAMPLES = 600
ROUNDS = 3
SECONDS = 3.0
GIB = 1.0
PATIENCE_S = 300.0
S = 10**9
START = 10 * S


def made_up_cell(series: str, seed: int, clients: int = CLIENTS) -> Cell:
    return Cell(
        request=KernelRequest(base="6.1", series=series, arch=Arch.X86_64),
        machine=load_machine("pc-swap"),
        memory_mib=64,
        clients=clients,
        scenario=Scenario(
            name="made-up",
            start_ns=START,
            duration_ns=60 * S,
            sample_ns=S // 10,
            # Different for each seed: a cell that only repeats a run does not count.
            steps=(
                Step(
                    at_ns=0,
                    action=Clients(
                        kind=ClientKind.POLL, count=clients, spacing_ns=S // 1000 + seed
                    ),
                ),
            ),
        ),
        seed=seed,
        kernel=series,
        image="image",
        hardware="hardware",
    )


def rows(kind: Kind, times: np.ndarray, **fields: object) -> np.ndarray:
    """Return records of one kind; a field is a number or an array, by its name in the kind."""
    records = np.zeros(len(times), layout.RECORD)
    records["kind"], records["time_ns"] = kind, times
    records["client"] = fields.pop("client", layout.NO_CLIENT)
    values = np.zeros(len(times), layout.LAYOUTS[kind])
    for name, value in fields.items():
        values[name] = value
    records["value"] = values.view("<u8").reshape(len(times), -1)
    return records


def made_up_log(random: np.random.Generator) -> RecordLog:
    """Return RECORDS_EACH records, as a guest under pressure writes them."""
    samples = START + np.arange(SAMPLES) * S // 10
    free = 4000 - np.cumsum(random.integers(0, 12, SAMPLES))
    zones = [
        rows(Kind.ZONE, samples, name=name, free=free // part, high=300 // part, reserve=50)
        for name, part in ((b"DMA32", 1), (b"DMA", 4))
    ]
    swapped = np.cumsum(random.integers(0, 20, SAMPLES))
    fixed = [
        rows(Kind.START, samples[:1], asked_ns=START, start_ns=START),
        *zones,
        rows(Kind.MEMINFO, samples, total=60_000, free=free * 4),
        rows(Kind.RECLAIM, samples, pswpout=swapped),
        rows(Kind.PAGING, samples, runnable=random.integers(1, 20, SAMPLES)),
        rows(Kind.EXIT, np.full(CLIENTS, START + 60 * S), op=Op.CLIENTS, cpu_ns=10**6),
    ]
    pairs = (RECORDS_EACH - sum(map(len, fixed))) // 2
    waits = START + np.sort(random.integers(0, 50 * S, pairs))
    clients = random.integers(0, CLIENTS, pairs)
    woken = waits + random.integers(S, 5 * S, pairs)
    fixed.append(rows(Kind.POLL, waits, client=clients))
    fixed.append(rows(Kind.WAKEUP, woken, client=clients, revents=1, result=1))
    fixed.append(rows(Kind.END, samples[:1] + 60 * S))
    records = np.concatenate(fixed)
    records = records[np.argsort(records["time_ns"], kind="stable")]
    records["commit"] = np.arange(1, len(records) + 1)
    return RecordLog(records, lost=0, torn=0)


def make_run(
    path: Path, cells: Sequence[Cell], log_of: Callable[[], RecordLog], *, noted: bool = True
) -> int:
    """Make the folder of a run of these cells; return how many records are in it.

    `noted`: as this version runs cells, with the figures of `memnotify compare` in a file.
    """
    run = RunFolder(path)
    run.make()
    run.begin(b"", plan_rows(cells))
    nothing = Artifact(kind="kernel", key="", path=path, inputs={}, facts={})
    total = 0
    for cell in cells:
        job = Job(id=cell_id(cell), name=cell_name(cell), cell=cell, kernel=nothing, image=nothing)
        log = log_of()
        total += len(log)
        result = CellResult(
            outcome=Outcome(),
            guest_ns=log.end_ns,
            wall_seconds=1.0,
            records=len(log),
            lost_records=0,
        )
        with run.draft(job.id) as draft:
            write_records(log, draft / RECORDS)
            manifest = make_manifest(job, [result], draft, machine=machine())
            verdict = make_verdict(job, result, draft / RECORDS)
            if noted:
                note_reaction(draft, log)
            run.publish(job.id, draft, manifest=manifest, verdict=verdict)
    return total


# Runs the command in its own process, and writes its cost to a file.
MEASURED = r"""
import json, pathlib, re, sys, time
from memnotify.cli.main import main
status = main(sys.argv[2:])
peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())
cost = {"cpu_s": time.process_time(), "peak_kib": int(peak[1])}
pathlib.Path(sys.argv[1]).write_text(json.dumps(cost))
sys.exit(status)
"""


def main() -> int:
    options = parser(__doc__)
    options.add_argument(
        "--logs",
        action="store_true",
        help="compare from the logs, as with a run of another version, whose notes do not count",
    )
    args = options.parse_args()
    seconds: list[float] = []
    costs: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(dir=Store().folder("bench")) as name:
        folder = Path(name)
        random = np.random.default_rng(2008)
        cells = [made_up_cell(series, seed) for seed in range(CELLS // 4) for series in SERIES]
        total = make_run(folder / "run", cells, lambda: made_up_log(random), noted=not args.logs)
        say(f"{CELLS} cells, {total} records")
        cost = folder / "cost.json"
        words = [sys.executable, "-c", MEASURED, str(cost), "compare", str(folder / "run")]
        for _ in range(ROUNDS):
            started = time.monotonic()
            process.run(words, output=folder / "table.txt", timeout=PATIENCE_S, allow=[PYTHON])
            seconds.append(time.monotonic() - started)
            costs.append(json.loads(cost.read_text()))
        say((folder / "table.txt").read_text())
    figures = [
        Figure(f"compare {CELLS} cells with {total} records", min(seconds), "s", SECONDS),
        Figure("the same, CPU time", min(cost["cpu_s"] for cost in costs), "s"),
        Figure("peak RSS", max(cost["peak_kib"] for cost in costs) / 2**20, "GiB", GIB),
    ]
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
