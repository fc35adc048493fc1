"""Checks of POLLIN, gate and status against the samples of /proc/zoneinfo.

A sample shows one moment. What happened between two samples is decided only if both agree and are
far from the threshold; everything else is not a test.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from memnotify.check.promises import RUN_NS, Answer, Asks, Break, Invariant, Status
from memnotify.check.story import Story, seconds
from memnotify.records.layout import NO_STATUS
from memnotify.records.log import Flags, Ints, indexes, ints
from memnotify.records.zones import zone_numbers

_GAP_NS = 200_000_000
"""Samples further apart than this are not used."""

_LATE_TIMER_NS = 500_000_000
"""The time within which a kernel timer with this period has run, however busy the guest is."""


def pollin(story: Story) -> Answer:
    """Check that POLLIN is given only while poll() has a reason.

    A status of 1, or low memory, is a reason if it is in a sample from before the earliest decision
    to after the wakeup was logged. The promise is broken if no sample has one, and all show more
    than twice as much free memory as the gate, so that there was no reason between them either.
    """
    samples, waits, promises = story.samples, story.waits, story.promises
    asked = story.woken()
    asked = asked[~waits.signal[asked]]
    said, since, excuse = "the sum of free pages is low", waits.low[asked], None
    if not promises.gate.sum:
        said = "a zone is low"
    if promises.asks is Asks.EITHER and promises.status is Status.TAKEN:
        # A status that was left may be the reason of either of two successive POLLINs.
        since = np.minimum(since, np.concatenate([[0], since[:-1]]))
        excuse = _reclaimed(story, since, waits.at[asked])
        said += ", or once after reclaim"
    elif promises.asks is Asks.EITHER and promises.status is Status.SWAPPED:
        since = since - _looked_at(story)
        excuse = _swapped(story, since, waits.low[asked], waits.at[asked])
        said += ", or pages were swapped out just before"
    elif promises.asks is Asks.STATUS:
        said = "the status of a zone is 1"
    return _reasons(
        story,
        Invariant.POLLIN,
        asked,
        since,
        _Promise(
            text=f"POLLIN only while {said}",
            reason=samples.on if promises.asks is Asks.STATUS else samples.low,
            excuse=excuse,
        ),
    )


def gate(story: Story) -> Answer:
    """Check that a notification comes only when a zone is at or below the gate's threshold."""
    waits, asked = story.waits, story.woken()
    # A client that enters poll() while a status is 1 needs no notification.
    asked = asked[waits.signal[asked] | (waits.at[asked] - waits.since[asked] > RUN_NS)]
    return _reasons(
        story,
        Invariant.GATE,
        asked,
        waits.low[asked],
        _Promise(
            text="a notification only when a zone has no more free pages than the gate allows",
            reason=story.samples.low,
        ),
    )


def swap(story: Story) -> Answer:
    """Check that a timer wakes clients that sleep in poll() only after pages were swapped out."""
    waits, asked = story.waits, story.woken()
    asked = asked[story.asleep(asked)]
    since = waits.low[asked] - _looked_at(story)
    swapped = _swapped(story, since, waits.low[asked], waits.at[asked])
    return _reasons(
        story,
        Invariant.SWAP,
        asked,
        since,
        _Promise(
            text="a wakeup only after pages were swapped out",
            reason=np.zeros(story.samples.times.size, bool),
            excuse=swapped,
            plenty=False,
        ),
    )


def _looked_at(story: Story) -> int:
    """Return how long before a poll() the pages were swapped out that the timer saw, at most."""
    return 2 * (story.promises.look_ns or 0) + _LATE_TIMER_NS


def _swapped(story: Story, since: Ints, low: Ints, at: Ints) -> _Excuse:
    """Return where pages were swapped out, or may have been while nobody had the device open."""
    known, grew = story.grew("pswpout", since, at)
    watched = [
        story.watchers.at_least(*span) > 0
        for span in zip(since.tolist(), low.tolist(), strict=True)
    ]
    return _Excuse(known=known & np.array(watched, bool), there=grew)


def _reclaimed(story: Story, since: Ints, at: Ints) -> _Excuse:
    """Return where pages were scanned, or a zone was so short that kswapd may have run."""
    first, last = story.samples.around(since, at)
    known = (first >= 0) & (last < story.samples.times.size)
    there = np.zeros(known.size, bool)
    short = _among(~story.samples.each_plenty, first[known], last[known] + 1) > 0
    there[known] = short
    for counter in ("pgscan", "pgsteal", "pgrefill", "allocstall"):
        seen, grew = story.grew(counter, since, at)
        known, there = known & seen, there | grew
    return _Excuse(known=known, there=there)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Excuse:
    """A reason that no single sample shows: whether the log can tell, and whether it was there."""

    known: Flags
    there: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promise:
    """What each wait must have: one of the samples with a `reason`, or the excuse.

    With `plenty`, it is only broken if all samples also show plenty of free memory.
    """

    text: str
    reason: Flags
    excuse: _Excuse | None = None
    plenty: bool = True


def _among(flags: Flags, start: Ints, stop: Ints) -> Ints:
    """Count the flags in each slice."""
    count = np.concatenate([[0], np.cumsum(flags)])
    return ints(count[stop] - count[start])


