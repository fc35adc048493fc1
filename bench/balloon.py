"""Does a balloon lose pages when it goes down and up a thousand times?

The cycles are spread over several guests, because a mailbox holds a limited number of steps. The
guests run at once. The memory of a guest with its balloon up is compared after its first cycle and
after each later one: what the first moves need for themselves, they keep.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from guests import Figure, Guest, S, balloon, bind, parser, publish
from memnotify.guest.machine import load_machine
from memnotify.guest.mailbox import MAX_STEPS
from memnotify.guest.template import Template
from memnotify.model import Accel, Arch, Cell, KernelRequest
from memnotify.records.layout import Kind
from memnotify.records.parquet import read_records
from memnotify.scenario import Scenario

RAM, LOW = 64, 40  # MiB
START_S, MOVE_S = 3.0, 0.25
ROOM = MAX_STEPS // 2  # cycles


@dataclass(frozen=True)
class Cycled:
    """KiB and moves of one guest."""

    reached: int
    short: int
    """The most of MemTotal that is missing when the balloon is up."""
    lost: int
    """The loss of MemFree from the end of the first cycle to that of the last."""
    swing: int
    """The greatest difference of MemFree at the ends of those cycles."""


def cycling(request: KernelRequest, cycles: int) -> Guest:
    steps = []
    for number in range(1, cycles + 1):
        at = 2 * MOVE_S * number
        steps += [balloon(at_s=at, mib=LOW), balloon(at_s=at + MOVE_S, mib=RAM)]
    return bind(
        Cell(
            request=request,
            machine=load_machine("pc"),
            memory_mib=RAM,
            clients=0,
            scenario=Scenario(
                name="cycles",
                start_ns=round(START_S * S),
                duration_ns=round((cycles + 3) * 2 * MOVE_S * S),
                sample_ns=round(MOVE_S / 2 * S),
                steps=tuple(steps),
            ),
            log_records=65_536,
            accel=Accel.TCG,
        )
    )


async def cycle(one: Guest, template: Template) -> Cycled:
    with tempfile.TemporaryDirectory() as folder:
        result = await one.run_beside(template, keep=Path(folder))
        samples = read_records(Path(folder) / "records.parquet").kind(Kind.MEMINFO)
    cycles = len(one.cell.scenario.steps) // 2
    # Half a move later, so that the move is over.
    ends = START_S + 2 * MOVE_S * np.arange(1, cycles + 1) + 1.5 * MOVE_S
    up = samples[np.searchsorted(samples["time_ns"], np.round(ends * S).astype(np.int64))]
    free = up["free"].astype(np.int64)
    return Cycled(
        reached=sum(move.actual_kib == move.target_kib for move in result.balloon),
        short=int(samples["total"][0]) - int(up["total"].min()),
        lost=int(free[0] - free[-1]),
        swing=int(free.max() - free.min()),
    )


async def cycle_all(guests: list[Guest], template: Template) -> list[Cycled]:
    return await asyncio.gather(*(cycle(one, template) for one in guests))


def main() -> int:
    wanted = parser(__doc__)
    wanted.add_argument("--base", default="6.1")
    wanted.add_argument("--arch", type=Arch, choices=list(Arch), default=Arch.X86_64)
    wanted.add_argument("--source", metavar="PATH", help="kernel tree or tarball to build from")
    wanted.add_argument("--cycles", type=int, default=1000, metavar="N")
    args = wanted.parse_args()
    request = KernelRequest(base=args.base, series="none", arch=args.arch, source=args.source)
    boots = -(-args.cycles // ROOM)
    guests = [cycling(request, len(part)) for part in np.array_split(range(args.cycles), boots)]
    done = asyncio.run(cycle_all(guests, guests[0].template()))
    missed = 2 * args.cycles - sum(one.reached for one in done)
    page = 4  # KiB
    publish(
        [
            Figure(f"moves of {2 * args.cycles} that missed their target", missed, "moves", 0),
            Figure("MemTotal that is not back", max(one.short for one in done) / page, "pages", 0),
            Figure("MemFree that is not back", max(one.lost for one in done) / page, "pages", 4),
            Figure("  its swing", max(one.swing for one in done) / page, "pages"),
        ],
        args.json,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
