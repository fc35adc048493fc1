"""Checks of wakeups for revisions that wake everyone, or nobody.

With these, poll() decides who gets POLLIN. The number of POLLINs within a time is bounded. The
bounds hold for the times of the decisions, which are not logged: each lies between `Waits.low` and
`Waits.at`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from memnotify.check.promises import (
    FASTEST_TICK_NS,
    HELD_UP_NS,
    RUN_NS,
    TICK_NS,
    Answer,
    Asks,
    Break,
    Invariant,
    Status,
)
from memnotify.check.story import NEVER, Story, seconds
from memnotify.records.log import Flags, Ints, ints

_WIDEST = 6
"""Bursts are searched for within this many rate intervals, longer than any client is delayed."""

_CHUNK = 10_000


def everyone(story: Story) -> Answer | None:
    """Check that a notification wakes all waiting clients, if they have POLLIN when they look.

    Memory is certainly low when they look only if all samples around are far below the gate. Near
    the gate, kswapd may lift the sum above it for some milliseconds that no sample shows. Returns
    None if this cannot be decided: if the first to look takes what the others would have found, if
    each has to wait its turn, or if the status of a zone may be 0 again.
    """
    promises = story.promises
    lasts = promises.asks is Asks.EITHER and promises.status is Status.SWAPPED
    if lasts and (promises.look_ns or 0) <= HELD_UP_NS + TICK_NS:
        return None
    by_gate = promises.asks in (Asks.GATE, Asks.EITHER) or (
        promises.asks is Asks.BOTH and promises.status is Status.UNREAD
    )
    if promises.throttled or not (lasts or by_gate):
        return None
    waits, samples = story.waits, story.samples
    woken = story.woken()
    tested, breaks, passed = 0, [], 0
    for i in woken[story.asleep(woken)].tolist():
        first = int(waits.at[i])
        if first < passed:
            continue
        passed = first + HELD_UP_NS
        if passed >= story.end_ns:
            break  # the rest may have been woken after the end of the log
        near = (samples.times > first - HELD_UP_NS) & (samples.times < passed)
        there = (waits.since < first - HELD_UP_NS) & (waits.at >= first) & (waits.gone > passed)
        there &= ~waits.signal
        stays = lasts or samples.deep[near].all()
        if not there.any() or not stays or not story.calm(first - HELD_UP_NS, passed):
            continue
        left = np.flatnonzero(there & (waits.at >= passed))
        # If the woken clients give memory back, there may have been enough between two samples.
        sure = lasts or story.keeps
        tested += int(not left.size or sure)
        if left.size and sure:
            breaks.append(
                Break(
                    records=(int(waits.wakeup[i]), *waits.poll[left].tolist()),
                    time_ns=first,
                    promised="all waiting clients are woken",
                    seen=f"{left.size} were not woken within {seconds(HELD_UP_NS)}, though "
                    + ("the status stays set" if lasts else "memory stayed low"),
                )
            )
    return Answer(invariant=Invariant.BATCH, tested=tested, breaks=tuple(breaks))


def nobody(story: Story) -> Answer:
    """Check that no client that sleeps in poll() is woken; one that looks by itself may get POLLIN.

    A test is a client that sleeps while pages are scanned.
    """
    waits, woken = story.waits, story.woken()
    asleep = woken[story.asleep(woken)]
    breaks = tuple(
        Break(
            records=(int(waits.poll[i]), int(waits.wakeup[i])),
            time_ns=int(waits.at[i]),
            client=int(waits.client[i]),
            promised="no client that sleeps in poll() is woken",
            seen=f"POLLIN after {seconds(int(waits.at[i] - waits.since[i]))}",
        )
        for i in asleep.tolist()
    )
    end = np.minimum(np.minimum(waits.at, waits.gone), min(story.end_ns, NEVER))
    long = ~waits.signal & (end - waits.since > 2 * HELD_UP_NS)
    known, scanned = story.grew("pgscan", waits.since + HELD_UP_NS, end - HELD_UP_NS)
    tested = np.unique(waits.client[long & known & scanned]).size
    return Answer(invariant=Invariant.SILENCE, tested=max(tested, len(breaks)), breaks=breaks)


def once(story: Story) -> Answer:
    """Check that only one poll() gets POLLIN from a notification: the one that takes the status.

    Two notifications on one CPU are at least the rate apart, and one may be left from before. With
    several CPUs, each has its own rate, and each may see the same status before one clears it.
    """
    rate = (story.promises.rate_ns or 0) - TICK_NS
    cpus = story.cpus
    sources = cpus if story.promises.rate_of_cpu else 1

    if rate <= 0:
        return Answer(invariant=Invariant.ONCE, tested=0)

    def most(span: int) -> int:
        return cpus * (sources * (span // rate + 1) + 1)

    waits, asked = story.waits, _polled(story)
    breaks = tuple(
        _burst(story, asked[a:b], most, "one POLLIN for each notification")
        for a, b in _bursts(waits.low[asked], waits.at[asked], most, rate)
    )
    # A client that polls again, or enough waiting clients, could have got another POLLIN at once.
    more = _again(story, asked) | (_waiting(story, asked) > most(HELD_UP_NS + RUN_NS))
    tested = int(np.count_nonzero(more & _low_after(story, asked)))
    return Answer(invariant=Invariant.ONCE, tested=max(tested, len(breaks)), breaks=breaks)


def each(story: Story) -> Answer:
    """Check the rate of notifications if a client that has read() one waits for the next.

    If a client read() after each POLLIN, each POLLIN after the first needs a new notification.
    """
    promises, waits = story.promises, story.waits
    rate = (promises.rate_ns or 0) - TICK_NS
    if rate <= 0:
        return Answer(invariant=Invariant.RATE, tested=0)
    sources = story.cpus if promises.rate_of_cpu else 1

    def most(span: int) -> int:
        return 1 + sources * (span // rate + 1)

    asked = np.flatnonzero(waits.woken & ~waits.signal)  # by client, and then by time
    read = story.was_read(asked)
    ends = np.flatnonzero((np.diff(waits.client[asked]) != 0) | ~read[:-1]) + 1
    breaks = tuple(
        _burst(story, run[a:b], most, "a notification for each POLLIN that was read")
        for run in np.split(asked, ends)
        for a, b in _bursts(waits.at[run], waits.at[run], most, rate)
    )
    tested = int(np.count_nonzero(read & _again(story, asked) & _low_after(story, asked)))
    return Answer(invariant=Invariant.RATE, tested=max(tested, len(breaks)), breaks=breaks)


def throttle(story: Story) -> Answer:
    """Check that at most one poll() per tick gets as far as the gate, on each CPU.

    Sleeping clients are woken all together, and may log it late. So this shows with clients that
    poll again at once and still find memory low.
    """
    cpus = story.cpus

    def most(span: int) -> int:
        return cpus * (span // FASTEST_TICK_NS + 2)

    asked = _polled(story)
    low, at = story.waits.low[asked], story.waits.at[asked]
    breaks = tuple(
        _burst(story, asked[a:b], most, "at most one POLLIN per tick")
        for a, b in _bursts(low, at, most, FASTEST_TICK_NS)
    )
    tested = int(np.count_nonzero(_again(story, asked) & _low_after(story, asked)))
    return Answer(invariant=Invariant.THROTTLE, tested=max(tested, len(breaks)), breaks=breaks)


def _polled(story: Story) -> Ints:
    """Return the waits that ended with POLLIN, by time."""
    asked = story.woken()
    return asked[~story.waits.signal[asked]]


def _again(story: Story, asked: Ints) -> Flags:
    """Return after which of these waits the client was back in poll() at once."""
    waits = story.waits
    following = np.minimum(asked + 1, waits.client.size - 1)  # by client, and then by time
    same = (following != asked) & (waits.client[following] == waits.client[asked])
    return np.asarray(same & (waits.since[following] - waits.at[asked] < RUN_NS), bool)


def _waiting(story: Story, asked: Ints) -> Ints:
    """Count the clients that were in poll() when each of these waits ended."""
    waits = story.waits
    polls = ~waits.signal
    since, end = (np.sort(x[polls]) for x in (waits.since, np.minimum(waits.at, waits.gone)))
    at = waits.at[asked]
    return ints(np.searchsorted(since, at, "left") - np.searchsorted(end, at, "right"))


def _low_after(story: Story, asked: Ints) -> Flags:
    """Return for which of these waits the next sample shows that memory is low."""
    after = np.searchsorted(story.samples.times, story.waits.at[asked], side="left")
    return np.asarray(np.append(story.samples.low, False)[after], bool)


def _bursts(
    low: Ints, at: Ints, most: Callable[[int], int], step: int
) -> Iterator[tuple[int, int]]:
    """Yield slices of POLLINs, by time, that hold more decisions than their time span allows.

    `most(span)` grows with each `step` of the span. Slices do not overlap.
    """
    start = np.zeros(at.size, bool)
    size = np.zeros(at.size, np.int64)
    for steps in reversed(range(_WIDEST)):
        many = most(steps * step) + 1
        if many > at.size:
            continue
        earliest = np.lib.stride_tricks.sliding_window_view(low, many).min(axis=1)
        found = np.flatnonzero(at[many - 1 :] - earliest < (steps + 1) * step)
        start[found], size[found] = True, many
    end = 0
    for a in np.flatnonzero(start).tolist():
        if a < end:
            continue
        end = a + _length(low[a : a + _CHUNK], at[a : a + _CHUNK], most, int(size[a]))
        yield a, end


def _length(low: Ints, at: Ints, most: Callable[[int], int], least: int) -> int:
    """Return how many of these, counted from the first, are too many; at least `least` are."""
    spans = at - np.minimum.accumulate(low)
    for count, span in enumerate(spans.tolist()[least:], least + 1):
        if count <= most(span):
            return count - 1
    return int(at.size)


def _burst(story: Story, asked: Ints, most: Callable[[int], int], promised: str) -> Break:
    waits = story.waits
    span = int(waits.at[asked[-1]] - waits.low[asked].min())
    logged = int(waits.at[asked[-1]] - waits.at[asked[0]])
    clients = np.unique(waits.client[asked])
    return Break(
        records=tuple(waits.wakeup[asked].tolist()),
        time_ns=int(waits.at[asked[0]]),
        client=int(clients[0]) if clients.size == 1 else None,
        promised=f"{promised}: at most {most(span)} in {seconds(span)}",
        seen=f"{asked.size}, logged within {seconds(logged)}",
    )
