"""What a report says about each cell, in any format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from memnotify.axes import POINT
from memnotify.model import Ending
from memnotify.results.verdict import Verdict

PARAMETERS = (*POINT, "repeatability")
FIGURES = (
    "wakeups",
    "clients_woken",
    "max_batch",
    "first_wakeup_ms",
    "swapped_out_before_first",
    "oom_kills",
    "lost_records",
    "guest_seconds",
    "wall_seconds",
)


class CaseStatus(StrEnum):
    """An outcome as a CI service sees it. A finding is a failure of the kernel under test."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # the testbed failed
    SKIPPED = "skipped"  # not run


_STATUS = {
    Ending.OK: CaseStatus.PASSED,
    Ending.FINDING: CaseStatus.FAILED,
    Ending.INFRASTRUCTURE: CaseStatus.ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReport:
    """One cell of a plan. Texts may come from a guest, and every format escapes them.

    `verdict` is None if the cell has not run. `log` is the path of its console from the
    current folder, `console` the end of that file, and `events` the cell's timeline.
    """

    id: str
    name: str
    verdict: Verdict | None = None
    log: str | None = None
    console: str = ""
    events: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def row(self) -> Mapping[str, Any]:
        """The fields of its verdict by name."""
        return {} if self.verdict is None else self.verdict.to_json()

    @property
    def outcome(self) -> str:
        return "not run" if self.verdict is None else str(self.verdict.outcome)

    @property
    def detail(self) -> str:
        return "" if self.verdict is None else self.verdict.outcome.detail

    @property
    def status(self) -> CaseStatus:
        return CaseStatus.SKIPPED if self.verdict is None else _STATUS[self.verdict.outcome.ending]

    @property
    def seconds(self) -> float:
        """Wall time."""
        return 0.0 if self.verdict is None else float(self.verdict.wall_seconds)

    def values(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield those of its parameters or figures that are known, as text."""
        row = self.row
        for name in names:
            if row.get(name) is not None:
                yield name, str(row[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectReport:
    """The result of one comparison, `what`, of an expectation, which `says` names."""

    says: str
    what: str
    result: str
    status: CaseStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run: the campaign's name, its cells in the order of the plan, and its expectations."""

    name: str
    cells: tuple[CellReport, ...]
    expected: tuple[ExpectReport, ...] = ()


def count(reports: Iterable[CellReport | ExpectReport], status: CaseStatus) -> int:
    """Return how many have this status."""
    return sum(report.status is status for report in reports)
