"""The balloon over QMP: set at one rendezvous, agreed on at a later one.

The guest is paused at both, so `query-balloon` is the last word: the balloon's size only changes
when the guest writes it to the device. QEMU's BALLOON_CHANGE events have the same number, but are
limited to one per second of wall time, so the last one may come a second late.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from memnotify.guest.qmp import Monitor, number
from memnotify.model import BalloonMove
from memnotify.scenario_rules import PAGE_KIB


@dataclass(slots=True)
class _Pending:
    """The newest move."""

    move: BalloonMove
    sent: float  # time.monotonic()
    reached: bool = False  # as reported by the guest

    def meets(self, kib: int) -> bool:
        return abs(kib - self.move.target_kib) < PAGE_KIB


class BalloonControl:
    """Carries out a guest's balloon steps. `moves` has each one as guest and host saw it."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._pending: _Pending | None = None
        self._moves: list[BalloonMove] = []
        self.disagreements: list[str] = []

    @property
    def moves(self) -> tuple[BalloonMove, ...]:
        pending = () if self._pending is None else (self._pending.move,)
        return (*self._moves, *pending)

    async def set(self, *, step: int, target_kib: int, now_ns: int) -> None:
        """Start a move to `target_kib` of guest memory, once the previous one is agreed on."""
        await self.agree()
        move = BalloonMove(step=step, target_kib=target_kib, requested_ns=now_ns)
        self._pending = _Pending(move, time.monotonic())
        await self._monitor.execute("balloon", value=target_kib << 10)

    async def settled(self, *, step: int, reached: bool, now_ns: int) -> None:
        """Note that the guest has seen the target, or has given up."""
        pending = self._pending
        if pending is None or pending.move.step != step or pending.move.settled_ns is not None:
            self.disagreements.append(f"step {step} reported a balloon move that was not requested")
            return
        pending.reached = reached
        pending.move = replace(pending.move, settled_ns=now_ns)
        await self._query(pending)

    async def agree(self) -> None:
        """Close the newest move: QEMU must have seen the target if the guest has.

        Call it with the guest paused. If they do not agree, that is noted in `disagreements`.
        """
        pending = self._pending
        if pending is None:
            return
        actual = await self._query(pending)
        if pending.reached and not pending.meets(actual):
            self.disagreements.append(
                f"step {pending.move.step}: the guest says that it reached "
                f"{pending.move.target_kib} KiB, QEMU says {actual}"
            )
        self._moves.append(pending.move)
        self._pending = None

    async def _query(self, pending: _Pending) -> int:
        answer = await self._monitor.execute("query-balloon")
        actual = number(answer, "actual", told="query-balloon") >> 10
        pending.move = replace(pending.move, actual_kib=actual)
        if pending.meets(actual) and pending.move.query_seconds is None:
            seconds = time.monotonic() - pending.sent
            pending.move = replace(pending.move, query_seconds=seconds)
        return actual
