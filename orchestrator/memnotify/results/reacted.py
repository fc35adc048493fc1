"""How each client of a run was notified: the data of pictures of latency, batches and herds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memnotify.axes import AXES, DEFAULTS, REPEAT, Value, ordered
from memnotify.check.metrics import measure
from memnotify.check.reaction import KINDS, gate_crossing
from memnotify.records.clients import notified
from memnotify.records.log import ints
from memnotify.records.parquet import read_records
from memnotify.results.folder import RECORDS, RunFolder
from memnotify.results.verdict import Verdict
from memnotify.units import NS_PER_S

Floats = NDArray[np.float64]

SETTING = ordered(
    "base", "setting", "arch", "machine", "memory_mib", "clients", "scenario", "series"
)
"""The axes of a setting; the seed is not among them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reacted:
    """The clients of one guest.

    `latencies` has the seconds from the opening of the gate to the first wakeup of each client that
    was woken, sorted; it is None if the opening is unknown. `batches` are the sizes of the batches.
    """

    id: str
    point: Mapping[str, Value]
    clients: int
    woken: int
    latencies: Floats | None
    batches: tuple[int, ...]

    @property
    def greatest(self) -> int:
        """The size of the largest batch."""
        return max(self.batches, default=0)


def reacted(run: RunFolder, verdicts: Sequence[Verdict]) -> Iterator[Reacted]:
    """Yield the clients of these cells; a cell without a log is left out."""
    for verdict in verdicts:
        file = run.cell(verdict.id) / RECORDS
        if not file.exists():
            continue
        log = read_records(file, kinds=KINDS)
        rows, crossing = notified(log), gate_crossing(log)
        _, first = np.unique(rows["client"], return_index=True)
        told = np.sort(ints(rows["time_ns"])[first])
        clients = verdict.point["clients"]
        assert isinstance(clients, int)
        yield Reacted(
            id=verdict.id,
            point=verdict.point,
            clients=clients,
            woken=int(first.size),
            latencies=None if crossing is None else (told - crossing) / NS_PER_S,
            batches=tuple(batch.wakeups for batch in measure(log).batches),
        )


def setting(verdicts: Sequence[Verdict], *, by: str, free: Sequence[str] = ()) -> list[Verdict]:
    """Return the cells of one setting, that with the most clients and memory, for each `by`.

    They differ along `by`, the axes in `free` and the seed, and in nothing else.
    """
    fixed = [axis for axis in SETTING if axis not in (by, REPEAT, *free)]

    def of(verdict: Verdict) -> tuple[Value, ...]:
        return tuple(verdict.point.get(axis, DEFAULTS.get(axis, "")) for axis in fixed)

    def rank(verdict: Verdict) -> tuple[int, ...]:
        values = len({v.point[by] for v in verdicts if of(v) == of(verdict)})
        sizes = [verdict.point[axis] for axis in ("clients", "memory_mib") if axis in fixed]
        return (values, *(size for size in sizes if isinstance(size, int)))

    chosen = max(verdicts, key=rank)  # the first of several
    return [verdict for verdict in verdicts if of(verdict) == of(chosen)]


def groups(found: Sequence[Reacted], by: str) -> dict[str, list[Reacted]]:
    """Return the cells by their value on an axis, in the order of the plan."""
    made: dict[str, list[Reacted]] = {}
    for one in found:
        made.setdefault(str(one.point[by]), []).append(one)
    return made


BY = tuple(axis for axis in SETTING if AXES[axis].in_verdict)
"""The axes along which these pictures can be drawn."""
