"""Decodes a guest's log from the shared memory.

The guest wrote these bytes, so a record counts only if its `commit` and its kind are valid.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog

_KNOWN = np.isin(np.arange(1 << 16), list(Kind))  # indexed by a record's `kind`


def decode(region: Any, capacity: int) -> RecordLog:
    """Copy the valid records out of the shared memory.

    `region` is a buffer laid out as in record.h with room for `capacity` records.
    """
    header = np.frombuffer(region, layout.HEADER, count=1)[0]
    claimed = min(int(header["next"]), capacity)
    # Make one plain copy: a structured array would be copied field by field.
    raw = np.frombuffer(region, np.uint8, claimed * layout.RECORD.itemsize, layout.RECORDS_OFFSET)
    records = raw.copy().view(layout.RECORD)
    valid = records["commit"] == np.arange(1, claimed + 1, dtype="<u4")
    valid &= _KNOWN[records["kind"]]
    if not valid.all():
        records = records[valid]
    return RecordLog(records, lost=int(header["lost"]), torn=claimed - len(records))
