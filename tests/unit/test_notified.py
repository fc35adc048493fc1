"""Who counts as notified: the figures, the frames and the checks go by one rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.check.story import was_notified
from memnotify.records.decode import write_records
from memnotify.records.layout import Kind
from memnotify.results.frames import CellResults
from memnotify.results.promises import log_of
from memnotify.results.summary import trace_of

from tests.support.madeup import MadeUp, Model, S

POLLIN, POLLPRI, POLLERR = 1, 2, 8
FAILED = 2**64 - 1


def one_wakeup(revents: int, result: int) -> MadeUp:
    made = Model(batch=0).run()
    made.add(Kind.START, S, start_ns=S)
    made.add(Kind.WAKEUP, 20 * S, 0, revents=revents, result=result)
    return made


@pytest.mark.parametrize(
    ("revents", "result", "notified"),
    [
        (POLLIN, 1, 1),
        (POLLPRI, 1, 1),
        (POLLIN | POLLERR, 1, 1),
        (POLLERR, 1, 0),
        (POLLIN, 0, 0),
        (POLLIN, FAILED, 0),  # revents are of the time before
        (POLLPRI, FAILED, 0),
    ],
)
def test_figures_frames_and_checks_agree(
    tmp_path: Path, revents: int, result: int, notified: int
) -> None:
    made = one_wakeup(revents, result)
    write_records(made.records(), tmp_path / "records.parquet")
    found = {
        "figures": trace_of(made.records()).wakeup_ns.size,
        "frames": len(CellResults(tmp_path).wakeups),
        "checks": int(was_notified(log_of(made.records()).wakeups).sum()),
    }
    assert set(found.values()) == {notified}, found
