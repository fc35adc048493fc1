"""The SELF_CHECK records of a log: the results of the tests of the kernel."""

from __future__ import annotations

import errno
import os
from typing import Any

import numpy as np

from memnotify.records.layout import CheckResult, Kind
from memnotify.records.log import RecordLog

_MAX_ERRNO = 4095  # Linux's limit; strerror() only takes numbers that fit an int


def describe_check(row: Any) -> str:
    """Return a readable description of a SELF_CHECK record."""
    name, result, error = (
        row["name"].decode(errors="replace"),
        row["result"],
        min(int(row["error"]), _MAX_ERRNO),
    )
    if result == CheckResult.PASSED:
        return f"{name} passed"
    why = os.strerror(error) if error else "a wrong result"
    if result == CheckResult.SKIPPED:
        return f"{name} skipped: {why}"
    if row["signal"]:
        why = "did not finish" if error == errno.ETIMEDOUT else f"killed by signal {row['signal']}"
        return f"{name} FAILED: {why}"
    return f"{name} FAILED: {why} (line {row['line']})"


def count_checks(log: RecordLog) -> dict[str, int] | None:
    """Return how many tests of a self-check passed, failed, and were skipped; None without one."""
    results = log.kind(Kind.SELF_CHECK)["result"]
    if not len(results):
        return None
    return {what.name.lower(): int(np.count_nonzero(results == what)) for what in CheckResult}
