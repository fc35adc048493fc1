"""Who counts as notified: figures, frames and checks use the same rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.check.metrics import measure
from memnotify.check.story import Story
from memnotify.records.layout import Kind
from memnotify.records.parquet import write_records
from memnotify.results.frames import CellResults
from memnotify.results.promises import promises_of
from memnotify.series.revision import load_revision

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
        (POLLIN, FAILED, 0),  # revents are left from the previous call
        (POLLPRI, FAILED, 0),
    ],
)
def test_figures_frames_and_checks_agree(
    tmp_path: Path, revents: int, result: int, notified: int
) -> None:
    made = one_wakeup(revents, result)
    write_records(made.log(), tmp_path / "records.parquet")
    revision = load_revision("v4")
    assert revision is not None
    found = {
        "figures": measure(made.log()).wakeups,
        "frames": len(CellResults(tmp_path).wakeups),
        "checks": Story(made.log(), promises_of(revision)).woken().size,
    }
    assert set(found.values()) == {notified}, found
