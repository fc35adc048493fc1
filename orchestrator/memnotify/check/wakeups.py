"""Checks of wakeups: guard, rate, batch, order and signals.

Notifications are not logged, and a woken client logs its wakeup late if its pages have to be
swapped in first. But the first client of a batch is not that late. So if nobody has been woken for
as long as a client can be delayed in a calm guest, a notification came just before the next wakeup.
Until another one can come, all wakeups belong to it: this is a window.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from memnotify.check.promises import (
    HELD_UP_NS,
    LATE_NS,
    QUEUE_NS,
    RUN_NS,
    TICK_NS,
    Answer,
    Break,
    Invariant,
    Wakes,
)
from memnotify.check.story import NEVER, Story, Watchers, seconds
from memnotify.records.log import Flags, Ints
from memnotify.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The wakeups of one notification, if the rate is kept; waits, by time.

    The notification came between `low` and `first`, and the next one not before `end`.
    """

    low: int
    first: int
    end: int
    polls: Ints
    signals: Ints


def windows(story: Story) -> list[Window]:
    """Return a window for each wakeup without another one shortly before, by time."""
    rate = story.promises.rate_ns
    if rate is None or story.promises.rate_of_cpu or story.promises.wakes is not Wakes.FIFO:
        return []
    waits, woken = story.waits, story.woken()
    at = waits.at[woken]
    quiet = np.flatnonzero(np.diff(at, prepend=-NEVER) > HELD_UP_NS)
    found = []
    for i in quiet.tolist():
        first = int(at[i])
        low = first - LATE_NS
        end = low + rate - TICK_NS
        members = woken[i : int(np.searchsorted(at, end, side="left"))]
        # A client that returned from poll() at once may not have been in the queue.
        queued = waits.at[members] - waits.since[members] > RUN_NS
        signal = waits.signal[members]
        if (queued[0] or signal[0]) and story.calm(first - HELD_UP_NS, first):
            polls, signals = members[queued & ~signal], members[signal]
            found.append(Window(low=low, first=first, end=end, polls=polls, signals=signals))
    return found


