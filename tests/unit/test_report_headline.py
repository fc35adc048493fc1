"""What the headline of a report claims."""

from __future__ import annotations

import pytest
from memnotify.check.promises import Invariant, PromiseVerdict
from memnotify.report.cells import CellReport
from memnotify.report.page.gather import Gathered, Promise
from memnotify.report.page.headline import Level, headline

from tests.support.drawn import made_up_verdict

SILENT = Promise(
    invariant=Invariant.SILENCE, tested=1, broken=0, verdict=PromiseVerdict.KEPT, breaks=()
)
NONE_ON_FILE = Promise(invariant=None, tested=0, broken=0, verdict=None, breaks=())


def cell(*promises: Promise, unchecked: bool = False) -> Gathered:
    return Gathered(
        report=CellReport(id="a" * 16, name="one", verdict=made_up_verdict("one")),
        axes={},
        scenario="",
        reaction={},
        promises=promises,
        manifest=None,
        block="",
        unchecked=unchecked,
    )


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (cell(SILENT), Level.GOOD, "As promised: 1 of 1 cell ok, 1 promise kept"),
        (cell(NONE_ON_FILE), Level.GOOD, "Nothing was promised: 1 of 1 cell ok"),
        (cell(), Level.GOOD, "Nothing was promised: 1 of 1 cell ok"),
        (
            cell(unchecked=True),
            Level.LOOK,
            "Worth a look: promises not checked in 1 cell, 1 of 1 cell ok",
        ),
    ],
)
def test_only_promises_that_were_checked_count(found: Gathered, level: Level, said: str) -> None:
    made = headline([found], ())
    assert (made.level, made.text) == (level, said)
