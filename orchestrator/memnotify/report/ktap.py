"""KTAP, the format of the kernel's own tests (Documentation/dev-tools/ktap.rst)."""

from __future__ import annotations

from memnotify.report.cells import FIGURES, CaseStatus, CellReport, ExpectReport, RunReport, count
from memnotify.text import printable


def ktap(run: RunReport) -> str:
    """Return a run as KTAP: one test per cell, preceded by its figures as diagnostics.

    Then follows one test per expectation.
    """
    tests: tuple[CellReport | ExpectReport, ...] = (*run.cells, *run.expected)
    lines = ["KTAP version 1", f"# {printable(run.name)}", f"1..{len(tests)}"]
    for number, cell in enumerate(run.cells, 1):
        figures = " ".join(f"{name}={value}" for name, value in cell.values(FIGURES))
        if figures:
            lines.append(f"# {printable(figures)}")
        why = f"{cell.outcome}: {cell.detail}" if cell.detail else cell.outcome
        lines.append(_result(number, cell.name, cell.status, why))
    for number, one in enumerate(run.expected, len(run.cells) + 1):
        name = f"expect {one.says}: {one.what}"
        lines.append(_result(number, name, one.status, one.came_out))
    counts = {status: count(tests, status) for status in CaseStatus}
    passed, failed = counts[CaseStatus.PASSED], counts[CaseStatus.FAILED]
    skipped, error = counts[CaseStatus.SKIPPED], counts[CaseStatus.ERROR]
    lines.append(
        f"# Totals: pass:{passed} fail:{failed} xfail:0 xpass:0 skip:{skipped} error:{error}"
    )
    return "\n".join(lines) + "\n"


def _result(number: int, name: str, status: CaseStatus, why: str) -> str:
    passed = status in (CaseStatus.PASSED, CaseStatus.SKIPPED)
    line = f"{'ok' if passed else 'not ok'} {number} {_plain(name)}"
    why = _plain(why)
    match status:
        case CaseStatus.PASSED:
            return line
        case CaseStatus.FAILED:
            return f"{line} # {why}"
        case CaseStatus.SKIPPED:
            return f"{line} # SKIP {why}"
        case CaseStatus.ERROR:
            return f"{line} # ERROR {why}"


def _plain(text: str) -> str:
    # A number sign would start a directive, and KTAP cannot escape it.
    return printable(text).replace("#", "*")
