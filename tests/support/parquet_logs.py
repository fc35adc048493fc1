"""Logs that are written to records.parquet."""

from __future__ import annotations

import numpy as np
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog

from tests.support.campaigns import record, zone


def log_of(*rows: np.ndarray, lost: int = 0) -> RecordLog:
    records = np.concatenate(rows)
    records["commit"] = np.arange(1, len(records) + 1)
    return RecordLog(records, lost=lost, torn=0)


SANE = log_of(
    record(Kind.BOOT, 1, 60000, 4096, 1, 131072, 6 << 16),
    zone(2, 500),
    record(Kind.WAKEUP, 3, 1, 2**64 - 1, 4, 5, 6, client=7),
    zone(4, 300, b"Normal"),
    record(Kind.END, 5),
)
