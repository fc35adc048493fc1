"""The cells of a run that are under way on a cluster: where each is, and where it was in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from statistics import median

from memnotify.errors import InfrastructureError
from memnotify.guest.view import Watcher
from memnotify.results.manifest import Move
from memnotify.results.summary import Job
from memnotify.run.executors.dask_batches import Order
from memnotify.run.executors.dask_hosts import Hosts
from memnotify.run.executors.parcel import Returned

SLOW = 4.0
"""A cell that takes so many times longer than others did is also run elsewhere."""

SLOW_S = 30.0
"""But not before so many seconds."""

_ENOUGH = 3
"""Results that must be there before one host can be called slow."""

_LATEST = 100
_AHEAD_S, _MOST_AHEAD = 0.5, 15
_SLOW = "slow"  # how the reason begins for which a cell left a host that was


def was_slow(move: Move) -> bool:
    """Return whether a cell left a host because that was slow."""
    return move.why.startswith(_SLOW)


@dataclass(slots=True, eq=False)
class Copy:
    """A cell, as given to the cluster once. `host` is an address, from when it has begun there."""

    order: Order
    task: asyncio.Task[Returned]
    host: str | None = None
    since: float = 0.0

    @property
    def key(self) -> str:
        return self.order.key

    def failure(self) -> InfrastructureError | None:
        """Return why a copy that has ended has no result."""
        if self.task.cancelled():
            return InfrastructureError("cancelled", "the cluster cancelled it")
        if (error := self.task.exception()) is not None:
            if isinstance(error, InfrastructureError):
                return error
            return InfrastructureError("internal", repr(error))
        outcome = self.task.result().result.outcome
        if outcome.infrastructure is None:
            return None
        return InfrastructureError(outcome.infrastructure, outcome.detail)


@dataclass(slots=True, eq=False)
class UnderWay:
    """A cell that is under way. If `again` is set, another copy is wanted, not on these hosts."""

    job: Job
    watcher: Watcher
    copies: list[Copy] = field(default_factory=list)
    lost: list[Move] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    again: Collection[str] | None = None

    def leaves(self, host: str, why: str) -> None:
        """Note that a host had it in vain; one that was slow before is not named twice."""
        self.lost = [move for move in self.lost if move.host != host or not was_slow(move)]
        self.lost.append(Move(host=host, why=why))

    def want(self, *, avoid: Collection[str] = ()) -> None:
        """Ask for another copy."""
        self.again = avoid
        self.changed.set()


class Cells:
    """All cells that are under way."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._found: dict[str, UnderWay] = {}  # by the key of each copy
        self._seconds: list[float] = []

    def __iter__(self) -> Iterator[UnderWay]:
        return iter(set(self._found.values()))

    def copies(self) -> list[Copy]:
        """Return the copies of all cells."""
        return [copy for cell in self for copy in cell.copies]

    def add(self, cell: UnderWay, copy: Copy) -> None:
        """Note that a cell was given to the cluster."""
        cell.copies.append(copy)
        self._found[copy.key] = cell

    def drop(self, cell: UnderWay, copy: Copy) -> None:
        """Note that a copy has ended, or is not wanted any more."""
        cell.copies.remove(copy)
        self._found.pop(copy.key, None)
        self._leaves(copy)

    def returned(self, copy: Copy) -> None:
        """Note how long a copy took that has a result: no time, if it was not heard to begin."""
        self._seconds.append(0.0 if copy.host is None else time.monotonic() - copy.since)
        del self._seconds[:-_LATEST]

    def usual(self) -> float | None:
        """Return how long the latest cells took; None before there are enough."""
        return median(self._seconds) if len(self._seconds) >= _ENOUGH else None

    def each(self) -> int:
        """Return how many cells each slot should have: one that runs, and enough for a while."""
        usual = self.usual()
        ahead = 1 if usual is None else round(_AHEAD_S / (usual or _AHEAD_S / _MOST_AHEAD))
        return 1 + min(_MOST_AHEAD, max(1, ahead))

    def began(self, key: str, address: str) -> UnderWay | None:
        """Note that a copy is on a host; return its cell, if it is still wanted."""
        if (cell := self._found.get(key)) is None:
            return None
        (copy,) = (copy for copy in cell.copies if copy.key == key)
        if copy.host != address:
            self._leaves(copy)
            copy.host, copy.since = address, time.monotonic()
            if (state := self._hosts.get(address)) is not None:
                state.running += 1
        return cell

    def _leaves(self, copy: Copy) -> None:
        if (state := self._hosts.get(copy.host)) is not None:
            state.running -= 1
        copy.host = None

    def lose(self, address: str, name: str, why: str) -> tuple[int, list[UnderWay]]:
        """Note that a host is gone.

        Returns how many cells it had, and the cells that no host is left for.
        """
        count, stranded = 0, []
        for cell in self:
            for copy in cell.copies:
                if copy.host == address:
                    copy.host = None
                    cell.lost.append(Move(host=name, why=why))
                    count += 1
            if all(
                copy.order.only is not None
                and not any(each in self._hosts for each in copy.order.only)
                for copy in cell.copies
            ):
                stranded.append(cell)
        return count, stranded

    def slow(self) -> Iterator[tuple[UnderWay, str]]:
        """Yield each cell whose host is slow while another is idle, and the name of the host.

        It is noted why the cell left it, as it will have, if another copy is faster.
        """
        if (usual := self.usual()) is None:
            return
        now = time.monotonic()
        for cell in self:
            copy = cell.copies[0] if len(cell.copies) == 1 else None
            if copy is None or copy.host is None:
                continue
            taken, name = now - copy.since, self._hosts.name(copy.host)
            # Not where another copy has failed.
            avoid = [name, *(move.host for move in cell.lost)]
            if taken > max(SLOW_S, SLOW * usual) and self._hosts.idle(avoid):
                cell.leaves(name, f"{_SLOW}: {taken:.0f} s, and others took {usual:.0f} s")
                yield cell, name
