"""How many different logs do repeated runs of the same cells give on a loaded host?

The guest alternately boots and starts from its template; all logs are compared. The load is one
busy process per core, and one that is busy now and then. Kernels of 2.6.24 take part if
MEMNOTIFY_SOURCE_2_6_24 names a tree.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from guests import Figure, Guest, bind, parser, publish, say
from memnotify.errors import InfrastructureError
from memnotify.guest.machine import load_machine
from memnotify.guest.session import run_cell
from memnotify.guest.template import Template
from memnotify.host import cores
from memnotify.model import Arch, Cell, KernelRequest
from memnotify.process import spawn
from memnotify.records.difference import first_difference
from memnotify.scenario import Balloon, ClientKind, Clients, FileCache, Hog, Scenario, Step
from memnotify.store import Store

SECOND, MIB = 10**9, 1024
BUSY = "while True: pass"
BURSTS = "import time\nwhile True:\n sum(range(10**6))\n time.sleep(0.1)"


def scenario(*, balloon: bool) -> Scenario:
    """Return 35 s in which 200 clients are woken, and more is swapped out than there is RAM."""
    steps = [
        Step(at_ns=0, action=Clients(kind=ClientKind.POLL, count=200)),
        Step(at_ns=2 * SECOND, action=Hog(rate_kib_s=3 * MIB, ceiling_kib=96 * MIB)),
        Step(at_ns=3 * SECOND, action=FileCache(rate_kib_s=2 * MIB, total_kib=512 * MIB)),
    ]
    if balloon:
        steps += [
            Step(
                at_ns=at * SECOND, action=Balloon(target_kib=mib * MIB, settle_ns=15 * SECOND // 2)
            )
            for at, mib in ((8, 54), (16, 48), (24, 42), (32, 64))
        ]
    return Scenario(
        name="pressure",
        start_ns=15 * SECOND,
        duration_ns=35 * SECOND,
        sample_ns=SECOND // 10,
        steps=tuple(steps),
    )


def cells() -> Iterator[tuple[str, Cell]]:
    """Yield the cells, each with the name of what it tests."""
    source = os.environ.get("MEMNOTIFY_SOURCE_2_6_24")
    kernels: list[tuple[str, Arch, str | None]] = [("6.1", Arch.X86_64, None)]
    if source:
        kernels += [("2.6.24", Arch.X86_64, source), ("2.6.24", Arch.I386, source)]
    for base, arch, tree in kernels:
        for name, cpus, balloon in (
            ("one CPU", 1, False),
            ("two CPUs", 2, False),
            ("balloon", 1, True),
        ):
            yield (
                f"{base} {arch}, {name}",
                Cell(
                    request=KernelRequest(base=base, series="v4", arch=arch, source=tree),
                    machine=dataclasses.replace(load_machine("pc-swap-disk"), smp=cpus),
                    memory_mib=64,
                    clients=200,
                    scenario=scenario(balloon=balloon),
                    log_records=65_536,
                ),
            )


@asynccontextmanager
async def loaded_host() -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for program in [BUSY] * cores() + [BURSTS]:
            await stack.enter_async_context(await spawn([sys.executable, "-c", program]))
        yield


async def different_logs(one: Guest, template: Template, *, runs: int, folder: Path) -> int:
    """Run a cell, alternately from power-on and from its template.

    Returns the number of different logs, and prints how they differ. Raises InfrastructureError if
    a guest could not be run.
    """
    kept: list[Path] = []
    for number in range(2 * runs):
        place = folder / str(number)
        place.mkdir()
        async with loaded_host():
            result = await run_cell(
                one.cell,
                files=one.files,
                folder=place,
                start=template if number % 2 else None,
            )
        if not result.outcome.ok:
            raise InfrastructureError("cell", f"{result.outcome}: {result.outcome.detail}")
        records = place / "records.parquet"
        parted = [first_difference(earlier, records) for earlier in kept]
        if None not in parted:
            kept.append(records)
            if parted:
                start = "restored" if number % 2 else "booted"
                say(f"  run {number}, {start}: {parted[0]}")
    return len(kept)


def main() -> int:
    options = parser(__doc__)
    options.add_argument(
        "--runs", type=int, default=3, help="of each cell, booted and restored; 20 for a proof"
    )
    options.add_argument("--only", default="", metavar="TEXT", help="cells with this in their name")
    args = options.parse_args()
    store, figures = Store(), []
    for name, cell in cells():
        if args.only not in name:
            continue
        say(f"{name}:")
        one = bind(cell)
        template = one.template()
        with tempfile.TemporaryDirectory(dir=store.folder("bench")) as folder:
            count = asyncio.run(different_logs(one, template, runs=args.runs, folder=Path(folder)))
        figures.append(Figure(f"{name}: different logs in {2 * args.runs} runs", count, "logs", 1))
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
