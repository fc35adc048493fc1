from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from memnotify.errors import InfrastructureError
from memnotify.guest.region import Ask
from memnotify.guest.rendezvous import End, Host
from memnotify.model import BalloonMove, Finding
from memnotify.records.layout import Reason, State
from memnotify.scenario import Balloon, Op, Scenario, Step, Stop
from qemu.qmp import EventListener, Message

RAM_KIB = 65536
MAIL = b"the scenario"
SCENARIO = Scenario(
    name="squeeze",
    start_ns=0,
    duration_ns=10**10,
    sample_ns=10**8,
    steps=(
        Step(at_ns=0, action=Balloon(target_kib=49152, settle_ns=10**9)),
        Step(at_ns=1, action=Stop(what=Op.HOG)),
        Step(at_ns=2, action=Balloon(target_kib=RAM_KIB, settle_ns=10**9)),
    ),
)


class FakeGuest:
    """A monitor and a region in one: each `cont` runs the guest up to its next turn in `script`.

    A turn is a request of the guest, or an event that QEMU sends instead.
    """

    def __init__(self, script: list[Ask | Message]) -> None:
        self.script: Iterator[Ask | Message] = iter(script)
        self.actual = RAM_KIB
        self.left: list[int] = []
        self.commands: list[str] = []
        self.mailbox = b""
        self.listeners: list[EventListener] = []
        self._ask: Ask | None = None
        self.stages: list[str] = []

    def listen(self, *names: str) -> EventListener:
        listener = EventListener(names)
        self.listeners.append(listener)
        return listener

    async def _send(self, name: str, **data: object) -> None:
        message = Message({"event": name, "data": data})
        for listener in self.listeners:
            if listener.accept(message):
                await listener.put(message)

    async def execute(self, command: str, **arguments: Any) -> Any:
        self.commands.append(command)
        if command == "query-balloon":
            return {"actual": self.actual << 10}
        if command == "balloon":
            self.actual = arguments["value"] >> 10
        if command == "cont":
            turn = next(self.script)
            if isinstance(turn, Ask):
                self._ask = turn
                await self._send("GUEST_PANICKED", action="pause")
            else:
                await self._send(str(turn["event"]), **turn["data"])  # type: ignore[arg-type]
        return {}

    def ask(self) -> Ask:
        assert self._ask is not None
        return self._ask

    def post(self, mail: bytes) -> None:
        self.mailbox = mail


def ask(
    reason: int, sequence: int, *, step: int = 0, arg: int = 0, state: int = State.RENDEZVOUS
) -> Ask:
    return Ask(
        state=state,
        reason=reason,
        sequence=sequence,
        step=step,
        arg=arg,
        time_ns=sequence * 10**9,
        failure="'mount', errno 2, line 7",
    )


READY = ask(Reason.READY, 1)


def serve(guest: FakeGuest) -> tuple[End, tuple[BalloonMove, ...], list[str]]:
    async def main() -> tuple[End, tuple[BalloonMove, ...], list[str]]:
        host = Host(
            monitor=guest,  # type: ignore[arg-type]
            region=guest,  # type: ignore[arg-type]
            scenario=SCENARIO,
            mail=MAIL,
            on_stage=guest.stages.append,
        )
        async with asyncio.timeout(10):
            end = await host.boot() or await host.conduct()
        return end, host.balloon.moves, host.balloon.disagreements

    return asyncio.run(main())


def test_a_whole_scenario_with_two_balloon_moves() -> None:
    guest = FakeGuest(
        [
            READY,
            ask(Reason.BALLOON_SET, 2, step=0, arg=49152),
            ask(Reason.BALLOON_SETTLED, 3, step=0, arg=1),
            ask(Reason.BALLOON_SET, 4, step=2, arg=RAM_KIB),
            ask(Reason.BALLOON_SETTLED, 5, step=2, arg=1),
            ask(Reason.DONE, 6),
        ]
    )
    end, moves, disagreements = serve(guest)
    assert end == End()
    assert guest.mailbox == MAIL
    assert guest.commands.count("cont") == 6
    assert [(m.step, m.target_kib, m.requested_ns, m.settled_ns, m.actual_kib) for m in moves] == [
        (0, 49152, 2 * 10**9, 3 * 10**9, 49152),
        (2, RAM_KIB, 4 * 10**9, 5 * 10**9, RAM_KIB),
    ]
    for move in moves:
        assert move.query_seconds is not None and 0 <= move.query_seconds < 5
    assert disagreements == []
    assert guest.stages == ["boot", "run", "balloon 48.0 MiB", "run", "balloon 64.0 MiB", "run"]


def test_a_move_is_over_without_an_event_of_qemu() -> None:
    guest = FakeGuest(
        [
            READY,
            ask(Reason.BALLOON_SET, 2, step=0, arg=49152),
            ask(Reason.BALLOON_SETTLED, 3, step=0, arg=1),
            ask(Reason.BALLOON_SET, 4, step=2, arg=RAM_KIB),
            ask(Reason.DONE, 5),
        ]
    )
    started = time.monotonic()
    _, moves, disagreements = serve(guest)
    assert time.monotonic() - started < 0.5  # QEMU sends BALLOON_CHANGE up to a second late
    assert disagreements == []
    assert [move.actual_kib for move in moves] == [49152, RAM_KIB]


