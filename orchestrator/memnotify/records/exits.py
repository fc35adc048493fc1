"""The EXIT records of a log: how the scenario's processes ended."""

from __future__ import annotations

import signal

from memnotify.records.layout import Kind
from memnotify.records.log import ByKind, RecordLog, Records, take


def killed_exits(log: ByKind) -> Records:
    """Return the EXIT records of OOM kills: ended by a SIGKILL that the agent did not send."""
    exits = log.kind(Kind.EXIT)
    return take(exits, (exits["signal"] == signal.SIGKILL) & (exits["sent_by_agent"] == 0))


def failed_exits(log: RecordLog) -> Records:
    """Return the EXIT records of processes that did not end as the scenario intends.

    Those in `killed_exits` are a separate finding.
    """
    exits = log.kind(Kind.EXIT)
    crashed = (exits["signal"] != 0) & (exits["signal"] != signal.SIGKILL)
    return take(exits, ((exits["code"] != 0) | crashed) & (exits["sent_by_agent"] == 0))