def guard(story: Story, told: list[Window]) -> Answer:
    """Check that no open file gets a second POLLIN within the guard, nor one that soon after boot.

    The guard runs from the first POLLIN, not from when it was logged. So a pair breaks it only if
    it does with the earliest possible time of the first. It is a test only if that time is known to
    within half the guard, and the client was back in poll() while the guard ran.
    """
    waits, low = story.waits, story.waits.low.copy()
    for window in told:
        low[window.polls] = np.maximum(low[window.polls], window.low)
    tested, breaks = 0, []
    before: int | None = None
    asked = np.flatnonzero(waits.woken & ~waits.signal)
    watchers = story.watchers.each_at_least(waits.since[asked], waits.at[asked])
    guard_ns = functools.cache(story.guard_ns)
    columns = (asked, waits.at[asked], waits.since[asked], watchers)
    each = zip(*(column.tolist() for column in columns), strict=True)
    for i, at, since, count in each:
        if before is not None and waits.client[before] != waits.client[i]:
            before = None
        # The time stamp of a newly opened file is the boot.
        start, logged = (0, 0) if before is None else (int(low[before]), int(waits.at[before]))
        least = guard_ns(count)
        if at - start < least - TICK_NS:
            pair = (i,) if before is None else (before, i)
            breaks.append(
                Break(
                    records=tuple(waits.wakeup[list(pair)].tolist()),
                    time_ns=at,
                    client=int(waits.client[i]),
                    promised=f"{seconds(least)} from "
                    + ("boot to POLLIN" if before is None else "one POLLIN to the next"),
                    seen=f"{seconds(at - logged)}, at most {seconds(at - start)}",
                )
            )
        tested += int(logged - start <= least // 2 and since < start + least)
        before = i
    tested = max(tested, len(breaks))
    return Answer(invariant=Invariant.GUARD, tested=tested, breaks=tuple(breaks))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queue:
    """The clients that queued when a notification came, and stayed: waits, the longest first."""

    waits: Ints
    free: Flags  # those whose guard was over


def _queue(story: Story, window: Window) -> _Queue:
    waits = story.waits
    there = ~waits.signal & (waits.since + RUN_NS < window.low) & (waits.at >= window.first)
    found = np.flatnonzero(there & (waits.gone > window.first + HELD_UP_NS))
    found = found[np.argsort(waits.since[found], kind="stable")]
    most = story.guard_ns(story.watchers.at_most(window.low, window.end))
    return _Queue(waits=found, free=waits.before[found] + most + TICK_NS < window.low)


def _shares(story: Story, window: Window) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the least and greatest (signals, polls) of a notification; None for everyone."""
    shares = story.promises.shares
    if shares is None:
        return None
    span = (window.low, window.end)
    # Try every number between the bounds: a rounded share can shrink with one more watcher.
    found = [
        shares(watchers, min(fasync, watchers))
        for watchers in _numbers(story.watchers, span)
        for fasync in _numbers(story.fasync, span)
        if watchers > 0
    ]
    if not found:
        return None
    signals, polls = zip(*found, strict=True)
    return (min(signals), min(polls)), (max(signals), max(polls))


def _numbers(watchers: Watchers, span: tuple[int, int]) -> range:
    """Return the possible numbers of open files during a time span."""
    return range(max(watchers.at_least(*span), 0), max(watchers.at_most(*span), 0) + 1)


def notifications(story: Story, told: list[Window]) -> list[Answer]:
    """Check rate, batch, order and signals."""
    waits = story.waits
    tested = dict.fromkeys((Invariant.RATE, Invariant.BATCH, Invariant.ORDER, Invariant.SIGNALS), 0)
    breaks: dict[Invariant, list[Break]] = {name: [] for name in tested}
    for window in told:
        shares = _shares(story, window)
        if shares is None:
            continue
        least, most = shares
        queue = _queue(story, window)
        if window.polls.size > most[1]:
            name, found = _too_many(story, window, most[1])
            breaks[name].append(found)
            tested[name] += 1
            continue
        if story.promises.fasync and story.signals_logged:
            for found in _wrong_signals(story, window, least[0], most[0]):
                breaks[Invariant.SIGNALS].append(found)
            known = story.fasync.at_least(window.low, window.end) > 0
            tested[Invariant.SIGNALS] += int(known and least == most)
        if not window.polls.size:
            continue
        free = int(np.count_nonzero(queue.free))
        tested[Invariant.RATE] += int(window.polls.size >= least[1] and free > window.polls.size)
        few = _too_few(story, window, queue, least[1])
        breaks[Invariant.BATCH] += few or []
        tested[Invariant.BATCH] += int(few is not None or free > most[1])
        skipped = _skipped(story, window, queue, most[1])
        breaks[Invariant.ORDER] += skipped or []
        came = waits.since[queue.waits[queue.free]]
        apart = came.size > window.polls.size and came[-1] - came[0] > QUEUE_NS
        tested[Invariant.ORDER] += int(skipped is not None and apart)
    return [Answer(invariant=n, tested=tested[n], breaks=tuple(breaks[n])) for n in tested]


def _too_many(story: Story, window: Window, most: int) -> tuple[Invariant, Break]:
    """Return what broke if more were woken than one notification may wake.

    Either it was too big, or two came too soon. If the wakeups come in groups that one notification
    may wake, a tick or more apart, two came too soon.
    """
    at = story.waits.at[window.polls]
    groups = np.split(at, np.flatnonzero(np.diff(at) >= TICK_NS) + 1)
    fits = max(group.size for group in groups) <= most
    span = int(at[-1] - at[0])
    rate = story.promises.rate_ns or 0
    return Invariant.RATE if fits else Invariant.BATCH, Break(
        records=_records(story, window.polls),
        time_ns=window.first,
        promised=f"{seconds(rate)} between notifications"
        if fits
        else f"at most {most} woken at once",
        seen=f"{window.polls.size} woken within {seconds(span)}, "
        + (f"in groups of {', '.join(str(g.size) for g in groups)}" if fits else "in one batch"),
    )


def _too_few(story: Story, window: Window, queue: _Queue, least: int) -> list[Break] | None:
    """Find a batch that was too small; return None if that cannot be decided.

    All clients in front whose guard was over must have been woken, if the status stayed 1 until
    they had run; in a calm guest, they log it soon.
    """
    waits = story.waits
    front = queue.waits[:least]
    if not story.in_turn or not front.size or not _all_looked(story, window):
        return None
    near = waits.since[queue.waits] <= waits.since[front[-1]] + QUEUE_NS
    if not queue.free[near].all():
        return None  # a guarded client took a place, and got nothing
    # Any wakeup soon after may be of this notification, logged late.
    came = waits.woken & ~waits.signal
    came &= (waits.at >= window.first) & (waits.at < window.first + HELD_UP_NS)
    got = int(np.count_nonzero(came))
    if got >= front.size:
        return []
    left = queue.waits[~np.isin(queue.waits, np.flatnonzero(came))]
    return [
        Break(
            records=(*_records(story, window.polls), *waits.poll[left].tolist()),
            time_ns=window.first,
            promised=f"{front.size} of {queue.waits.size} waiting clients woken",
            seen=f"{got} in {seconds(HELD_UP_NS)}, though the status stayed 1",
        )
    ]


def _all_looked(story: Story, window: Window) -> bool:
    """Return whether all woken clients certainly found the status at 1, and logged their wakeup.

    The notification set the status, and only the next one can set it again: if a sample before that
    shows 1, it was 1 all the time.
    """
    after, before = window.first + RUN_NS, window.end - RUN_NS
    return story.samples.on_between(after, before) and _logged(story, window)


def _logged(story: Story, window: Window) -> bool:
    """Return whether after 500 ms no woken client can still be about to log its wakeup."""
    end = window.first + HELD_UP_NS
    return end < story.end_ns and story.calm(end - HELD_UP_NS // 2, end)


def _skipped(story: Story, window: Window, queue: _Queue, most: int) -> list[Break] | None:
    """Find clients passed over for others behind them; return None if that cannot be decided."""
    waits = story.waits
    if not story.in_turn:
        return None
    newest = int(waits.since[window.polls].max())
    ahead = queue.waits[queue.free & (waits.since[queue.waits] + QUEUE_NS < newest)]
    missing = ahead[~np.isin(ahead, window.polls)]
    if not missing.size:
        return []
    if window.polls.size + missing.size <= most:
        # They may have been woken as well: and log it late, or have found the status at 0 again.
        late = waits.woken[missing] & (waits.at[missing] < window.first + HELD_UP_NS)
        missing = missing[~late]
        if missing.size and not _all_looked(story, window):
            return None
    return [_passed_over(story, window, missing, newest)] if missing.size else []


def _passed_over(story: Story, window: Window, skipped: Ints, newest: int) -> Break:
    waits = story.waits
    behind = window.polls[waits.since[window.polls] > int(waits.since[skipped].min()) + QUEUE_NS]
    return Break(
        records=(*_records(story, behind), *waits.poll[skipped].tolist()),
        time_ns=window.first,
        promised="the clients that have waited longest first",
        seen=f"{skipped.size} skipped clients had waited up to "
        f"{seconds(newest - int(waits.since[skipped].min()))} longer than one that was "
        "woken",
    )


def _wrong_signals(story: Story, window: Window, least: int, most: int) -> list[Break]:
    waits = story.waits
    if window.signals.size > most:
        seen = counted(window.signals.size, "signal")
    elif _logged(story, window):
        at = waits.at[waits.signal & waits.woken]
        got = int(np.count_nonzero((at >= window.low) & (at < window.first + HELD_UP_NS)))
        if got >= least:
            return []
        seen = f"{got} in {seconds(HELD_UP_NS)}"
    else:
        return []
    exactly = counted(least, "signal") if least == most else f"{least} to {most} signals"
    return [
        Break(
            records=_records(story, np.concatenate([window.polls, window.signals])),
            time_ns=window.first,
            promised=f"{exactly} with each notification",
            seen=seen,
        )
    ]


def _records(story: Story, waits: Ints) -> tuple[int, ...]:
    return tuple(story.waits.wakeup[waits].tolist())
