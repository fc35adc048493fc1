"""A guest's log as the checks read it: who waited, when, and what the samples show.

All times are guest time, CLOCK_MONOTONIC in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memnotify.check.promises import CALM_TASKS, HELD_UP_NS, Promises
from memnotify.records.clients import of_mem_notify, was_notified
from memnotify.records.layout import Kind
from memnotify.records.log import Flags, Ints, RecordLog, Records, indexes, ints
from memnotify.records.zones import gate_of
from memnotify.scenario import CLIENT_KINDS, OWN_KINDS, ClientKind, Habit, Op
from memnotify.units import NS_PER_S

NEVER = 2**62
_RECLAIM = frozenset(("pswpin", "pswpout", "pgscan", "pgsteal"))
_HIGHMEM = b"HighMem"


def seconds(ns: int) -> str:
    """Return a time as text for `seen` and `promised`."""
    return f"{ns / NS_PER_S:.3f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Each time a client went into poll(), or waited for SIGIO; by client, then by time.

    `at` is when it came back, NEVER if it did not; `woken` whether it had POLLIN. That was decided
    between `low` and `at`. `before` is when the client last had POLLIN before, 0 (boot) if never.
    From `gone` on, its process may be gone. `poll` and `wakeup` are the indexes of the two records.
    """

    client: Ints
    signal: Flags
    since: Ints
    at: Ints
    woken: Flags
    poll: Ints
    wakeup: Ints
    low: Ints
    before: Ints
    gone: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The samples of /proc/zoneinfo, by time, with one flag of each kind per sample.

    `on`: some zone's status is 1. `low`: memory is low according to the gate. `deep`: at most half
    of what the gate allows is free, in some zone or in sum. `plenty`: more than twice what the gate
    allows is free, in every zone or in sum; `each_plenty`: in every zone.
    """

    times: Ints
    on: Flags
    low: Flags
    deep: Flags
    plenty: Flags
    each_plenty: Flags
    rows: tuple[Ints, ...]  # for each sample, its rows in the ZONE records

    def around(self, first_ns: Ints, last_ns: Ints) -> tuple[Ints, Ints]:
        """Return, for each pair, the sample at or before the first time and at or after the second.

        If there is none, the index is -1 or the number of samples.
        """
        return (
            ints(np.searchsorted(self.times, first_ns, side="right") - 1),
            ints(np.searchsorted(self.times, last_ns, side="left")),
        )

    def on_between(self, first_ns: int, last_ns: int) -> bool:
        """Return whether a sample between the two times shows a status of 1."""
        return bool(np.any(self.on & (self.times > first_ns) & (self.times < last_ns)))


def _with_fasync(clients: Records) -> Flags:
    """Return which CLIENT records are of files with FASYNC, whether or not they also poll."""
    also: Flags = ints(clients["habits"]) & Habit.FASYNC != 0
    found: Flags = (clients["client_kind"] == ClientKind.FASYNC) | also
    return found


class Watchers:
    """How many files were open on the device: bounds, because records do not tell exactly."""

    def __init__(self, log: RecordLog, *, fasync_only: bool = False) -> None:
        rows = log.kind(Kind.CLIENT)
        rows = rows[rows["errno"] == 0]
        if fasync_only:
            rows = rows[_with_fasync(rows)]
        clients, opened = ints(rows["client"]), ints(rows["time_ns"])
        if fasync_only:
            # FASYNC is set after the file was opened, and before the client first waits.
            polls = log.kind(Kind.POLL)
            polls = polls[polls["polls"] == 0]
            times = ints(polls["time_ns"]).tolist()
            waited = dict(zip(polls["client"].tolist(), times, strict=True))
            opened = ints([waited.get(client, NEVER) for client in clients.tolist()])
        steps, exits = log.kind(Kind.STEP), log.kind(Kind.EXIT)
        starts = ints(steps["time_ns"])[steps["op"] == Op.CLIENTS]
        started = _last_before(starts, ints(rows["time_ns"]), default=0)
        exits = exits[np.isin(exits["client"], clients)]
        left = ints(exits["time_ns"])
        self._opened, self._started = np.sort(opened[_stays_open(log, rows)]), np.sort(started)
        self._left, self._leaving = np.sort(left), np.sort(_earliest_exit(log, exits))

    def at_least(self, first_ns: int, last_ns: int) -> int:
        """Return the least number of files that were open the whole time."""
        return _upto(self._opened, first_ns) - _upto(self._leaving, last_ns)

    def each_at_least(self, first_ns: Ints, last_ns: Ints) -> Ints:
        """Return the same for each pair of times."""
        opened = np.searchsorted(self._opened, first_ns, side="right")
        return ints(opened - np.searchsorted(self._leaving, last_ns, side="right"))

    def at_most(self, first_ns: int, last_ns: int) -> int:
        """Return the greatest number of files that were open at any time."""
        return _upto(self._started, last_ns) - _upto(self._left, first_ns)


def _stays_open(log: RecordLog, rows: Records) -> Flags:
    """Return which CLIENT records are of a file that surely stays open until its client ends.

    A program of the user's own may open the device twice, or close it; of a binary, not even the
    first is known.
    """
    left = log.kind(Kind.LEFT)
    closers = left["client"][left["closed"] != 0]
    clients, opens = np.unique(rows["client"], return_counts=True)
    own = np.isin(rows["client_kind"], OWN_KINDS)
    unsure = np.isin(rows["client"], closers) | np.isin(rows["client"], clients[opens > 1])
    stays: Flags = ~(own & unsure) & (rows["client_kind"] != ClientKind.LINES)
    return stays


def _upto(times: Ints, when: int) -> int:
    return int(np.searchsorted(times, when, side="right"))


def _last_before(times: Ints, when: Ints, *, default: int) -> Ints:
    """Return, for each of `when`, the last of the sorted `times` that is not after it."""
    if not times.size:
        return np.full(when.size, default, np.int64)
    place = np.searchsorted(times, when, side="right") - 1
    return np.where(place >= 0, times[np.maximum(place, 0)], default)


def _earliest_exit(log: RecordLog, exits: Records) -> Ints:
    """Return the earliest time at which each process may be gone; EXIT is logged at the reaping."""
    reaped = ints(exits["time_ns"])
    # The agent kills clients only at a step, or after the last sample.
    steps = log.kind(Kind.STEP)
    stops = ints(steps["time_ns"])[(steps["op"] == Op.STOP) & (steps["arg0"] == Op.CLIENTS)]
    stopped = _last_before(stops, reaped, default=-1)
    at_end = _last_before(ints(log.kind(Kind.MEMINFO)["time_ns"]), reaped, default=0)
    killed = np.where(stopped >= 0, stopped, at_end)
    told = [log.kind(kind) for kind in (Kind.CLIENT, Kind.POLL, Kind.WAKEUP)]
    clients, place = np.unique(exits["client"], return_inverse=True)
    last = np.zeros(clients.size, np.int64)
    for rows in told if clients.size else ():
        at = np.minimum(np.searchsorted(clients, rows["client"]), clients.size - 1)
        ours = clients[at] == rows["client"]
        np.maximum.at(last, at[ours], ints(rows["time_ns"])[ours])
    return np.where(exits["sent_by_agent"] != 0, killed, last[place])


def _places(client: Ints, index: Ints) -> NDArray[np.uint64]:
    """Return numbers that sort by client, then by index in the log."""
    return (client.astype(np.uint64) << np.uint64(32)) + index.astype(np.uint64)


def _newest(client: Ints, at: Ints, woken: Flags) -> Ints:
    """Return when the client of each wait had last been woken before it; 0 if never."""
    newest: dict[int, int] = {}
    before = np.zeros(client.size, np.int64)
    for i, who in enumerate(client.tolist()):
        before[i] = newest.get(who, 0)
        if woken[i]:
            newest[who] = int(at[i])
    return before


class Story:
    """A log, prepared for checks against a revision's promises.

    `log` leaves out clients that do not watch mem_notify; `end_ns` and `cpus` are of the whole log.
    """

    def __init__(self, log: RecordLog, promises: Promises) -> None:
        self.log = of_mem_notify(log)
        self.promises = promises
        self.cpus, self.end_ns = log.cpus, log.end_ns
        self.watchers = Watchers(self.log)
        self.fasync = Watchers(self.log, fasync_only=True)

    @property
    def zones(self) -> Records:
        """Return the ZONE records, to which `Samples.rows` and `gates` refer."""
        return self.log.kind(Kind.ZONE)

    @cached_property
    def samples(self) -> Samples:
        zones, promises = self.zones, self.promises
        times, sample = np.unique(ints(zones["time_ns"]), return_inverse=True)
        count = times.size

        def any_of(flags: Flags) -> Flags:
            found: Flags = np.bincount(sample[flags], minlength=count) > 0
            return found

        status, free, gate = ints(zones["status"]), ints(zones["free"]), self.gates
        strict = int(promises.gate.strict)
        asked = status != -1
        each_plenty = ~any_of(asked & (free <= 2 * gate + self._unusable))
        if promises.gate.sum:
            chosen = promises.gate.highmem | (zones["name"] != _HIGHMEM)
            total, limit = (
                np.bincount(sample[chosen], weights=column[chosen], minlength=count)
                for column in (free, gate)
            )
            low, plenty = total <= limit - strict, total > 2 * limit
            deep = 2 * total <= limit
        else:
            low, plenty = any_of(asked & (free <= gate - strict)), each_plenty
            deep = any_of(asked & (2 * free <= gate))
        order = np.argsort(sample, kind="stable")
        return Samples(
            times=times,
            on=any_of(status == 1),
            low=low,
            deep=deep,
            plenty=plenty,
            each_plenty=each_plenty,
            rows=tuple(np.split(order, np.cumsum(np.bincount(sample, minlength=count))[:-1])),
        )

    @cached_property
    def gates(self) -> Ints:
        """Return the gate of each ZONE record, in pages."""
        gate = self.promises.gate
        return gate_of(self.zones, factor=gate.factor, mark=gate.mark)

    @property
    def _unusable(self) -> Ints:
        """Return the free pages that zone_watermark_ok() may not count, for a gate like v1's.

        Since 4.4: a hundredth of the zone and one block, reserved for atomic allocations.
        """
        gate, present = self.promises.gate, ints(self.zones["present"])
        asks_it = gate.mark == "low" and not gate.sum
        return present // 100 + 1024 if asks_it else np.zeros_like(present)

    def grew(self, counter: str, first_ns: Ints, last_ns: Ints) -> tuple[Flags, Flags]:
        """Return for which pairs of times a counter of reclaim is known, and whether it grew.

        Its value in the sample at or before the first time is compared with that at or after the
        second.
        """
        rows = self.log.kind(Kind.RECLAIM if counter in _RECLAIM else Kind.PAGING)
        times, values = ints(rows["time_ns"]), ints(rows[counter])
        first = np.searchsorted(times, first_ns, side="right") - 1
        last = np.searchsorted(times, last_ns, side="left")
        known = (first >= 0) & (last < times.size)
        grew = np.zeros(known.size, bool)
        grew[known] = values[last[known]] != values[first[known]]
        return known, grew

    @cached_property
    def waits(self) -> Waits:
        polls, wakeups = self.log.kind(Kind.POLL), self.log.kind(Kind.WAKEUP)
        # POLL and WAKEUP of a client alternate: its WAKEUP follows its POLL.
        client = np.concatenate([ints(polls["client"]), ints(wakeups["client"])])
        index = np.concatenate([indexes(polls), indexes(wakeups)])
        came_back = np.repeat([False, True], [len(polls), len(wakeups)])
        order = np.lexsort((index, client))
        one, next_one = order[:-1], order[1:]
        pairs = ~came_back[one] & came_back[next_one] & (client[one] == client[next_one])
        partner = np.full(order.size, -1, np.int64)
        partner[one[pairs]] = next_one[pairs] - len(polls)
        poll = order[~came_back[order]]
        row = partner[poll]
        paired = row >= 0
        at = np.full(poll.size, NEVER, np.int64)
        at[paired] = ints(wakeups["time_ns"])[row[paired]]
        woken = np.zeros(poll.size, bool)
        woken[paired] = was_notified(wakeups)[row[paired]]
        wakeup = np.full(poll.size, -1, np.int64)
        wakeup[paired] = indexes(wakeups)[row[paired]]
        clients = self.log.kind(Kind.CLIENT)
        signalled = clients["client"][clients["client_kind"] == ClientKind.FASYNC]
        signal = np.isin(client[poll], signalled)
        since = ints(polls["time_ns"])[poll]
        exits = self.log.kind(Kind.EXIT)
        earliest = _earliest_exit(self.log, exits).tolist()
        gone = dict(zip(exits["client"].tolist(), earliest, strict=True))
        return Waits(
            client=client[poll],
            signal=signal,
            since=since,
            at=at,
            woken=woken,
            poll=indexes(polls)[poll],
            wakeup=wakeup,
            low=np.maximum(since, self._last_calm(at) - HELD_UP_NS),
            before=_newest(client[poll], at, woken),
            gone=ints([gone.get(who, NEVER) for who in client[poll].tolist()]),
        )

    def _last_calm(self, when: Ints) -> Ints:
        """Return for each of these times until when before it the guest was certainly calm."""
        times, calm = self._calm
        newest = _last_before(times, when, default=0)
        newest_calm = _last_before(times[calm], when, default=0)
        return np.where(newest == newest_calm, when, newest_calm)

    def calm(self, first_ns: int, last_ns: int) -> bool:
        """Return whether there are samples between two times, all of a calm guest."""
        times, calm = self._calm
        span = (times > first_ns) & (times < last_ns)
        return bool(span.any() and calm[span].all())

    @cached_property
    def _calm(self) -> tuple[Ints, Flags]:
        paging = self.log.kind(Kind.PAGING)
        return ints(paging["time_ns"]), paging["runnable"] <= CALM_TASKS

    @cached_property
    def in_turn(self) -> bool:
        """Return whether waiting clients queue in turn: one in epoll keeps its place when woken.

        A program of the user's own may use epoll.
        """
        kinds = self.log.kind(Kind.CLIENT)["client_kind"]
        return not np.isin(kinds, [ClientKind.EPOLL, *OWN_KINDS]).any()

    def asleep(self, waits: Ints) -> Flags:
        """Return which of these waits, all ended, were ended by a notification.

        Long after it began, in a calm guest, poll() has already looked once, and sleeps.
        """
        since, at = self.waits.since[waits], self.waits.at[waits]
        long = at - since > 2 * HELD_UP_NS
        calm = [
            bool(slept) and self.calm(when - 2 * HELD_UP_NS, when)
            for slept, when in zip(long, at.tolist(), strict=True)
        ]
        return np.array(calm, bool)

    @cached_property
    def signals_logged(self) -> bool:
        """Return whether all signals are logged; a client that also polls leaves its pending."""
        clients = self.log.kind(Kind.CLIENT)
        return not np.any(ints(clients["habits"]) & Habit.FASYNC)

    @cached_property
    def keeps(self) -> bool:
        """Return whether no client gives memory back when it is woken."""
        kinds = [kind for kind, traits in CLIENT_KINDS.items() if traits.keeps]
        return bool(np.isin(self.log.kind(Kind.CLIENT)["client_kind"], kinds).all())

    def was_read(self, waits: Ints) -> Flags:
        """Return after which of these waits the client read() the device before it polled again."""
        reads, whole = self.log.kind(Kind.READ), self.waits
        reads = reads[reads["result"] == 0]
        following = np.minimum(waits + 1, whole.client.size - 1)  # by client, and then by time
        same = (following != waits) & (whole.client[following] == whole.client[waits])
        until = np.where(same, whole.poll[following], NEVER)
        taken = np.sort(_places(ints(reads["client"]), indexes(reads)))
        from_, to = (
            np.searchsorted(taken, _places(whole.client[waits], bound))
            for bound in (whole.wakeup[waits], np.minimum(until, 2**32 - 1))
        )
        return np.asarray(from_ < to, bool)

    def guard_ns(self, watchers: int) -> int:
        """Return the guard for a number of watchers, in nanoseconds; 0 without one."""
        guard = self.promises.guard_s
        return round(guard(max(watchers, 0)) * NS_PER_S) if guard else 0

    def woken(self) -> Ints:
        """Return the waits that ended with POLLIN or SIGIO, by time."""
        found = np.flatnonzero(self.waits.woken)
        return found[np.argsort(self.waits.at[found], kind="stable")]
