"""How the cost of cells grows with clients, guest seconds, memory, and the number of cells.

Cost is CPU time, QEMU's and our own, from a template to the Parquet file. Other work on the host
changes it little, and the cheapest of several tries counts. One quantity grows at a time, from a
cell with 32 clients, 60 guest seconds and 64 MiB (128 MiB if clients grow). `--chart FILE` draws
it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from guests import Figure, Guest, clients, guest, hog, parser, publish

TRIES = 3
BAR = 40  # characters of the longest bar of an axis


def cell(*, count: int = 32, seconds: int = 60, memory_mib: int = 64) -> Guest:
    return guest(
        clients(count),
        hog(at_s=2, rate_mib_s=2, mib=memory_mib // 4),
        duration_s=seconds,
        sample_s=1,
        machine="pc-swap",
        memory_mib=memory_mib,
    )


AXES: dict[str, tuple[tuple[int, ...], Callable[[int], Guest], bool]] = {
    "clients": ((1, 50, 100, 200, 400), lambda count: cell(count=count, memory_mib=128), False),
    "guest seconds": ((30, 60, 120, 300, 600), lambda seconds: cell(seconds=seconds), False),
    "MiB of RAM": ((64, 128, 256, 512), lambda mib: cell(memory_mib=mib), False),
    "cells": ((1, 2, 4, 8), lambda count: cell(), True),
}


def cost(one: Guest, times: int) -> float:
    """Return the CPU seconds for running a cell a number of times, QEMU's and ours."""
    template = one.template()
    tries = []
    for _ in range(TRIES):
        started = time.process_time()
        guests = sum(one.run(template).qemu_cpu_seconds for _ in range(times))
        tries.append(guests + time.process_time() - started)
    return min(tries)


def chart(figures: dict[str, dict[int, float]]) -> str:
    """Return a chart of text bars, one block for each axis."""
    lines = []
    for axis, points in figures.items():
        lines.append(f"{axis:>14}   CPU seconds")
        most = max(points.values())
        for value, seconds in points.items():
            bar = "█" * max(1, round(BAR * seconds / most))
            lines.append(f"{value:14}   {seconds:6.2f} {bar}")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--chart", type=Path, metavar="FILE")
    args = made.parse_args()
    costs = {
        axis: {value: cost(build(value), value if repeats else 1) for value in values}
        for axis, (values, build, repeats) in AXES.items()
    }
    figures = [
        Figure(f"{value} {axis}", seconds, "CPU s")
        for axis, points in costs.items()
        for value, seconds in points.items()
    ]
    publish(figures, args.json)
    text = chart(costs)
    print(text)
    if args.chart is not None:
        args.chart.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
