"""A model of the revisions before v4, in which poll() decides who has POLLIN; it writes a log.

Woken clients look, and log what they found, at random times within what the checks allow.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memnotify.check.promises import HELD_UP_NS, Asks, Status, Wakes
from memnotify.model import DeviceName
from memnotify.records.layout import Kind
from memnotify.scenario import ClientKind, Op

from tests.support.madeup import MS, MadeUp, S

HIGH, LOW_MARK = 50, 45  # pages; the gates are at 100 and at 45
SHORT, PLENTY = 20, 3_000
TICK = 4 * MS
US = 1_000


@dataclass(frozen=True, kw_only=True)
class Early:
    """A kernel, and clients that poll, and then leave when they are woken or poll again.

    `events` are the notifications that pass the rate limit, or, with SWAPPED, runs of the timer,
    which looks for the swap-out of `swapped`. Memory is short in the intervals of `low`; with
    `near`, by so little that there is enough in the `gaps`, which no sample shows.

    A wrong kernel may have `takes` false: the status stays, even when a client `reads`; or `always`
    true: the timer wakes without swap-out; or it does not wake the first `deaf` clients.
    """

    asks: Asks
    status: Status
    wakes: Wakes = Wakes.EVERYONE
    throttled: bool = False
    takes: bool = True
    always: bool = False
    clients: int = 6
    kind: ClientKind = ClientKind.POLL
    events: Sequence[int] = tuple(range(5 * S, 10 * S, S))
    low: Sequence[tuple[int, int]] = ((4 * S, 11 * S),)
    near: bool = False
    gaps: Sequence[tuple[int, int]] = ()
    swapped: Sequence[int] = ()
    scanned: Sequence[int] | None = None  # the same as `events`, unless given
    reads: bool = False
    cpus: int = 1
    deaf: int = 0
    held_up: bool = False
    seed: int = 1
    spacing: int = 200 * MS
    pause: int = MS  # from a POLLIN to the next poll()
    end_ns: int = 20 * S

    def run(self) -> MadeUp:
        made = _Run(self).run()
        self._sample(made)
        made.add(Kind.END, self.end_ns)
        return made

    def is_low(self, when: int) -> bool:
        enough = any(a <= when < b for a, b in self.gaps)
        return not enough and any(a <= when < b for a, b in self.low)

    def _sample(self, made: MadeUp) -> None:
        scanned = self.events if self.scanned is None else self.scanned
        for at in range(50 * MS, self.end_ns, 100 * MS):
            gate = LOW_MARK if self.asks is Asks.EITHER else 2 * HIGH
            short = gate - 1 if self.near else SHORT
            free = short if self.is_low(at) else PLENTY
            made.add(Kind.MEMINFO, at)
            swapped = sum(when <= at for when in self.swapped)
            scans = sum(when <= at for when in scanned)
            made.add(Kind.RECLAIM, at, pgscan=scans, pswpout=swapped)
            made.add(Kind.PAGING, at, runnable=2)
            made.add(
                Kind.ZONE,
                at,
                name=b"DMA",
                free=free,
                high=HIGH,
                low=LOW_MARK,
                status=-(2**31),
                present=4000,
            )


class _Run:
    """One run of the model: a queue by time has what happens next."""

    def __init__(self, model: Early) -> None:
        self.model, self.made = model, MadeUp()
        self.chance, self.number = random.Random(model.seed), itertools.count()
        self.queue: list[tuple[int, int, Callable[[int, int], None], int]] = []
        self.status = False
        self.taken = (-S, 0)  # time, and how many clients saw it at that time
        self.newest = 0  # the newest event
        self.swapped = 0  # the time of the timer's last run
        self.tick = -1  # of the last poll() that passed
        self.asleep: set[int] = set()
        self.gone: set[int] = set()
        self.seen, self.since, self.polls = ([0] * model.clients for _ in range(3))

    def then(self, when: int, what: Callable[[int, int], None], who: int = 0) -> None:
        heapq.heappush(self.queue, (when, next(self.number), what, who))

    def late(self) -> int:
        most = HELD_UP_NS // 2 - 2 * MS if self.model.held_up else 3 * MS
        return self.chance.choice([US, self.chance.randrange(US, most)])

    def run(self) -> MadeUp:
        model, made = self.model, self.made
        made.add(Kind.BOOT, 1, cpus=model.cpus)
        swapped = model.status is Status.SWAPPED  # only v1 has a timer, and another device name
        device = DeviceName.OOM_NOTIFY if swapped else DeviceName.MEM_NOTIFY
        made.add(Kind.DEVICE, 1, present=device, major=1, minor=13, mode=0o444, errno=0)
        made.add(Kind.STEP, S, op=Op.CLIENTS)
        for client in range(model.clients):
            start = 2 * S + client * model.spacing
            made.add(Kind.CLIENT, start, client, client_kind=model.kind)
            self.then(start + 1, self.open, client)
        for when in model.events:
            self.then(when, self.event)
        while self.queue and self.queue[0][0] < model.end_ns:
            when, _, what, who = heapq.heappop(self.queue)
            what(when, who)
        for client in set(range(model.clients)) - self.gone:
            made.add(Kind.EXIT, model.end_ns, client, signal=9, sent_by_agent=1, op=Op.CLIENTS)
        return made

    def open(self, when: int, client: int) -> None:
        self.seen[client] = self.newest
        self.poll(when, client)

    def poll(self, when: int, client: int) -> None:
        self.made.add(Kind.POLL, when, client, polls=self.polls[client])
        self.polls[client] += 1
        self.since[client] = when
        self.then(when + (self.late() if self.model.held_up else US), self.look, client)

    def event(self, when: int, _: int) -> None:
        model = self.model
        if model.status is Status.SWAPPED:
            swapped = sum(at <= when for at in model.swapped)
            self.status, self.swapped = swapped > self.swapped, swapped
            if not self.status and not model.always:
                return
        else:
            self.status, self.newest = True, self.newest + 1
        if model.wakes is Wakes.EVERYONE:
            for client in sorted(self.asleep):
                if client >= model.deaf:
                    self.asleep.discard(client)
                    self.then(when + self.late(), self.look, client)

    def look(self, when: int, client: int) -> None:
        model = self.model
        if model.throttled and self.unread(client):
            if when // TICK <= self.tick:
                self.then((when // TICK + 1) * TICK + US, self.look, client)
                return
            self.tick = when // TICK
        if self.pollin(when, client):
            self.then(when + self.late(), self.wakeup, client)
        else:
            self.asleep.add(client)

    def unread(self, client: int) -> bool:
        return self.newest > self.seen[client]

    def pollin(self, when: int, client: int) -> bool:
        low = self.model.is_low(when)
        match self.model.asks:
            case Asks.STATUS:
                return self.has_status(when, client)
            case Asks.GATE:
                return low
            case Asks.EITHER:
                return low or self.has_status(when, client)
            case Asks.BOTH:
                return self.has_status(when, client) and low

    def has_status(self, when: int, client: int) -> bool:
        if self.model.status is Status.UNREAD:
            return self.unread(client)
        if self.model.status is Status.SWAPPED:
            return self.status or self.model.always
        at, count = self.taken
        if self.status:
            self.status, self.taken = not self.model.takes, (when, 1)
            return True
        # With several CPUs, each may see it before it is cleared.
        if when == at and count < self.model.cpus:
            self.taken = (at, count + 1)
            return True
        return False

    def wakeup(self, when: int, client: int) -> None:
        self.made.add(Kind.WAKEUP, when, client, revents=1, result=1, since_ns=self.since[client])
        if self.model.reads:
            self.made.add(Kind.READ, when + 2, client, result=0)
            if self.model.takes:
                self.seen[client] = self.newest
        if self.model.kind is ClientKind.EXIT:
            self.gone.add(client)
            self.made.add(Kind.EXIT, when + US, client, op=Op.CLIENTS)
        else:
            self.then(when + self.model.pause, self.poll, client)
