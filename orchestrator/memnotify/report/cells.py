"""What a report says of each cell, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

POINT = ("base", "series", "arch", "machine", "memory_mib", "scenario", "clients", "repeat")
"""Of the matrix."""

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
    """How a CI service is told of an outcome. A finding is a failure of the kernel under test."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # the testbed failed
    SKIPPED = "skipped"  # not run


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReport:
    """One cell of a plan. Texts may come from a guest, and every format escapes them.

    `row` is its verdict, None if it has not run; `log` is its console's path below the run's
    folder, and `console` the end of what is in there; `events` is its timeline.
    """

    id: str
    name: str
    row: Mapping[str, Any] | None = None
    log: str | None = None
    console: str = ""
    events: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def outcome(self) -> str:
        return "not run" if self.row is None else str(self.row["outcome"])

    @property
    def detail(self) -> str:
        return "" if self.row is None else str(self.row["detail"])

    @property
    def status(self) -> CaseStatus:
        if self.row is None:
            return CaseStatus.SKIPPED
        if self.outcome == "ok":
            return CaseStatus.PASSED
        infrastructure = self.outcome.startswith("infrastructure:")
        return CaseStatus.ERROR if infrastructure else CaseStatus.FAILED

    @property
    def seconds(self) -> float:
        """Wall time."""
        return 0.0 if self.row is None else float(self.row["wall_seconds"])

    def values(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield those of its parameters or figures that are known, as texts."""
        for name in names:
            if self.row is not None and self.row.get(name) is not None:
                yield name, str(self.row[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectReport:
    """What came out of one comparison, `what`, of a campaign's expectation, which `says` names."""

    says: str
    what: str
    came_out: str
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
