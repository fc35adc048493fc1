"""Guest seconds per second of wall time, and per CPU second of QEMU.

Whole cells count, from the start of QEMU, from a template, to the Parquet file. Each figure is the
best of several rounds, in which the scenarios take turns. It also measures how much of its
machine's instruction rate (icount_shift) a busy guest achieves.
"""

from __future__ import annotations

import sys
from functools import partial

from guests import Figure, Guest, S, balloon, clients, guest, hog, parser, publish
from memnotify.model import CellResult

ROUNDS = 3
SHIFTS = range(5)
# Samples as often as the agent can take them, so the guest's CPU is never idle.
busy = partial(guest, duration_s=5, sample_s=1e-4, log_records=1 << 20)


def scenarios() -> dict[str, tuple[Guest, float | None]]:
    """Return guests by name, each with its target in guest seconds per second of wall time."""
    mixed = (
        clients(32),
        hog(at_s=2, rate_mib_s=1, mib=30),
        balloon(at_s=20, mib=58),
        balloon(at_s=40, mib=64),
    )
    pressed = (
        clients(200),
        hog(at_s=2, rate_mib_s=3, mib=96),
        balloon(at_s=8, mib=54),
    )
    return {
        "idle, a sample every 10 s": (guest(duration_s=600, sample_s=10), 100),
        "idle, 200 clients, a sample a second": (
            guest(clients(200), duration_s=600, sample_s=1),
            None,
        ),
        "idle, ten samples a second": (guest(duration_s=60, sample_s=0.1), None),
        "mixed: 32 clients, hog, balloon, a sample a second": (
            guest(*mixed, duration_s=60, sample_s=1),
            50,
        ),
        "under pressure: 200 clients, swapping all the time": (
            guest(*pressed, duration_s=45, sample_s=0.1, machine="pc-swap"),
            None,
        ),
        "busy: the CPU is never idle": (busy(), None),
    }


def best_of(guests: dict[str, Guest]) -> dict[str, CellResult]:
    """Run all guests in turns; return for each the round with the least wall time."""
    templates = {name: one.template() for name, one in guests.items()}
    results: dict[str, list[CellResult]] = {name: [] for name in guests}
    for _ in range(ROUNDS):
        for name, one in guests.items():
            results[name].append(one.run(templates[name]))
    return {name: min(runs, key=lambda run: run.wall_seconds) for name, runs in results.items()}


def busy_seconds(one: Guest, result: CellResult) -> float:
    """Return the guest seconds of a scenario without the idle ones before its start."""
    return (result.guest_ns - one.cell.scenario.start_ns) / S


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--only", default="", metavar="TEXT", help="scenarios with this in a name")
    args = options.parse_args()
    figures = []
    table = {name: row for name, row in scenarios().items() if args.only in name}
    results = best_of({name: one for name, (one, _) in table.items()})
    for name, result in results.items():
        one, target = table[name]
        # From boot to start the guest only idles, which would flatter busy guests.
        seconds = result.guest_ns / S if name.startswith("idle") else busy_seconds(one, result)
        figures.append(Figure(name, seconds / result.wall_seconds, "x wall", target, "higher"))
        rate = seconds / result.qemu_cpu_seconds
        figures.append(Figure("  by CPU time of QEMU", rate, "x CPU", None, "higher"))
    names = {shift: f"busy, icount_shift {shift}: {1000 >> shift} MIPS" for shift in SHIFTS}
    rates = {shift: busy(icount_shift=shift) for shift in SHIFTS if args.only in names[shift]}
    for (shift, one), result in zip(
        rates.items(),
        best_of({str(shift): one for shift, one in rates.items()}).values(),
        strict=True,
    ):
        rate = busy_seconds(one, result) / result.qemu_cpu_seconds
        figures.append(Figure(names[shift], rate, "x CPU", None, "higher"))
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
