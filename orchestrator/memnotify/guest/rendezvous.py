"""The host's half of the rendezvous: the guest pauses itself with a request, the host answers.

A write to the pvpanic port pauses the machine and sends GUEST_PANICKED. A real panic does the same.
It is a rendezvous only if the header says so, with a sequence number that has not been answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from qemu.qmp import EventListener

from memnotify.errors import InfrastructureError
from memnotify.guest.balloon import BalloonControl
from memnotify.guest.qmp import Monitor, data_of
from memnotify.guest.region import Ask, Region
from memnotify.model import Finding
from memnotify.records.layout import Reason, State
from memnotify.scenario import Balloon, Scenario
from memnotify.units import KIB_PER_MIB

BOOT = "boot"
"""The stage before READY of a guest that boots instead of starting from a template."""


@dataclass(frozen=True, slots=True)
class End:
    """How a guest ended; without a finding, the guest said DONE."""

    finding: Finding | None = None
    detail: str = ""


class Host:
    """Answers one guest's rendezvous, from the first one (READY) to its end.

    `mail` is the scenario as the guest reads it; `resume` resumes a paused guest.
    """

    def __init__(
        self,
        *,
        monitor: Monitor,
        region: Region,
        scenario: Scenario,
        mail: bytes,
        on_stage: Callable[[str], None],
        resume: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.balloon = BalloonControl(monitor)
        self._monitor = monitor
        self._events: EventListener = monitor.listen("GUEST_PANICKED", "SHUTDOWN")
        self._region = region
        self._scenario = scenario
        self._mail = mail
        self._on_stage = on_stage
        self._resume = resume or partial(monitor.execute, "cont")
        self._answered = 0
        self._boots = False
        self._waits = False
        self._may_answer = asyncio.Event()
        self._may_answer.set()

    @property
    def runs(self) -> bool:
        """Whether the guest runs, as far as is known: it has not asked for anything."""
        return self._waits and self._events.empty()

    def is_held(self) -> bool:
        """Return whether somebody looks at the guest, which stands still."""
        return not self._may_answer.is_set()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Answer nothing, and resume nothing, until the context ends; then resume the guest.

        It may be stopped meanwhile. A guest that has asked for something stays stopped until it has
        its answer.
        """
        self._may_answer.clear()
        try:
            yield
        finally:
            self._may_answer.set()
        if self.runs:
            await self._resume()

    async def boot(self) -> End | None:
        """Let the guest run to its first rendezvous; return None if it is READY there.

        A start from a template replaces this. Raises InfrastructureError.
        """
        self._on_stage(BOOT)
        await self._resume()
        ask = await self._next_ask()
        if isinstance(ask, End):
            return ask
        return None if ask.reason == Reason.READY else _nonsense(ask)

    async def conduct(self) -> End:
        """Give the scenario to a guest that is paused at READY, and serve it until it ends.

        Raises InfrastructureError.
        """
        self._answered = self._region.ask().sequence
        self._region.post(self._mail)
        self._on_stage("run")
        await self._resume()
        return await self._answer_all()

    async def go_on(self) -> End:
        """Serve a guest that runs already, until it ends; if it boots, its scenario is posted.

        Whoever calls this resumes the guest. Raises InfrastructureError.
        """
        self._boots = True
        self._answered = self._region.ask().sequence
        return await self._answer_all()

    async def _answer_all(self) -> End:
        while True:
            ask = await self._next_ask()
            if isinstance(ask, End):
                return ask
            if ask.reason == Reason.DONE:
                await self.balloon.agree()
                return End()
            if not await self._serve(ask):
                return _nonsense(ask)
            await self._resume()

    async def _next_ask(self) -> Ask | End:
        self._waits = True
        event = await self._events.get()
        self._waits = False
        await self._may_answer.wait()
        if event["event"] == "SHUTDOWN":
            reason = data_of(event).get("reason")
            if not isinstance(reason, str):
                raise InfrastructureError("qmp-garbage", f"QEMU reported: {event!s:.200}")
            if reason.startswith("host-"):
                raise InfrastructureError("qemu-died", f"QEMU was told to exit: {reason}")
            return End(Finding.REBOOT, f"the guest shut down by itself: {reason}")
        ask = self._region.ask()
        if ask.state == State.FAILED:
            return End(Finding.AGENT, f"the guest program failed: {ask.failure}")
        if ask.state != State.RENDEZVOUS or ask.sequence == self._answered:
            return End(Finding.PANIC, "kernel panic")
        self._answered = ask.sequence
        return ask

    async def _serve(self, ask: Ask) -> bool:
        """Carry out a balloon request; return False if the scenario has no such step."""
        if ask.reason == Reason.READY and self._boots:
            self._boots = False
            return True
        target_kib = self._balloon_target(ask.step)
        if target_kib is None:
            return False
        if ask.reason == Reason.BALLOON_SET and ask.arg == target_kib:
            self._on_stage(f"balloon {target_kib / KIB_PER_MIB:.1f} MiB")
            await self.balloon.set(step=ask.step, target_kib=target_kib, now_ns=ask.time_ns)
            return True
        if ask.reason == Reason.BALLOON_SETTLED:
            reached = ask.arg == 1
            self._on_stage("run")
            await self.balloon.settled(step=ask.step, reached=reached, now_ns=ask.time_ns)
            return True
        return False

    def _balloon_target(self, step: int) -> int | None:
        # The guest only names a step; the target comes from the scenario.
        if step >= len(self._scenario.steps):
            return None
        action = self._scenario.steps[step].action
        return action.target_kib if isinstance(action, Balloon) else None


def _nonsense(ask: Ask) -> End:
    return End(
        Finding.AGENT,
        f"unexpected request from the guest program: reason {ask.reason}, step {ask.step}, "
        f"argument {ask.arg}",
    )
