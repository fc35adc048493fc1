"""Checks a revision's promises against the log of one guest."""

from __future__ import annotations

import numpy as np

from memnotify.check.polls import each, everyone, nobody, once, throttle
from memnotify.check.promises import Answer, Asks, Break, Invariant, Promises, Status, Wakes
from memnotify.check.story import Story
from memnotify.check.wakeups import guard, notifications, windows
from memnotify.check.zones import clears, gate, pollin, small_zones, swap
from memnotify.model import DeviceName
from memnotify.records.clients import of_mem_notify, was_notified
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog, ints


def check(log: RecordLog, promises: Promises | None) -> tuple[Answer, ...]:
    """Return the result of each invariant that a revision promises.

    Without promises, the kernel has no mem_notify: there is no device, and nobody is woken.
    """
    if promises is None:
        watching = of_mem_notify(log)
        return no_device(watching), silence(watching)
    story = Story(log, promises)
    told = windows(story)
    answers: list[Answer | None] = [device(log, promises)]
    if promises.guard_s is not None:
        answers.append(guard(story, told))
    match promises.wakes:
        case Wakes.NOBODY:
            answers.append(nobody(story))
        case Wakes.EVERYONE:
            answers.append(everyone(story))
        case Wakes.FIFO:
            answers += notifications(story, told)
    taken = promises.status is Status.TAKEN and promises.asks is Asks.BOTH
    if taken and promises.rate_ns is not None:
        answers.append(once(story))
    if promises.status is Status.UNREAD and promises.rate_ns is not None:
        answers.append(each(story))
    if promises.throttled:
        answers.append(throttle(story))
    if promises.status is Status.SWAPPED:
        answers.append(swap(story))
    answers.append(pollin(story))
    if promises.asks is Asks.STATUS:
        answers.append(gate(story))
    if promises.status is Status.ZONE:
        answers.append(clears(story))
    if promises.small_zone_divisor is not None:
        answers.append(small_zones(story))
    had = {Invariant.SIGNALS: promises.fasync, Invariant.RATE: promises.rate_ns is not None}
    found = [answer for answer in answers if answer is not None]
    return tuple(answer for answer in found if had.get(answer.invariant, True))


def device(log: RecordLog, promises: Promises) -> Answer:
    """Check name, number and mode of the device. Kernels before 2.6.32 announce no mode."""
    major, minor, mode = promises.device
    breaks = []
    rows = log.kind(Kind.DEVICE)
    for row in rows:
        there = bool(row["present"]) and row["errno"] == 0
        path = DeviceName.path_of(int(row["present"]))
        same = (path, row["major"], row["minor"]) == (promises.path, major, minor)
        if there and same and row["mode"] in (0, mode):
            continue
        number = f"{row['major']}:{row['minor']}"
        seen = f"{path} {number}, mode {int(row['mode']):04o}" if there else "none"
        breaks.append(
            Break(
                records=(int(row["commit"]) - 1,),
                time_ns=int(row["time_ns"]),
                promised=f"{promises.path} {major}:{minor}, mode {mode:04o}, which can be opened",
                seen=seen,
            )
        )
    return Answer(invariant=Invariant.DEVICE, tested=len(rows), breaks=tuple(breaks))


def no_device(log: RecordLog) -> Answer:
    """Check that there is no device, and that nobody could open it."""
    devices, clients = log.kind(Kind.DEVICE), log.kind(Kind.CLIENT)
    found = [devices[devices["present"] != 0], clients[clients["errno"] == 0]]
    breaks = tuple(
        Break(
            records=(int(row["commit"]) - 1,),
            time_ns=int(row["time_ns"]),
            promised="no /dev/mem_notify",
            seen="the device exists",
        )
        for rows in found
        for row in rows
    )
    tested = len(devices) + len(clients)
    return Answer(invariant=Invariant.DEVICE, tested=tested, breaks=breaks)


def silence(log: RecordLog) -> Answer:
    """Check that nobody gets POLLIN. A test is a client in a guest that was short of memory."""
    wakeups = log.kind(Kind.WAKEUP)
    rows = wakeups[was_notified(wakeups)]
    breaks = tuple(
        Break(
            records=(int(row["commit"]) - 1,),
            time_ns=int(row["time_ns"]),
            client=int(row["client"]),
            promised="nobody is woken",
            seen="POLLIN",
        )
        for row in rows
    )
    scanned = ints(log.kind(Kind.RECLAIM)["pgscan"])
    short = scanned.size > 0 and bool(np.any(scanned > scanned[0]))
    tested = len(log.kind(Kind.CLIENT)) if short else 0
    return Answer(invariant=Invariant.SILENCE, tested=max(tested, len(breaks)), breaks=breaks)
