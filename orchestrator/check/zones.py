"""What the samples of /proc/zoneinfo say of POLLIN, gate and status.

A sample is a look at one moment. What came between two of them is decided only where both agree and
are far from the threshold; the rest is no test.
"""

from __future__ import annotations

import numpy as np

from orchestrator.check.promises import RUN_NS, Answer, Break, Invariant
from orchestrator.check.story import Flags, Ints, Story, indexes, ints

_NO_STATUS = -(2**31)
_GAP_NS = 200_000_000
"""Samples that are further apart than this decide nothing."""


def pollin(story: Story) -> Answer:
    """Check that POLLIN is given only while poll() has a reason.

    A status of 1, or low memory, in a sample from before it can have been decided to after it was
    logged is a reason. It is broken where none has one, and all show more than twice as much free
    as the gate asks for, so that there was none between them.
    """
    samples, waits = story.samples, story.waits
    by_status = story.promises.pollin_status
    asked = story.woken()
    asked = asked[~waits.signal[asked]]
    return _reasons(
        story,
        Invariant.POLLIN,
        asked,
        reason=samples.on if by_status else samples.low,
        promised="POLLIN only while "
        + ("the status of a zone is 1" if by_status else "the sum of free pages is low"),
    )


def gate(story: Story) -> Answer:
    """Check that a notification comes only when a zone is at or below the gate's threshold."""
    waits, asked = story.waits, story.woken()
    # Who goes into poll() when a status is 1 needs no notification.
    asked = asked[waits.signal[asked] | (waits.at[asked] - waits.since[asked] > RUN_NS)]
    return _reasons(
        story,
        Invariant.GATE,
        asked,
        reason=story.samples.low,
        promised="a notification only when a zone has no more free pages than the gate lets be",
    )


def _reasons(
    story: Story, invariant: Invariant, asked: Ints, *, reason: Flags, promised: str
) -> Answer:
    samples, waits = story.samples, story.waits
    first, last = samples.around(waits.low[asked], waits.at[asked])
    known = (first >= 0) & (last < samples.times.size)
    asked, first, last = asked[known], first[known], last[known]

    def among(flags: Flags, start: Ints, stop: Ints) -> Ints:
        """Count the flags in each slice."""
        count = np.concatenate([[0], np.cumsum(flags)])
        return ints(count[stop] - count[start])

    reasons = among(reason, first, last + 1)
    gaps = among(np.diff(samples.times) > _GAP_NS, first, last)
    broken = (reasons == 0) & (gaps == 0) & (among(~samples.plenty, first, last + 1) == 0)
    breaks = tuple(
        Break(
            records=(
                int(waits.wakeup[i]),
                *(record for at in sorted({int(a), int(b)}) for record in _records(story, at)),
            ),
            time_ns=int(waits.at[i]),
            client=int(waits.client[i]),
            promised=promised,
            seen=_free(story, *sorted({int(a), int(b)})),
        )
        for i, a, b in zip(asked[broken], first[broken], last[broken], strict=True)
    )
    tested = int(np.count_nonzero(reasons)) + len(breaks)
    return Answer(invariant=invariant, tested=tested, breaks=breaks)


def _records(story: Story, sample: int) -> list[int]:
    return [int(index) for index in indexes(story.log.zones[story.samples.rows[sample]])]


def _free(story: Story, *samples: int) -> str:
    """Return what samples show of each zone."""
    shown = []
    for sample in samples:
        rows = story.samples.rows[sample]
        zones = (
            f"{_name(zone)} {zone['free']} pages (gate {gate}), status {_status(zone)}"
            for zone, gate in zip(story.log.zones[rows], story.gates[rows], strict=True)
        )
        shown.append(f"{(int(story.samples.times[sample])) / 1e9:.3f} s: " + ", ".join(zones))
    return "; ".join(shown)


def _name(zone: np.void) -> str:
    return bytes(zone["name"]).decode(errors="replace")


def _status(zone: np.void) -> str:
    return "-" if zone["status"] == _NO_STATUS else str(zone["status"])


def clears(story: Story) -> Answer:
    """Check that a zone's status is 0 when its free pages have come above the gate.

    Both are read under the zone's lock. A test is a sample above the gate whose predecessor had a
    status of 1.
    """
    zones = story.log.zones
    order = np.lexsort((zones["time_ns"], zones["name"], zones["node"]))
    rows, above = zones[order], ints(zones["free"])[order] > story.gates[order]
    same = np.zeros(len(rows), bool)
    same[1:] = (rows["name"][1:] == rows["name"][:-1]) & (rows["node"][1:] == rows["node"][:-1])
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
    """Check that a zone has the status -1 if and only if it is small beside its node.

    What a node has present is not in the log: it is at least what its zones have, and at most a
    twentieth more, because 2.6.24 leaves the memmap out of a zone.
    """
    zones, divisor = story.log.zones, story.promises.small_zone_divisor or 1
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
