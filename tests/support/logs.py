"""Made-up logs for tests: records of one kind at a time, by the names of their values."""

from __future__ import annotations

from typing import Any

import numpy as np
from memnotify.records.layout import NO_CLIENT, RECORD, Kind
from memnotify.records.log import VIEWS, RecordLog, Records


def rows(kind: Kind, times: Any, *, client: Any = NO_CLIENT, **values: Any) -> Records:
    """Return records of one kind, one for each time in ns.

    `client` and each value are one for all, or an array with one for each.
    """
    found = np.zeros(np.size(times), RECORD)
    view = found.view(VIEWS[kind])
    for name, value in values.items():
        view[name] = value
    found["kind"], found["time_ns"], found["client"] = kind, times, client
    return found


def log_of(*records: Records) -> RecordLog:
    """Return a log with these records, claimed in this order."""
    whole = np.concatenate([np.zeros(0, RECORD), *records])
    whole["commit"] = np.arange(1, len(whole) + 1)
    return RecordLog(whole, lost=0, torn=0)