def _reasons(
    story: Story, invariant: Invariant, asked: Ints, since: Ints, promise: _Promise
) -> Answer:
    """Check that each wait in `asked` had a reason, between `since` and when it was logged."""
    samples, waits, excuse = story.samples, story.waits, promise.excuse
    first, last = samples.around(since, waits.at[asked])
    known = (first >= 0) & (last < samples.times.size)
    if excuse is not None:
        known &= excuse.known
    asked, first, last = asked[known], first[known], last[known]
    reasons = _among(promise.reason, first, last + 1)
    if excuse is not None:
        reasons = reasons + excuse.there[known]
    gaps = _among(np.diff(samples.times) > _GAP_NS, first, last)
    broken = (reasons == 0) & (gaps == 0)
    if promise.plenty:
        broken &= _among(~samples.plenty, first, last + 1) == 0

    @functools.cache
    def shown(sample: int) -> tuple[list[int], str]:
        """Return a sample's records, and what it shows: many wakeups are beside the same one."""
        return _records(story, sample), _free(story, sample)

    breaks = []
    for i, a, b in zip(*(of[broken].tolist() for of in (asked, first, last)), strict=True):
        beside = [shown(sample) for sample in ((a,) if a == b else (a, b))]
        records = [record for of, _ in beside for record in of]
        seen = "; ".join(text for _, text in beside)
        breaks.append(
            Break(
                records=(int(waits.wakeup[i]), *records),
                time_ns=int(waits.at[i]),
                client=int(waits.client[i]),
                promised=promise.text,
                seen=seen,
            )
        )
    tested = int(np.count_nonzero(reasons)) + len(breaks)
    return Answer(invariant=invariant, tested=tested, breaks=tuple(breaks))


def _records(story: Story, sample: int) -> list[int]:
    return [int(index) for index in indexes(story.zones[story.samples.rows[sample]])]


def _free(story: Story, sample: int) -> str:
    """Return what a sample shows of each zone, as text."""
    rows = story.samples.rows[sample]
    zones = (
        f"{_name(zone)} {zone['free']} pages (gate {gate}), status {_status(zone)}"
        for zone, gate in zip(story.zones[rows], story.gates[rows], strict=True)
    )
    return f"{seconds(int(story.samples.times[sample]))}: " + ", ".join(zones)


def _name(zone: np.void) -> str:
    return bytes(zone["name"]).decode(errors="replace")


def _status(zone: np.void) -> str:
    return "-" if zone["status"] == NO_STATUS else str(zone["status"])


def clears(story: Story) -> Answer:
    """Check that a zone's status is 0 once its free pages have risen above the gate.

    Both are read under the zone's lock. A test is a sample above the gate whose predecessor had a
    status of 1.
    """
    zones = story.zones
    numbers = zone_numbers(zones)
    order = np.lexsort((zones["time_ns"], numbers))
    rows, above = zones[order], ints(zones["free"])[order] > story.gates[order]
    same = np.zeros(len(rows), bool)
    same[1:] = np.diff(numbers[order]) == 0
    was = np.zeros(len(rows), bool)
    was[1:] = same[1:] & (rows["status"][:-1] == 1)
    stuck = above & (rows["status"] == 1)
    breaks = tuple(
        Break(
            records=(int(zone["commit"]) - 1,),
            time_ns=int(zone["time_ns"]),
            promised=f"status 0 above {limit} free pages",
            seen=f"{_name(zone)} has {zone['free']}, and a status of 1",
        )
        for zone, limit in zip(rows[stuck], story.gates[order][stuck], strict=True)
    )
    tested = int(np.count_nonzero(above & (was | stuck)))
    return Answer(invariant=Invariant.CLEARS, tested=tested, breaks=breaks)


def small_zones(story: Story) -> Answer:
    """Check that a zone has the status -1 if and only if it is small compared with its node.

    The log does not have the node's present pages: they are at least the sum over its zones, and at
    most a twentieth more, because 2.6.24 leaves the memmap out of a zone.
    """
    zones, divisor = story.zones, story.promises.small_zone_divisor or 1
    present = ints(zones["present"])
    keys = np.stack([ints(zones["time_ns"]), ints(zones["node"])])
    _, node = np.unique(keys, axis=1, return_inverse=True)
    total = np.bincount(node.ravel(), weights=present)[node.ravel()]
    small = present < total // divisor
    large = present >= total * 1.05 // divisor
    ignored = zones["status"] == -1
    wrong = (small & ~ignored) | (large & ignored)
    breaks = tuple(
        Break(
            records=(int(zone["commit"]) - 1,),
            time_ns=int(zone["time_ns"]),
            promised=f"the status of a zone below 1/{divisor} of its node is -1, of others 0 or 1",
            seen=f"{_name(zone)} has {zone['present']} of {pages:.0f} pages, "
            f"status {_status(zone)}",
        )
        for zone, pages in zip(zones[wrong], total[wrong], strict=True)
    )
    tested = int(np.count_nonzero(small | wrong))
    return Answer(invariant=Invariant.SMALL_ZONES, tested=tested, breaks=breaks)
