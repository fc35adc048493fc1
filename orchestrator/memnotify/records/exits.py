"""The EXIT records of a log: how the scenario's processes ended."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

import numpy as np

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
    return take(exits, ((exits["code"] != 0) | _crashed(exits)) & (exits["sent_by_agent"] == 0))


def unexpected_exits(log: ByKind, expected: Mapping[int, int]) -> Records:
    """Return the EXIT records of these clients that did not end with their status.

    Those in `killed_exits` are a separate finding here too.
    """
    exits = log.kind(Kind.EXIT)
    exits = take(exits, np.isin(exits["client"], list(expected)) & (exits["sent_by_agent"] == 0))
    wanted = np.array([expected[client] for client in exits["client"].tolist()], "i8")
    other = (exits["signal"] == 0) & (exits["code"].astype("i8") != wanted)
    return take(exits, other | _crashed(exits))


def _crashed(exits: Records) -> Any:
    return (exits["signal"] != 0) & (exits["signal"] != signal.SIGKILL)
