"""What the EXIT records of a log say: how the scenario's processes ended."""

from __future__ import annotations

import signal

from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog, Records, take


def killed_exits(log: RecordLog) -> Records:
    """Return the EXIT records of processes that the OOM killer ended: by SIGKILL, not the agent."""
    exits = log.kind(Kind.EXIT)
    return take(exits, (exits["signal"] == signal.SIGKILL) & (exits["sent_by_agent"] == 0))


def failed_exits(log: RecordLog) -> Records:
    """Return the EXIT records of processes that did not end as the scenario wants.

    Those of `killed_exits` are another finding.
    """
    exits = log.kind(Kind.EXIT)
    crashed = (exits["signal"] != 0) & (exits["signal"] != signal.SIGKILL)
    return take(exits, ((exits["code"] != 0) | crashed) & (exits["sent_by_agent"] == 0))
