"""Logs of a guest that never ran, written record by record by a model of mem_notify."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from memnotify.check.promises import Invariant
from memnotify.records.layout import NO_CLIENT, Kind
from memnotify.records.log import RecordLog
from memnotify.scenario import ClientKind, Op

from tests.support.logs import log_of, rows

MS = 1_000_000
S = 1_000_000_000

OF_V4 = frozenset(
    {
        Invariant.DEVICE,
        Invariant.GUARD,
        Invariant.RATE,
        Invariant.BATCH,
        Invariant.ORDER,
        Invariant.POLLIN,
        Invariant.GATE,
        Invariant.CLEARS,
    }
)
"""v4's promises."""

GATE = 100  # pages, of the only zone
LOW, PLENTY = 80, 1_000


@dataclass
class MadeUp:
    """Records in any order; `log` sorts them by time."""

    rows: list[tuple[Kind, int, int, dict[str, Any]]] = field(default_factory=list)

    def add(self, kind: Kind, at: int, client: int = NO_CLIENT, **values: Any) -> None:
        self.rows.append((kind, at, client, values))

    def of(self, kind: Kind, client: int | None = None) -> list[int]:
        """Return the indexes in `rows` of the records of a kind (and client)."""
        return [
            number
            for number, row in enumerate(self.rows)
            if row[0] == kind and client in (None, row[2])
        ]

    def change(self, number: int, at: int | None = None, **values: Any) -> None:
        kind, was, client, old = self.rows[number]
        self.rows[number] = (kind, was if at is None else at, client, {**old, **values})

    def log(self) -> RecordLog:
        made = sorted(self.rows, key=_time)
        return log_of(*(rows(kind, at, client=who, **values) for kind, at, who, values in made))


def _time(row: tuple[Kind, int, int, dict[str, Any]]) -> int:
    return row[1]


def prompt(_notification: int, position: int) -> int:
    """Return delays with which each client logs its wakeup at once, one after the other."""
    return (position + 1) * MS


@dataclass(frozen=True, kw_only=True)
class Model:
    """A kernel that keeps its promises, or does not, and clients that poll forever.

    `late` returns how long after a notification the n-th client that it wakes logs its wakeup.
    """

    clients: int = 6
    batch: int = 2
    guard_ns: int = 2 * S
    newest_first: bool = False
    notifications: Sequence[int] = tuple(range(5 * S, 10 * S, S))
    on_ns: int = 300 * MS
    late: Callable[[int, int], int] = prompt
    runnable: int = 2
    end_ns: int = 30 * S
    spacing: int = 200 * MS

    def run(self) -> MadeUp:
        made = MadeUp()
        made.add(Kind.DEVICE, 1, present=1, major=1, minor=13, mode=0o444, errno=0)
        made.add(Kind.STEP, S, op=Op.CLIENTS)
        since = {}
        for client in range(self.clients):
            at = 2 * S + client * self.spacing
            made.add(Kind.CLIENT, at, client, client_kind=ClientKind.POLL)
            made.add(Kind.POLL, at, client, polls=0)
            since[client] = at
        self._wake(made, since)
        self._sample(made)
        for client in range(self.clients):
            made.add(Kind.EXIT, self.end_ns, client, signal=9, sent_by_agent=1, op=Op.CLIENTS)
        made.add(Kind.END, self.end_ns)
        return made

    def _wake(self, made: MadeUp, since: dict[int, int]) -> None:
        last = dict.fromkeys(since, -self.guard_ns)
        for number, now in enumerate(self.notifications):
            queue = sorted((c for c in since if since[c] < now), key=lambda c: since[c])
            chosen = (queue[::-1] if self.newest_first else queue)[: self.batch]
            for position, client in enumerate(chosen):
                if now - last[client] < self.guard_ns:
                    continue  # it takes a place, and gets nothing
                at = now + self.late(number, position)
                made.add(Kind.WAKEUP, at, client, revents=1, result=1, since_ns=since[client])
                made.add(Kind.POLL, at + 1, client, polls=1)
                last[client], since[client] = now, at + 1

    def _sample(self, made: MadeUp) -> None:
        first, last = self.notifications[0] - 500 * MS, self.notifications[-1] + 500 * MS
        for at in range(50 * MS, self.end_ns, 100 * MS):
            # The status of the last notification stays 1 until memory is free again.
            on = any(now <= at < now + self.on_ns for now in self.notifications)
            on |= self.notifications[-1] <= at < last
            free = LOW if first <= at < last else PLENTY
            made.add(Kind.MEMINFO, at)
            made.add(Kind.RECLAIM, at, pgscan=at // S)
            made.add(Kind.PAGING, at, runnable=self.runnable)
            made.add(
                Kind.ZONE, at, name=b"DMA", free=free, high=GATE // 2, status=int(on), present=4000
            )
