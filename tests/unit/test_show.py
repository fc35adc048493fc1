"""The table for people: it fits a page, truncates nothing, and says what is wrong."""

from __future__ import annotations

import io
from typing import Any

import pytest
from memnotify.report.plain import plain_console
from memnotify.report.table import print_run
from memnotify.results.verdict import Verdict
from rich.console import Console

from tests.support.rows import full_row as row


def printed(*rows: dict[str, Any], planned: int | None = None) -> str:
    out = io.StringIO()
    verdicts = [Verdict.from_json(row) for row in rows]
    print_run(plain_console(out), verdicts, planned=planned or len(rows))
    return out.getvalue()


def test_a_full_row_fits_120_columns() -> None:
    text = printed(row(outcome="finding:oom-kill"), row())
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 120
    assert "100 +10.7 100 +10.7 100 …" in text


def test_a_narrow_terminal_leaves_the_id_whole() -> None:
    out = io.StringIO()
    verdict = Verdict.from_json(row())
    print_run(Console(file=out, width=80, force_terminal=True), [verdict], planned=1)
    assert "0123456789abcdef" in out.getvalue()


def test_only_axes_that_differ_get_a_column() -> None:
    assert "repeat" not in (text := printed(row(), row()))
    assert text.splitlines()[0].strip() == "6.1 x86_64 pc-swap squeeze"
    two = printed(row(machine="pc"), row())
    assert two.splitlines()[0].strip() == "6.1 x86_64 squeeze"
    assert "machine" in two


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"outcome": "finding:panic", "detail": "Oops"}, "0123456789abcdef finding:panic: Oops"),
        ({"lost_records": 7}, "0123456789abcdef 7 records lost"),
    ],
)
def test_notes_below_the_table(changes: dict[str, Any], note: str) -> None:
    assert note in printed(row(**changes))
    assert note not in printed(row())


def test_a_failed_cell_without_a_log_has_dashes() -> None:
    names = ("wakeups", "clients_woken", "first_wakeup_ms", "swapped_out_before_first", "oom_kills")
    failed = row(**dict.fromkeys(names), batches=None, outcome="infrastructure:qemu-died")
    line = next(line for line in printed(failed).splitlines() if line.startswith("0123"))
    assert line.split()[4:] == ["-", "-", "-", "-", "-", "infrastructure:qemu-died"]


def test_counts() -> None:
    text = printed(row(), row(outcome="finding:hang"), planned=5)
    assert "5 cells: 1 ok, 1 finding, 0 infrastructure failures, 3 not run" in text


def test_a_self_check_gets_a_column() -> None:
    assert "self-check" not in printed(row(self_check=None))
    text = printed(row(self_check={"passed": 18, "failed": 0, "skipped": 2}), row())
    assert "18 passed, 2 skipped" in text