def test_a_move_to_where_it_is_is_over_at_once() -> None:
    guest = FakeGuest(
        [
            READY,
            ask(Reason.BALLOON_SET, 2, step=2, arg=RAM_KIB),
            ask(Reason.BALLOON_SETTLED, 3, step=2, arg=1),
            ask(Reason.DONE, 4),
        ]
    )
    started = time.monotonic()
    _, moves, disagreements = serve(guest)
    assert disagreements == []
    assert moves[0].query_seconds is not None
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("reached", "seen"),
    [
        ([49152 + 4096, 49152], []),  # the driver tells QEMU after the guest has seen it
        ([49152, 49152 - 3], []),  # less than a page
        ([49152, 49152 - 4], [49152 - 4]),
        ([49152, 49152 + 4], [49152 + 4]),
    ],
)
def test_the_last_answer_of_qemu_before_the_next_move_decides(
    reached: list[int], seen: list[int]
) -> None:
    class Drifting(FakeGuest):
        async def execute(self, command: str, **arguments: Any) -> Any:
            if command == "query-balloon" and self.left:
                self.actual = self.left.pop(0)
            return await super().execute(command, **arguments)

    guest = Drifting(
        [
            READY,
            ask(Reason.BALLOON_SET, 2, step=0, arg=49152),
            ask(Reason.BALLOON_SETTLED, 3, step=0, arg=1),
            ask(Reason.BALLOON_SET, 4, step=2, arg=RAM_KIB),
            ask(Reason.DONE, 5),
        ]
    )
    guest.left = list(reached)
    _, moves, disagreements = serve(guest)
    assert moves[0].actual_kib == reached[-1]
    said = "step 0: the guest says that it reached 49152 KiB, QEMU says"
    assert disagreements == [f"{said} {kib}" for kib in seen]


def test_a_guest_that_claims_a_target_that_qemu_does_not_see() -> None:
    class Stubborn(FakeGuest):
        async def execute(self, command: str, **arguments: Any) -> Any:
            if command == "balloon":
                arguments["value"] += 4 << 20
            return await super().execute(command, **arguments)

    guest = Stubborn(
        [
            READY,
            ask(Reason.BALLOON_SET, 2, step=0, arg=49152),
            ask(Reason.BALLOON_SETTLED, 3, step=0, arg=1),
            ask(Reason.DONE, 4),
        ]
    )
    _, moves, disagreements = serve(guest)
    assert moves[0].query_seconds is None
    assert disagreements == ["step 0: the guest says that it reached 49152 KiB, QEMU says 53248"]


@pytest.mark.parametrize(
    "first", [ask(0, 1), ask(Reason.DONE, 1), ask(Reason.BALLOON_SET, 1, arg=49152), ask(99, 1)]
)
def test_a_guest_gets_no_scenario_before_it_is_ready(first: Ask) -> None:
    guest = FakeGuest([first, ask(Reason.DONE, 2)])
    end, _, _ = serve(guest)
    assert end.finding is Finding.AGENT and f"reason {first.reason}, " in end.detail
    assert guest.mailbox == b"" and guest.stages == ["boot"]


@pytest.mark.parametrize("state", [State.BOOTING, State.RUNNING, 77])
def test_a_pause_that_nobody_asked_for_is_a_panic(state: int) -> None:
    end, _, _ = serve(FakeGuest([READY, ask(0, 1, state=state)]))
    assert end.finding is Finding.PANIC


def test_a_panic_right_after_a_rendezvous_is_not_taken_for_it() -> None:
    end, _, _ = serve(FakeGuest([READY, READY]))
    assert end.finding is Finding.PANIC


def test_a_guest_program_that_gives_up_says_why() -> None:
    end, _, _ = serve(FakeGuest([ask(0, 0, state=State.FAILED)]))
    assert end == End(Finding.AGENT, "the guest program failed: 'mount', errno 2, line 7")


def test_a_guest_that_goes_down_is_a_reboot() -> None:
    down = Message({"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}})
    end, _, _ = serve(FakeGuest([READY, down]))
    assert end.finding is Finding.REBOOT
    assert "guest-reset" in end.detail


@pytest.mark.parametrize(
    "strange",
    [
        ask(99, 2),
        ask(Reason.BALLOON_SET, 2, step=1, arg=49152),  # not a balloon step
        ask(Reason.BALLOON_SET, 2, step=3, arg=49152),  # no such step
        ask(Reason.BALLOON_SET, 2, step=0, arg=4),  # not this step's target
        ask(Reason.BALLOON_SETTLED, 2, step=2**32 - 1, arg=1),
        ask(Reason.READY, 2),
    ],
)
def test_the_guest_cannot_ask_for_what_the_scenario_does_not_say(strange: Ask) -> None:
    guest = FakeGuest([READY, strange])
    end, _, _ = serve(guest)
    assert end.finding is Finding.AGENT
    assert "balloon" not in guest.commands


def test_a_monitor_that_fails_is_not_the_guests_fault() -> None:
    class Silent(FakeGuest):
        async def execute(self, command: str, **arguments: Any) -> Any:
            raise InfrastructureError("qmp-timeout", "no answer")

    with pytest.raises(InfrastructureError):
        serve(Silent([]))
