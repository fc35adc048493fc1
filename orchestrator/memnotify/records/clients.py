"""The records of clients: who was notified, and which clients watch mem_notify."""

from __future__ import annotations

import numpy as np

from memnotify.records.layout import Kind
from memnotify.records.log import ByKind, Flags, RecordLog, Records, ints, take
from memnotify.scenario import SUCCESSORS

_POLLIN = 0x001
_POLLPRI = 0x002  # PSI and memory.events set it; a client of mem_notify does not ask for it
_OF_CLIENTS = (Kind.POLL, Kind.WAKEUP, Kind.READ, Kind.EXIT)


def was_notified(wakeups: Records) -> Flags:
    """Return which WAKEUP records are notifications, as every figure counts them.

    poll() returned more than 0, with POLLIN, or POLLPRI for a successor; likewise for SIGIO. A
    failed poll() leaves stale revents.
    """
    found: Flags = (ints(wakeups["result"]) > 0) & (wakeups["revents"] & (_POLLIN | _POLLPRI) != 0)
    return found


def notified(log: ByKind) -> Records:
    """Return the WAKEUP records that are notifications, by time."""
    wakeups = log.kind(Kind.WAKEUP)
    found = take(wakeups, was_notified(wakeups))
    return take(found, np.argsort(found["time_ns"], kind="stable"))


def of_mem_notify(log: RecordLog) -> RecordLog:
    """Return the log without the records of clients that watch a successor of mem_notify."""
    clients = log.kind(Kind.CLIENT)
    others = np.isin(clients["client_kind"], list(SUCCESSORS))
    if not others.any():
        return log
    kinds = log.records["kind"]
    theirs = np.isin(log.records["client"], clients["client"][others])
    theirs &= np.isin(kinds, _OF_CLIENTS)
    theirs[kinds == Kind.CLIENT] = others
    return log.only(~theirs)
