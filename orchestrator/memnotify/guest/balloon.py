"""The balloon over QMP: set at one rendezvous, agreed on at a later one.

QEMU limits BALLOON_CHANGE events to one per second of wall time; meanwhile, a guest in virtual time
may advance many guest seconds. So nobody waits for the event until the next move or the end: the
guest is paused then, and only wall time is lost.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from qemu.qmp import EventListener, Message

from memnotify.guest.qmp import Monitor, number
from memnotify.model import BalloonMove

_THROTTLE_SECONDS = 1.5  # QEMU's one second, plus some for a busy host
_PAGE_KIB = 4
_CLOCKS_DIFFER = 0.1  # seconds that two clocks may differ


@dataclass(slots=True)
class _Pending:
    """The newest move, and the reference points for its times."""

    move: BalloonMove
    sent: float  # time.monotonic()
    sent_wall: float  # time.time(), because QEMU stamps events with it
    before_kib: int
    event_kib: int | None = None
    reached: bool = False  # as reported by the guest

    def meets(self, kib: int) -> bool:
        return abs(kib - self.move.target_kib) < _PAGE_KIB

    def stayed_at(self, kib: int) -> bool:
        """Return whether no event is due because nothing has moved."""
        return self.event_kib is None and kib == self.before_kib


class BalloonControl:
    """Carries out a guest's balloon steps. `moves` has each one as guest and host saw it."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        # Listen from the start, so that no change is missed.
        self._changes: EventListener = monitor.listen("BALLOON_CHANGE")
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
        before = await self._actual_kib()
        move = BalloonMove(step=step, target_kib=target_kib, requested_ns=now_ns)
        self._pending = _Pending(move, time.monotonic(), time.time(), before)
        await self._monitor.execute("balloon", value=target_kib << 10)

    async def settled(self, *, step: int, reached: bool, now_ns: int) -> None:
        """Note that the guest has seen the target, or has given up."""
        pending = self._pending
        if pending is None or pending.move.step != step or pending.move.settled_ns is not None:
            self.disagreements.append(f"step {step} settled a move that nobody made")
            return
        pending.reached = reached
        pending.move = replace(pending.move, settled_ns=now_ns)
        await self._query(pending)

    async def agree(self) -> None:
        """Close the newest move: wait until query-balloon and the last BALLOON_CHANGE agree.

        Call it with the guest paused. If they do not agree within 1.5 seconds, that is noted in
        `disagreements`.
        """
        pending = self._pending
        if pending is None:
            return
        actual = await self._query(pending)
        try:
            async with asyncio.timeout(_THROTTLE_SECONDS):
                while pending.event_kib != actual and not pending.stayed_at(actual):
                    self._note(pending, await self._changes.get())
        except TimeoutError:
            self.disagreements.append(
                f"step {pending.move.step}: query-balloon says {actual} KiB, "
                f"BALLOON_CHANGE says {pending.event_kib}"
            )
        if pending.reached and not pending.meets(actual):
            self.disagreements.append(
                f"step {pending.move.step}: the guest says that it reached "
                f"{pending.move.target_kib} KiB, QEMU says {actual}"
            )
        self._moves.append(pending.move)
        self._pending = None

    async def _actual_kib(self) -> int:
        answer = await self._monitor.execute("query-balloon")
        return number(answer, "actual", told="query-balloon") >> 10

    async def _query(self, pending: _Pending) -> int:
        actual = await self._actual_kib()
        pending.move = replace(pending.move, actual_kib=actual)
        if pending.meets(actual) and pending.move.query_seconds is None:
            seconds = time.monotonic() - pending.sent
            pending.move = replace(pending.move, query_seconds=seconds)
        return actual

    def _note(self, pending: _Pending, event: Message) -> None:
        told = "BALLOON_CHANGE"
        pending.event_kib = number(event, "data", "actual", told=told) >> 10
        if not pending.meets(pending.event_kib):
            return
        whole, micro = (
            number(event, "timestamp", part, told=told) for part in ("seconds", "microseconds")
        )
        seconds = whole + micro / 1e6 - pending.sent_wall
        # Unless the host's clock was set in the meantime.
        if abs(seconds) <= time.monotonic() - pending.sent + _CLOCKS_DIFFER:
            pending.move = replace(pending.move, event_seconds=seconds)
