"""The summary of a run for a CI job's page, in Markdown for GitHub and GitLab."""

from __future__ import annotations

import html
from collections.abc import Sequence

from memnotify.report.cells import FIGURES, CaseStatus, CellReport, ExpectReport, RunReport
from memnotify.report.table import summary
from memnotify.text import printable

_SHOWN = FIGURES[:6]
_ALL_CELLS = 200
"""GitHub truncates a summary at 1 MiB; nobody would read a larger table there anyway."""


def markdown(run: RunReport) -> str:
    """Return a run as Markdown: the counts, failures, and expectations, then a folded table
    of all cells."""
    verdicts = [cell.verdict for cell in run.cells if cell.verdict is not None]
    lines = [f"### {_say(run.name)}: {summary(verdicts, planned=len(run.cells))}", ""]
    wrong = [cell for cell in run.cells if cell.status in (CaseStatus.FAILED, CaseStatus.ERROR)]
    if wrong:
        lines += _table(("cell", "outcome", "why"), [_wrong(cell) for cell in wrong[:_ALL_CELLS]])
    if len(wrong) > _ALL_CELLS:
        lines += [f"... and {len(wrong) - _ALL_CELLS} more", ""]
    if run.expected:
        lines += _table(("expected", "details", "result"), [_expected(one) for one in run.expected])
    titles = ("cell", *(name.replace("_", " ") for name in _SHOWN), "outcome")
    lines += ["<details><summary>all cells</summary>", ""]
    lines += _table(titles, [_figures(cell) for cell in run.cells[:_ALL_CELLS]])
    if len(run.cells) > _ALL_CELLS:
        lines += [f"... and {len(run.cells) - _ALL_CELLS} more", ""]
    lines += ["</details>"]
    return "\n".join(lines) + "\n"


def _wrong(cell: CellReport) -> tuple[str, ...]:
    return cell.name, cell.outcome, cell.detail


def _expected(one: ExpectReport) -> tuple[str, ...]:
    return one.says, one.what, one.came_out


def _figures(cell: CellReport) -> tuple[str, ...]:
    known = dict(cell.values(_SHOWN))
    return cell.name, *(known.get(name, "-") for name in _SHOWN), cell.outcome


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(map(_say, line))} |" for line in lines] + [""]


def _say(text: str) -> str:
    """Escape everything that Markdown or HTML would interpret."""
    text = html.escape(printable(text), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|~#!" else c for c in text)
