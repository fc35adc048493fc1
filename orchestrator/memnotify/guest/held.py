"""A guest that is held for somebody who looks at it, and who that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from memnotify.guest.gdb_relay import GdbRelay
from memnotify.guest.qmp import Monitor
from memnotify.records.log import RecordLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A guest that stands still; `ended`: it will not run on, only be taken away.

    `reasons` say what it shows, and `record` is the number of its newest record. gdb can connect to
    `gdb`, if QEMU still answers.
    """

    reasons: tuple[str, ...]
    seconds: float
    record: int
    ended: bool
    monitor: Monitor
    gdb: GdbRelay | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody who looks at a guest: `hold` returns when it may go on.

    `more` returns what else in the log of a guest that has ended is a reason to look.
    """

    hold: Callable[[Held], Awaitable[None]]
    more: Callable[[RecordLog], list[str]] = lambda log: []
